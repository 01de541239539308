"""`POST /` for clients of infini-gram."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.gateway import peer_queries
from services.gateway.http_errors import AsciiJson, headers_of, status_of
from services.gateway.peer_calls import PeerCalls
from services.gateway.peer_queries import Refused
from stillhouse.errors import FailedPrecondition, InvalidArgument, NotFound, StillhouseError

router = APIRouter(tags=["infini-gram"])

_EXAMPLE = {"index": "corpus", "query_type": "count", "query": "natural language processing"}


@router.post(
    "/",
    summary="infini-gram's API",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}, "example": _EXAMPLE}},
        }
    },
    responses={
        "default": {"description": "An object whose `error` says what is wrong or to be waited for"}
    },
)
async def query(request: Request) -> Response:
    """infini-gram's JSON in and out.

    `query_type` is count, prob, ntd, infgram_prob, infgram_ntd, find, find_cnf,
    search_docs, get_doc_by_rank, get_doc_by_ptr, creativity or attribute. What its engine
    refuses is answered 200 with `error`, as there; see docs/gateway.md for what differs.
    """
    try:
        asked = peer_queries.parse(_json(await request.body()))
        return AsciiJson(await _calls(request).answer(asked))
    except Refused as refused:
        return AsciiJson({"error": str(refused)}, refused.status)
    except NotFound as error:
        return AsciiJson({"error": f"Invalid index: {error}"}, 400)
    except (InvalidArgument, FailedPrecondition) as error:
        return AsciiJson({"error": str(error)}, 200)
    except StillhouseError as error:
        status, _ = status_of(error)
        return AsciiJson({"error": str(error)}, status, headers_of(error))


def _calls(request: Request) -> PeerCalls:
    calls: PeerCalls = request.app.state.peer_calls
    return calls


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Refused("The request's body is no JSON!", 400) from None
