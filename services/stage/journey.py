"""A stage to which an engine hands records on their way through the chain, where it is not asked for them over gRPC."""

import asyncio
import atexit
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from services.contracts.strata.stage.v1 import stage_pb2 as pb
from services.edge.errors import StageUnavailable, StrataError
from services.edge.lean_logs import configure_lean_logs
from services.edge.meter import read_process
from services.edge.status import status_of
from services.edge.tracing import handed_over, start_tracing
from services.stage.converters import answer_to_message, description_to_message, request_from_message
from services.stage.opening import compiled_folder, stage_of
from services.stage.settings import settings_from
from services.stage.usecases import Stage

_SEND_SPANS_EVERY_S = 0.1
"""An engine ends its processes without asking: what waits longer would be lost."""

_log = logging.getLogger(__name__)


def open_stage(environment: Mapping[str, str]) -> "JourneyStage":
    """Load the stage of these settings in this process. What is wrong with it every journey will say."""
    configure_lean_logs("stage")
    began = read_process()  # the engine may have started this process long before, for whatever would come
    scratch = TemporaryDirectory()
    atexit.register(scratch.cleanup)
    try:
        start_tracing("strata-stage", os.environ, _SEND_SPANS_EVERY_S)
        settings = settings_from(environment)
        stage = stage_of(settings, compiled_folder(settings, Path(scratch.name)), began)
        asyncio.run(stage.load())
    except StrataError as error:
        return JourneyStage(error)
    return JourneyStage(stage)


class JourneyStage:
    """One stage, or what is wrong with it: nothing is raised where an engine would not know what to do."""

    def __init__(self, stage: Stage | StrataError):
        self._stage = stage

    async def take(self, journey: bytes, begun: int) -> bytes:
        """Do this stage's part of a journey, or say in it why not.

        Args:
            journey: a `Journey`.
            begun: how often this part was begun, with this time: more than once where a process ended over it.
        """
        message = pb.Journey.FromString(journey)
        if message.error:
            return journey
        try:
            await self._take(message, begun)
        except Exception as error:
            status = status_of(error)
            if status.incident:
                _log.exception("incident %s", status.incident)
            message.error, message.message = status.error, status.message
        return message.SerializeToString()

    async def _take(self, journey: pb.Journey, begun: int) -> None:
        if isinstance(self._stage, StrataError):
            raise self._stage
        manifest = self._stage.manifest
        if not journey.requests:
            journey.descriptions.append(description_to_message(manifest))
            return
        place = manifest.stage - journey.first
        if place < 0:
            return
        if begun > 1:
            # Whoever drives the job counts its tries, and waits between them.
            raise StageUnavailable(f"stage {manifest.stage}: its process ended over this record")
        began_s = time.monotonic()
        with handed_over("run", dict(journey.trace)):
            answer = await self._stage.run(request_from_message(journey.requests[place]))
        journey.passed.append(pb.Passed(answer=answer_to_message(answer), seconds=time.monotonic() - began_s))
