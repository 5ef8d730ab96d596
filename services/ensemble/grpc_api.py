"""strata.ensemble.v1.EnsembleService over whatever predicts."""

from functools import partial

import grpc

from services.contracts.strata.ensemble.v1 import ensemble_pb2 as pb
from services.contracts.strata.ensemble.v1 import ensemble_pb2_grpc as pb_grpc
from services.edge.receipts import RECEIPT_METADATA_KEY, summary
from services.ensemble.converters import (
    ReceivedRequest,
    answer_to_message,
    description_to_message,
    request_from_message,
    woken_to_message,
)
from services.ensemble.domain import time_to_start
from services.ensemble.usecases import OWNER_METADATA_KEY, Predicts, UserOf

SERVICE: str = pb.DESCRIPTOR.services_by_name["EnsembleService"].full_name


class EnsembleServicer(pb_grpc.EnsembleServiceServicer):
    """Converts, calls, converts back; requests of more than `max_files` are refused."""

    def __init__(self, predictor: Predicts, max_files: int, user_of: UserOf):
        self._predictor = predictor
        self._max_files = max_files
        self._user_of = user_of

    def add_to(self, server: grpc.aio.Server) -> None:
        """Register with a server."""
        pb_grpc.add_EnsembleServiceServicer_to_server(self, server)
        predict = grpc.unary_unary_rpc_method_handler(
            self.Predict,
            request_deserializer=partial(ReceivedRequest.read, max_files=self._max_files),
            response_serializer=pb.PredictResponse.SerializeToString,
        )
        # Of two handlers of one method the later counts.
        server.add_registered_method_handlers(SERVICE, {"Predict": predict})

    async def Predict(  # type: ignore[override]  # its own reader: see `add_to`
        self, request: ReceivedRequest, context: "grpc.aio.ServicerContext[ReceivedRequest, pb.PredictResponse]"
    ) -> pb.PredictResponse:
        tokens = [str(value) for key, value in context.invocation_metadata() or () if key == OWNER_METADATA_KEY]
        user = self._user_of(tokens[0] if tokens else "")
        answer = await self._predictor.predict(request_from_message(request, context.time_remaining(), user))
        context.set_trailing_metadata(((RECEIPT_METADATA_KEY, summary(answer.receipt)),))
        return answer_to_message(answer)

    async def Wake(
        self, request: pb.WakeRequest, context: "grpc.aio.ServicerContext[pb.WakeRequest, pb.WakeResponse]"
    ) -> pb.WakeResponse:
        timeout_s = time_to_start(context.time_remaining())
        return woken_to_message(await self._predictor.wake(request.ensemble, timeout_s))

    async def ListEnsembles(
        self,
        request: pb.ListEnsemblesRequest,
        context: "grpc.aio.ServicerContext[pb.ListEnsemblesRequest, pb.ListEnsemblesResponse]",
    ) -> pb.ListEnsemblesResponse:
        return pb.ListEnsemblesResponse(ensembles=map(description_to_message, self._predictor.describe()))
