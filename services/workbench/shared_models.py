"""Models that several sessions have open at once: loaded once, kept while they are used, and a while longer."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

from torch import Tensor

from services.workbench.engine_model import EngineModel


@dataclass(eq=False)
class _Shared:
    loading: "asyncio.Future[EngineModel]"
    size_bytes: int = 0


class SharedModels:
    """At most `limit_bytes` of weights are kept for the next session; those used last stay."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._models: OrderedDict[Hashable, _Shared] = OrderedDict()

    async def get(self, key: Hashable, load: Callable[[], Awaitable[EngineModel]]) -> EngineModel:
        """A model by its key: kept, being loaded for another caller, or loaded now.

        Raises:
            what `load` raises; the next call tries again.
        """
        shared = self._models.get(key)
        if shared is None:
            shared = self._models[key] = _Shared(asyncio.ensure_future(load()))
        self._models.move_to_end(key)
        try:
            model = await asyncio.shield(shared.loading)
        except BaseException:
            if shared.loading.done() and self._models.get(key) is shared:
                del self._models[key]
            raise
        shared.size_bytes = size_bytes(model)
        self._drop()
        return model

    def forget(self, key: Hashable) -> None:
        """Keep a model no longer, if it is kept; who has it goes on with it."""
        self._models.pop(key, None)

    def _drop(self) -> None:
        while len(self._models) > 1 and sum(each.size_bytes for each in self._models.values()) > self._limit_bytes:
            self._models.popitem(last=False)


def size_bytes(model: EngineModel) -> int:
    """What a model's weights take."""
    parts = (part for layer in model.graph.layers for part in vars(layer.operation).values())
    return sum(part.nbytes for part in parts if isinstance(part, Tensor))
