"""The graph as a Ray Serve application: one deployment that asks all members itself.

One, and not one per member: a member's work is done in its own service, and a Ray actor between would add its hop to
every request (docs/adr/0004-ensemble-graph.md). For KubeRay the import path is `services.ensemble.ray_app:app`.
"""

import os
from collections.abc import Mapping
from typing import Any

from ray import serve
from ray.serve import Application

from services.edge.errors import StrataError
from services.edge.tracing import Carrier, handed_over, start_tracing
from services.ensemble.domain import Answer, PredictRequest, Started
from services.ensemble.loading import load_ensembles
from services.ensemble.members import StaticMembers, chains_of
from services.ensemble.settings import PREFIX, settings_from

_CONNECT_TIMEOUT_S = 10.0


@serve.deployment(name="ensemble", ray_actor_options={"num_cpus": 0})
class EnsembleDeployment:
    """A predictor in a replica; its channels to the members stay open."""

    def __init__(self, environment: Mapping[str, str]):
        # Imported here, in the replica: the process that deploys it does not need torch.
        from services.ensemble.graph import build_predictor

        start_tracing("strata-ensemble", os.environ)
        settings = settings_from(environment)
        served = load_ensembles(settings.files, environment)
        chains = chains_of(settings.members)
        models = dict.fromkeys(model for each in served.values() for model in each.ensemble.models)
        self._services = [service for model in models for service in chains.get(model, (model,))]
        self._members = StaticMembers(settings.addresses())
        self._predictor = build_predictor(served, self._members, settings, chains)

    async def predict(self, request: PredictRequest, trace: Carrier) -> Answer | StrataError:
        """Answer a request. A refusal is returned, not raised: Ray wraps what is raised in a class of its own."""
        try:
            with handed_over("graph", trace):
                return await self._predictor.predict(request)
        except StrataError as error:
            return error

    async def wake(self, ensemble: str, timeout_s: float) -> Mapping[str, Started]:
        """Have an ensemble's members start."""
        return await self._predictor.wake(ensemble, timeout_s)

    async def check(self) -> None:
        """Say that this replica is there."""

    async def connect(self) -> dict[str, str]:
        """Open the ways to all members, before the first request; return those that are shut, and why."""
        return await self._members.connect(self._services, _CONNECT_TIMEOUT_S)


def app(args: Mapping[str, str]) -> Application:
    """Build the application from ENSEMBLE_ and STRATA_ variables of this process; `args` go over them.

    Raises:
        InvalidDeclaration: settings or declarations are at fault; nothing is deployed.
    """
    environment = {name: value for name, value in os.environ.items() if name.startswith((PREFIX, "STRATA_"))}
    environment.update(args)
    settings = settings_from(environment)
    load_ensembles(settings.files, environment)
    deployment: Any = EnsembleDeployment  # what the decorator makes of the class
    # One more than there may be requests: a check is answered however many are under way.
    options = {"max_ongoing_requests": settings.max_ongoing + 1}
    application: Application = deployment.options(**options).bind(environment)
    return application
