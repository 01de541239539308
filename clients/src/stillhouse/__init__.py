"""Stillhouse: typed clients of its services, the recipe of a run, one tree of errors.

Names are loaded when they are first used, so that `import stillhouse` is cheap and a
service that only needs the errors does not load gRPC.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stillhouse.errors import (
        Cancelled,
        DeadlineExceeded,
        FailedPrecondition,
        Internal,
        InvalidArgument,
        NotFound,
        ResourceExhausted,
        StillhouseError,
        Unauthenticated,
        Unavailable,
        Unimplemented,
    )
    from stillhouse.filter.client import AsyncFilterClient, FilterClient
    from stillhouse.generator.client import AsyncGeneratorClient, GeneratorClient
    from stillhouse.index.client import AsyncIndexClient, IndexClient
    from stillhouse.recipe import Recipe
    from stillhouse.security import Tls
    from stillhouse.trainer.client import AsyncTrainerClient, TrainerClient

__all__ = [
    "AsyncFilterClient",
    "AsyncGeneratorClient",
    "AsyncIndexClient",
    "AsyncTrainerClient",
    "Cancelled",
    "DeadlineExceeded",
    "FailedPrecondition",
    "FilterClient",
    "GeneratorClient",
    "IndexClient",
    "Internal",
    "InvalidArgument",
    "NotFound",
    "Recipe",
    "ResourceExhausted",
    "StillhouseError",
    "Tls",
    "TrainerClient",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
]


_ELSEWHERE = {"Recipe": "stillhouse.recipe", "Tls": "stillhouse.security"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'stillhouse' has no attribute {name!r}")
    value = getattr(import_module(_home(name)), name)
    globals()[name] = value
    return value


def _home(name: str) -> str:
    """The module that defines an exported name."""
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    if name.endswith("Client"):
        service = name.removeprefix("Async").removesuffix("Client").lower()
        return f"stillhouse.{service}.client"
    return "stillhouse.errors"
