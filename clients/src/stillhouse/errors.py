"""The errors of Stillhouse, one tree for services and clients.

    StillhouseError
    ├── InvalidArgument      a field of the input is wrong; names field and remedy
    ├── NotFound             the thing that was named does not exist
    ├── Unauthenticated      the service asks for a token, and this is none of its
    ├── FailedPrecondition   the thing exists but is in no state to serve
    ├── ResourceExhausted    at a limit; says when to come back
    ├── Unavailable          loading, draining or unreachable; a retry may succeed
    ├── DeadlineExceeded     the time given was not enough
    ├── Cancelled            the caller gave up
    ├── Unimplemented        the service, or what stands behind it, can't do that at all
    └── Internal             a defect of the service itself

Services raise them; `services.runtime.errors` maps each to its gRPC status,
and `stillhouse.transport` maps the status back, so that a caller sees what
the service raised.
"""

from __future__ import annotations


class StillhouseError(Exception):
    """Base of every error that Stillhouse raises on purpose."""


class InvalidArgument(StillhouseError):
    """A field of the input is wrong.

    `field` is its path in the input (`recipe.generation.samples`), the
    message says what is wrong and what would be right.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.reason = message


class NotFound(StillhouseError):
    """The thing that was named does not exist."""


class Unauthenticated(StillhouseError):
    """The service asks for a token, and the call has none or another."""


class FailedPrecondition(StillhouseError):
    """The thing exists but is in no state to serve the call."""


class ResourceExhausted(StillhouseError):
    """A limit is reached; `retry_after` says in how many seconds to retry."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(StillhouseError):
    """Loading, draining or unreachable; a retry may succeed."""


class DeadlineExceeded(StillhouseError):
    """The time given was not enough."""


class Cancelled(StillhouseError):
    """The caller gave up."""


class Unimplemented(StillhouseError):
    """The service, or a server that it asks, can't do that at all; names which."""


class Internal(StillhouseError):
    """A defect of the service itself; its log says more."""
