"""The graph behind a Ray Serve handle, beside a Ray head of our own or joined to one that runs."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from services.edge.errors import DeadlineExceeded, NotReady, StrataError
from services.edge.ray_cluster import cluster_address, join_cluster, start_head
from services.edge.tracing import hand_over
from services.ensemble.domain import Answer, Description, PredictRequest, Started, time_allowed
from services.ensemble.served import Served, find
from services.ensemble.settings import Settings

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

_log = logging.getLogger(__name__)

APPLICATION = "strata"
_CHECK_S = 5.0
"""A check asks for nothing but a sign of life; a replica on a busy machine is given this long for it."""
_LATE_S = 1.0
"""A replica ends each request by its deadline; one that has not this much later is lost."""


class RayPredictor:
    """A predictor that hands requests to the deployment, with the time that remains."""

    def __init__(self, handle: "DeploymentHandle", served: Mapping[str, Served]):
        self._handle = handle
        self._served = served

    def describe(self) -> Sequence[Description]:
        """List the ensembles."""
        return [served.description for served in self._served.values()]

    async def predict(self, request: PredictRequest) -> Answer:
        """Answer a request; raises as `Predictor.predict` does, and NotReady where no replica answers."""
        allowed_s = time_allowed(request, find(self._served, request.ensemble).ensemble)
        # Parts of a message do not travel.
        pictures, sounds = (tuple(map(bytes, each)) for each in (request.pictures, request.sounds))
        asked = replace(request, pictures=pictures, sounds=sounds)
        answer = await _call(self._handle.predict.remote(asked, hand_over()), allowed_s + _LATE_S)
        if isinstance(answer, StrataError):
            raise answer
        assert isinstance(answer, Answer)
        return answer

    async def wake(self, ensemble: str, timeout_s: float) -> Mapping[str, Started]:
        """Have an ensemble's members start; raises as `Predictor.wake` does, and NotReady where no replica answers."""
        find(self._served, ensemble)
        woken = await _call(self._handle.wake.remote(ensemble, timeout_s), timeout_s + _LATE_S)
        return dict(woken)

    async def check(self) -> None:
        """Have the deployment say that it is there. Raises DeadlineExceeded or NotReady."""
        await _call(self._handle.check.remote(), _CHECK_S)

    async def wait_until_it_answers(self, timeout_s: float = 60.0) -> None:
        """Have the deployment connect to its members; say which it cannot reach. Raises NotReady."""
        try:
            unreached = await _call(self._handle.connect.remote(), timeout_s)
        except DeadlineExceeded as error:
            raise NotReady(str(error)) from error
        for model, fault in unreached.items():
            # No reason to wait: the other members answer.
            _log.warning("member '%s' will be missing: %s", model, fault)


async def _call(response: Awaitable[Any], timeout_s: float) -> Any:
    from ray.exceptions import RayError, RayTaskError
    from ray.serve.exceptions import RayServeException

    try:
        async with asyncio.timeout(timeout_s):
            return await response
    except RayTaskError:
        raise  # a fault in the replica's code, not its loss; it is an instance of what was raised there, too
    except TimeoutError:
        raise DeadlineExceeded(f"the graph had not answered after {timeout_s:.1f} s") from None
    except (RayError, RayServeException) as error:
        raise NotReady(
            f"the graph's replica is gone ({type(error).__name__}); another one starts: try again"
        ) from error


@asynccontextmanager
async def open_ray_graph(served: Mapping[str, Served], settings: Settings) -> AsyncIterator[RayPredictor]:
    """Open the graph in Ray Serve.

    Where RAY_ADDRESS names a head, the application runs on that cluster already, or will soon (KubeRay deploys it);
    otherwise a Ray head starts here, and ends with us.

    Raises:
        InvalidDeclaration: RAY_ADDRESS is not host:port.
        NotReady: no head answers, or the graph does not in time.
    """
    os.environ.update(ray_environment(settings.max_message_bytes))
    # In this thread, though it blocks: Ray wants the main one, and nothing is served yet.
    address = cluster_address(os.environ)
    join_cluster(address) if address else _deploy()
    _log_as_we_do()
    import ray

    try:
        predictor = RayPredictor(await find_deployment(), served)
        await predictor.wait_until_it_answers()
        yield predictor
    finally:
        ray.shutdown()  # ends a head of our own with all its processes; the front door has drained by now


def ray_environment(max_message_bytes: int) -> dict[str, str]:
    """Set what Ray reads when it is imported, here and in the processes it starts.

    Handles call replicas over gRPC, not through the object store, and in this event loop, not in a thread of their own.
    What would come with that, an HTTP server in each replica and a proxy for them, stays off.
    """
    return {
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0",
        "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(max_message_bytes + 2**20),
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def _deploy() -> None:
    from ray import serve

    from services.ensemble.ray_app import app

    application = app({})
    _log_as_we_do()
    start_head()
    # The front door is the one way in: Serve's own proxies stay off.
    serve.start(proxy_location="Disabled")
    serve.run(application, name=APPLICATION, route_prefix=None)


def _log_as_we_do() -> None:
    """Take Serve's own handler away, so that its records go where ours go."""
    from ray import serve

    log = logging.getLogger(serve.__name__)
    log.handlers.clear()
    log.propagate = True


async def find_deployment(timeout_s: float = 300.0) -> "DeploymentHandle":
    """Find the application; it may still be on its way. Raises NotReady."""
    from ray import serve
    from ray.serve.exceptions import RayServeException

    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    return await asyncio.to_thread(serve.get_app_handle, APPLICATION)
                except RayServeException:
                    await asyncio.sleep(1)
    except TimeoutError:
        raise NotReady(f"no application '{APPLICATION}' was deployed in Ray Serve within {timeout_s:g} s") from None
