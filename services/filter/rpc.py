"""The gRPC door of the filter."""

from __future__ import annotations

from typing import Any

import grpc

from services.filter.cascade import evaluate
from services.filter.costs import Costs
from services.filter.evidence import Backends
from stillhouse.errors import InvalidArgument
from stillhouse.filter import convert
from stillhouse.filter.v1 import filter_pb2, filter_pb2_grpc

SERVICE = filter_pb2.DESCRIPTOR.services_by_name["FilterService"].full_name

_Context = grpc.aio.ServicerContext[Any, Any]


class FilterService(filter_pb2_grpc.FilterServiceServicer):
    """Judges batches that are sent to it, at most `max_candidates` at once."""

    def __init__(self, backends: Backends, max_candidates: int, costs: Costs | None = None) -> None:
        self._backends = backends
        self._costs = costs or Costs()
        self._max_candidates = max_candidates

    async def Evaluate(
        self, request: filter_pb2.EvaluateRequest, context: _Context
    ) -> filter_pb2.EvaluateResponse:
        """Judge the candidates now."""
        if len(request.candidates) > self._max_candidates:
            raise InvalidArgument(
                "candidates",
                f"{len(request.candidates)} are over the limit of {self._max_candidates} a call",
            )
        evaluation = await evaluate(
            convert.cascade_from_proto(request.cascade),
            [convert.document_from_proto(document) for document in request.documents],
            [convert.candidate_from_proto(candidate) for candidate in request.candidates],
            self._backends,
            self._costs,
        )
        return convert.evaluation_to_proto(evaluation)
