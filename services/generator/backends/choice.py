"""The backend that the settings name; what the others need is not imported."""

from __future__ import annotations

from services.generator.backends.base import Backend
from services.generator.settings import GeneratorSettings


def open_backend(settings: GeneratorSettings) -> Backend:
    """Not started yet; InvalidArgument names a setting that it misses."""
    from services.generator.backends.transformers import TransformersBackend

    return TransformersBackend.open(settings)
