"""Models on this machine, whole or as chains of stages, a process each."""

import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from services.cli.pipeline_model import choose_cutting
from services.edge.progress import Progress
from services.ensemble.members import stage_service
from services.local.models import local_models
from services.local.process import LastWords
from services.local.stages import local_stages
from services.local.supervisor import Supervisor
from services.zoo.cache_folder import default_cache
from services.zoo.model_file import ModelFile
from services.zoo.stage_compile import Cutting, compile_stages


@dataclass(frozen=True)
class LocalChain:
    """A model's compiled stages: the folder of each, by its service, in their order."""

    folders: Mapping[str, Path]

    @property
    def services(self) -> tuple[str, ...]:
        """The stages' services."""
        return tuple(self.folders)


def compile_chain(model_file: ModelFile, cutting: Cutting | None, runtime: str, progress: Progress) -> LocalChain:
    """Compile a model's stages, or find them compiled; `cutting` None is the model's own.

    Raises as `compile_stages`.
    """
    cutting = cutting or choose_cutting(model_file, None, "")
    folders = compile_stages(model_file, cutting, default_cache(os.environ), runtime, progress)
    return LocalChain({stage_service(model_file.name, each.name.partition("-")[2]): each for each in folders})


class LocalMembers:
    """Child processes of both kinds; a `Members`."""

    def __init__(self, models: Supervisor, stages: Supervisor, stage_names: frozenset[str]):
        self._models = models
        self._stages = stages
        self._stage_names = stage_names

    async def channel(self, model: str) -> grpc.aio.Channel:
        """The channel of a whole model, or of a stage."""
        return await (self._stages if model in self._stage_names else self._models).channel(model)

    async def wake(self, models: Iterable[str]) -> dict[str, str]:
        """Start those that do not run, and wait; return those that did not start, and why."""
        models = list(models)
        whole = await self._models.wake(each for each in models if each not in self._stage_names)
        return whole | await self._stages.wake(each for each in models if each in self._stage_names)

    def running(self) -> frozenset[str]:
        """Those whose process runs now."""
        return frozenset({**self._models.running(), **self._stages.running()})

    def starting(self) -> frozenset[str]:
        """Those that start just now."""
        return self._models.starting() | self._stages.starting()


@asynccontextmanager
async def local_members(
    compiled: Mapping[str, Path],
    chains: Mapping[str, LocalChain],
    logs: Path,
    idle_s: float,
    ended: Callable[[str, LastWords], None] = lambda *_: None,
) -> AsyncIterator[LocalMembers]:
    """Supervise whole models and chains; their processes end with this one. See `local_services`."""
    folders = {service: folder for chain in chains.values() for service, folder in chain.folders.items()}
    async with AsyncExitStack() as stack:
        models = await stack.enter_async_context(local_models(compiled, logs, idle_s, ended=ended))
        stages = await stack.enter_async_context(local_stages(folders, [], logs, idle_s))
        yield LocalMembers(models, stages, frozenset(folders))
