"""Cut and compile a model, and publish its stages: `python -m services.stage.publish`.

Settings are the environment variables that begin with PUBLISH_. What is published already is left as it is.
"""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from services.artifacts.store import open_store
from services.edge.environment import read_settings, setting
from services.edge.errors import InvalidDeclaration
from services.edge.exit_code import exit_code_of
from services.edge.lean_logs import configure_lean_logs
from services.stage.publishing import is_published, publish

PREFIX = "PUBLISH_"

_log = logging.getLogger("services.stage.publish")


@dataclass(frozen=True)
class PublishSettings:
    """`stages` is JSON: each stage's name and its last layer, in their order, null for the last one's."""

    model: str
    stages: str
    to: str
    runtime: str = setting("auto", one_of=("auto", "torch", "onnxruntime", "openvino"))


def main() -> int:
    """Publish, and return the exit code: 0 done, 2 where the model or the store is at fault, 1 where we are."""
    configure_lean_logs("publish")
    return exit_code_of(lambda: _publish(read_settings(PublishSettings, PREFIX, os.environ)), _log, "publish")


def _publish(settings: PublishSettings) -> None:
    stages = _stages(settings.stages)
    store = open_store(settings.to, create=True)
    if asyncio.run(is_published(store, len(stages))):
        _log.info("%s is published already", settings.to)
        return
    from services.zoo.cache_folder import default_cache
    from services.zoo.catalog import default_catalog
    from services.zoo.stage_compile import Cutting, compile_stages

    model_file = default_catalog(os.environ).model(settings.model)
    cutting = Cutting(layers=tuple(last for last in stages.values() if last), names=tuple(stages))

    def progress(step: str, done: int = 0, total: int = 0, /) -> None:
        _log.info("%s", f"{step} ({done} of {total})" if total else step)

    folders = compile_stages(model_file, cutting, default_cache(os.environ), settings.runtime, progress)
    asyncio.run(publish(folders, store))


def _stages(text: str) -> Mapping[str, str | None]:
    try:
        stages = json.loads(text)
        *others, last = stages.values()
        if last is not None or not all(isinstance(each, str) for each in others):
            raise ValueError("each stage but the last names its last layer, and the last one null")
    except (ValueError, AttributeError) as error:
        raise InvalidDeclaration(f"{PREFIX}STAGES: {error}") from error
    return {str(name): layer for name, layer in stages.items()}


if __name__ == "__main__":
    sys.exit(main())
