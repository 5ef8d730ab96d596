"""The graph in this process: a predictor over members at known addresses."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from services.edge.cpu_share import thread_count
from services.ensemble.chains import CHAIN_LIMITS, ChainedMembers
from services.ensemble.client import ModelClient
from services.ensemble.members import Members, SpareMember, StaticMembers, chains_of
from services.ensemble.pictures import preparation_pool, prepare_item
from services.ensemble.queue import Queue
from services.ensemble.served import Served
from services.ensemble.settings import Settings
from services.ensemble.spare import WithSpare
from services.ensemble.usecases import Predictor


def build_predictor(
    served: Mapping[str, Served], services: Members, settings: Settings, chains: Mapping[str, Sequence[str]]
) -> Predictor:
    """Put a predictor together; pictures are prepared on as many threads as this process has CPUs.

    Args:
        services: of whole models by their names, and of stages.
        chains: the services of the models that are cut, in their stages' order.
    """
    specs = [spec for each in served.values() for spec in each.specs]
    client = ModelClient(services, chains)
    return Predictor(
        served,
        WithSpare(client.infer, client.start, ModelClient(SpareMember(services)).infer, time.monotonic)
        if settings.spare
        else client.infer,
        ChainedMembers(services, chains),
        prepare_item,
        preparation_pool(thread_count(), specs),
        settings.prices(),
        settings.max_pictures,
        {model: address.limits for model, address in settings.members.items()} | dict.fromkeys(chains, CHAIN_LIMITS),
        Queue(client.start, {model: address.places for model, address in settings.members.items()}),
    )


@asynccontextmanager
async def open_graph(served: Mapping[str, Served], settings: Settings) -> AsyncIterator[Predictor]:
    """Open the graph over the members that the settings name."""
    members = StaticMembers(settings.addresses())
    try:
        yield build_predictor(served, members, settings, chains_of(settings.members))
    finally:
        await members.close()
