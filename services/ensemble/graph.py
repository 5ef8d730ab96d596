"""The graph in this process: a predictor over members at known addresses."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from services.edge.cpu_share import thread_count
from services.ensemble.client import Members, ModelClient
from services.ensemble.members import StaticMembers
from services.ensemble.pictures import preparation_pool, prepare_picture
from services.ensemble.served import Served
from services.ensemble.settings import Settings
from services.ensemble.usecases import Predictor


def build_predictor(served: Mapping[str, Served], members: Members, settings: Settings) -> Predictor:
    """Put a predictor together; pictures are prepared on as many threads as this process has CPUs."""
    specs = [spec for each in served.values() for spec in each.specs]
    return Predictor(
        served,
        ModelClient(members).infer,
        members,
        prepare_picture,
        preparation_pool(thread_count(), specs),
        settings.prices(),
        settings.max_pictures,
        {model: address.limits for model, address in settings.members.items()},
    )


@asynccontextmanager
async def open_graph(served: Mapping[str, Served], settings: Settings) -> AsyncIterator[Predictor]:
    """Open the graph over the members that the settings name."""
    members = StaticMembers(settings.members)
    try:
        yield build_predictor(served, members, settings)
    finally:
        await members.close()
