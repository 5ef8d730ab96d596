"""The servers that users of an ensemble call, HTTP and gRPC, over whatever predicts."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import REGISTRY, CollectorRegistry

from services.edge.address import split_address
from services.edge.admission import Admission
from services.edge.freed_memory import keep_returning_freed_memory
from services.edge.grpc_server import GrpcServer, start_grpc
from services.edge.http_app import Health
from services.edge.http_server import HttpServer, start_http
from services.ensemble.domain import Answer, Description, PredictRequest, Started
from services.ensemble.grpc_api import SERVICE, EnsembleServicer
from services.ensemble.http_api import create_http_app
from services.ensemble.metrics import Metrics
from services.ensemble.receipt_log import ReceiptLog
from services.ensemble.settings import Settings
from services.ensemble.usecases import Predicts, UserOf
from services.ensemble.vigil import Vigil

_KINDS = 2
"""Of files: pictures and sounds, of each as many as a request may have."""
_MANY = 8
"""Requests under way, from which on what they went through is worth more than looking for it."""


class Counted:
    """A predictor with a bound on requests under way, counted; receipts are kept where there is a log for them."""

    def __init__(self, predictor: Predicts, max_ongoing: int, metrics: Metrics, receipts: ReceiptLog | None):
        self._predictor = predictor
        self.admission = Admission(max_ongoing, "requests", metrics.under_way.set)
        # A start may take minutes: who waits for one takes no place from those who ask what runs.
        self._waking = Admission(max_ongoing, "calls that wake an ensemble")
        self._metrics = metrics
        self._receipts = receipts
        self._known = {description.ensemble.name for description in predictor.describe()}

    def describe(self) -> Sequence[Description]:
        """List the ensembles."""
        return self._predictor.describe()

    async def wake(self, ensemble: str, timeout_s: float) -> Mapping[str, Started]:
        """Have an ensemble's members start.

        Raises:
            QueueFull: as many such calls as may be are under way.
        """
        with self._waking.admit():
            return await self._predictor.wake(ensemble, timeout_s)

    async def predict(self, request: PredictRequest) -> Answer:
        """Answer a request.

        Raises:
            QueueFull: as many as may be are under way.
        """
        # A label for any text a caller sends would let callers grow the metrics without end.
        label = request.ensemble if request.ensemble in self._known else ""
        try:
            with self.admission.admit():
                answer = await self._predictor.predict(request)
        except asyncio.CancelledError:
            self._metrics.left(label)
            raise
        except Exception as error:
            self._metrics.refused(label, error)
            raise
        self._metrics.answered(answer)
        if self._receipts:
            self._receipts.append(request.user, answer.ensemble, answer.receipt, answer.unclaimed)
        return answer

    def close(self) -> None:
        """Keep no more receipts."""
        if self._receipts:
            self._receipts.close()


class FrontDoor:
    """Running servers, and the ports they got."""

    def __init__(self, grpc_server: GrpcServer, http_server: HttpServer, readiness: "_Readiness", counted: Counted):
        self._grpc = grpc_server
        self._http = http_server
        self._readiness = readiness
        self._counted = counted
        self._returning = asyncio.create_task(
            keep_returning_freed_memory(lambda: counted.admission.under_way >= _MANY), name="freed memory"
        )
        self.grpc_port = grpc_server.port
        self.http_port = http_server.port

    async def set_ready(self, ready: bool) -> None:
        """Welcome requests, or say that they are better sent elsewhere; both protocols."""
        self._readiness.value = ready
        await self._grpc.set_ready(ready)

    async def follow(self, vigil: Vigil) -> None:
        """Say what the graph behind us lets us say: requests are welcome or not, or only a new start helps."""
        if vigil.ready != self._readiness.value:
            await self.set_ready(vigil.ready)
        self._readiness.lost = vigil.lost

    async def drain(self, grace_s: float) -> None:
        """Turn readiness off, take no new requests, give the running ones `grace_s` to end."""
        self._readiness.value = False
        self._returning.cancel()
        await asyncio.gather(self._grpc.drain(grace_s), self._http.drain())
        self._counted.close()


@dataclass
class _Readiness:
    value: bool = False
    lost: bool = False


async def open_front_door(predictor: Predicts, settings: Settings, registry: CollectorRegistry = REGISTRY) -> FrontDoor:
    """Start both servers, not ready yet.

    Raises:
        OSError: an address is taken or not ours, or the folder of receipts cannot be made.
    """
    receipts = ReceiptLog(settings.receipts, settings.receipts_bytes) if settings.receipts else None
    counted = Counted(predictor, settings.max_ongoing, Metrics(registry), receipts)
    readiness = _Readiness()
    user_of = _user_of(settings.token_key)
    max_files = _KINDS * settings.max_pictures
    add = EnsembleServicer(counted, max_files, user_of).add_to
    at_most = counted.admission.server_limit
    grpc_server = await start_grpc(settings.grpc_address, [(SERVICE, add)], settings.max_message_bytes, at_most)
    health = Health(lambda: readiness.value, lambda: not readiness.lost)
    app = create_http_app(counted, health, settings.max_message_bytes, at_most, max_files, registry, user_of)
    host, port = split_address(settings.http_address)
    try:
        http_server = await start_http(app, host, port, grace_s=settings.drain_s)
    except OSError:
        await grpc_server.drain(0)
        raise
    return FrontDoor(grpc_server, http_server, readiness, counted)


def _user_of(key: str) -> UserOf:
    """Believe tokens that are signed with the key; without a key nobody has a name."""

    def user_of(token: str) -> str:
        if not key or not token:
            return ""
        # Imported here: a front door without a key does without its library.
        from services.edge.owner_token import verify_owner

        return verify_owner(key, time.time, token)

    return user_of
