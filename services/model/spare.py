"""A process that is warm and has no model: the first request makes it that request's model, until it has rested."""

import asyncio
import gc
from collections.abc import Callable

from services.edge.deadline import Clock, Deadline
from services.edge.errors import NotReady
from services.model.domain import InferAnswer, InferRequest
from services.model.usecases import Model
from services.zoo.manifest import Manifest

_NEVER = Deadline()


class Spare:
    """Lends itself to one model at a time; its callers need an answer until that model's own process has started.

    For one event loop.
    """

    ready = True

    def __init__(self, open_model: Callable[[str], Model], rest_s: float, clock: Clock):
        """Have no model yet.

        Args:
            open_model: makes the model of that name, not yet loaded; raises ModelNotFound.
            rest_s: a model that was not asked for so long is let go of.
        """
        self._open_model = open_model
        self._rest_s = rest_s
        self._clock = clock
        self._model: Model | None = None
        self._loading: asyncio.Task[None] | None = None
        self._under_way = 0
        self._used_s = clock()

    @property
    def manifest(self) -> Manifest:
        """Of the model that it is just now. Raises NotReady: it is none."""
        if self._model is None:
            raise NotReady("this process is a spare one that no model has claimed; ask it for a model's answer")
        return self._model.manifest

    async def infer(self, request: InferRequest, deadline: Deadline = _NEVER) -> InferAnswer:
        """Answer one request, loading its model first where there is none.

        Raises:
            ModelNotFound: there is no such model to load.
            NotReady: another model has claimed this process.
            StrataError: the model cannot be loaded, or refuses: as `Model.infer`.
        """
        model, loading = self._claim(request.model)
        self._under_way += 1
        try:
            # A caller who gives up leaves the model to the next one.
            await asyncio.shield(loading)
            return await model.infer(request, deadline)
        finally:
            self._under_way -= 1
            self._used_s = self._clock()
            if loading.done() and not model.ready and self._model is model:
                self._let_go()

    def let_go_if_rested(self) -> None:
        """Be nobody's model again, where nobody has asked for a while."""
        if self._model and not self._under_way and self._clock() - self._used_s >= self._rest_s:
            self._let_go()
            gc.collect()  # a model and its thread know each other: else its weights stay for some time

    def _claim(self, name: str) -> "tuple[Model, asyncio.Task[None]]":
        if self._model is None or self._loading is None:
            self._model = self._open_model(name)
            self._loading = asyncio.create_task(self._model.load())
        elif name != self._model.manifest.name:
            raise NotReady(f"this spare process is '{self._model.manifest.name}' just now; wait for '{name}' to start")
        return self._model, self._loading

    def _let_go(self) -> None:
        self._model = self._loading = None
