"""From the tree of errors to HTTP: one table for every door of the gateway."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from stillhouse import errors

_STATUS: dict[type[errors.StillhouseError], tuple[int, str]] = {
    errors.InvalidArgument: (400, "INVALID_ARGUMENT"),
    errors.FailedPrecondition: (400, "FAILED_PRECONDITION"),
    errors.Unauthenticated: (502, "UNAUTHENTICATED"),  # the gateway's own token, not the caller's
    errors.NotFound: (404, "NOT_FOUND"),
    errors.ResourceExhausted: (429, "RESOURCE_EXHAUSTED"),
    errors.Unavailable: (503, "UNAVAILABLE"),
    errors.Cancelled: (503, "CANCELLED"),
    errors.DeadlineExceeded: (504, "DEADLINE_EXCEEDED"),
}


def status_of(error: errors.StillhouseError) -> tuple[int, str]:
    """HTTP status and the name of the gRPC status; 502 for a defect of the service behind."""
    return next(
        (found for kind, found in _STATUS.items() if isinstance(error, kind)), (502, "INTERNAL")
    )


def headers_of(error: errors.StillhouseError) -> dict[str, str]:
    """Retry-After in whole seconds, where a retry may help."""
    if isinstance(error, errors.ResourceExhausted):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
    if isinstance(error, errors.Unavailable):
        return {"Retry-After": "1"}
    return {}


def problem(code: str, message: str, field: str = "") -> dict[str, Any]:
    """The body that tells of an error: `field` is its path in the request, if it has one."""
    return {"error": {"code": code, "message": message} | ({"field": field} if field else {})}


def problem_of(error: errors.StillhouseError) -> dict[str, Any]:
    """The body for an error of the tree."""
    code = status_of(error)[1]
    if isinstance(error, errors.InvalidArgument):
        return problem(code, error.reason, error.field)
    return problem(code, str(error))


def problem_of_validation(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The body for a request that doesn't have the form of the endpoint; names the first fault."""
    first = found[0]
    kind, parts = first["type"], [str(one) for one in first["loc"][1:]]
    if kind == "json_invalid":
        reason = first["ctx"]["error"]
        return problem("INVALID_ARGUMENT", f"the body is no JSON: {reason}")
    message = {
        "missing": "is missing",
        "extra_forbidden": "is no field of this request; leave it out",
        "value_error": str(first.get("ctx", {}).get("error", "")),
    }.get(kind) or f"{first['msg'][:1].lower()}{first['msg'][1:]}"
    if not parts:
        return problem(
            "INVALID_ARGUMENT", "the body must be a JSON object of this request's fields"
        )
    return problem("INVALID_ARGUMENT", message, _path(parts))


def _path(parts: Sequence[str]) -> str:
    path = parts[0]
    for part in parts[1:]:
        path += f"[{part}]" if part.isdecimal() else f".{part}"
    return path


class AsciiJson(Response):
    """JSON of anything that JSON could say, half characters of hostile input included."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """As bytes."""
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
