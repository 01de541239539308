"""The backend that the settings name; what the others need is not imported."""

from __future__ import annotations

from services.generator.backends.base import Backend
from services.generator.backends.remote import ModelServer, RemoteBackend
from services.generator.settings import GeneratorSettings


def open_backend(settings: GeneratorSettings) -> Backend:
    """Not started yet; InvalidArgument names a setting that it misses."""
    if settings.backend == "transformers":
        return _transformers(settings)
    return RemoteBackend(_server(settings), settings.max_waiting)


def _transformers(settings: GeneratorSettings) -> Backend:
    from services.generator.backends.transformers import TransformersBackend

    return TransformersBackend.open(settings)


def _server(settings: GeneratorSettings) -> ModelServer:
    from services.generator.backends.openai import CompletionsServer

    return CompletionsServer(settings)
