"""The backend that the settings name; what the others need is not imported."""

from __future__ import annotations

from pathlib import Path

from services.checkpoints.digest import digest
from services.generator.backends.base import Backend
from services.generator.backends.patience import Patience
from services.generator.backends.remote import ModelServer, RemoteBackend
from services.generator.settings import GeneratorSettings
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.generator.types import ModelPointer

_EXTRAS = {"transformers": "generator", "openai": "openai", "tgi": "tgi"}


def open_backend(settings: GeneratorSettings) -> Backend:
    """Not started yet; InvalidArgument names a setting that it misses.

    FailedPrecondition if a package that this backend needs is not installed.
    """
    try:
        if settings.backend == "transformers":
            return _transformers(settings)
        return RemoteBackend(_server(settings), settings.max_waiting, _declared(settings))
    except ImportError as error:
        raise FailedPrecondition(
            f"STILLHOUSE_BACKEND={settings.backend} needs the package {error.name}, which is not "
            f"installed; pip install 'stillhouse-services[{_EXTRAS[settings.backend]}]' brings it"
        ) from None


def _transformers(settings: GeneratorSettings) -> Backend:
    from services.generator.backends.transformers import TransformersBackend

    return TransformersBackend.open(settings)


def _server(settings: GeneratorSettings) -> ModelServer:
    patience = Patience(settings.backend_attempts, settings.backend_connections)
    if settings.backend == "tgi":
        from services.generator.backends.tgi import TgiServer

        return TgiServer(settings, patience)
    from services.generator.backends.openai import CompletionsServer

    return CompletionsServer(settings, patience)


def _declared(settings: GeneratorSettings) -> ModelPointer | None:
    """Which checkpoint the server is said to serve; a folder that is here is digested."""
    uri, told = settings.model_uri, settings.model_digest
    if not uri:
        if told:
            raise InvalidArgument("STILLHOUSE_MODEL_URI", f"is empty; {_remedy(settings)}")
        return None
    if not told:
        told = _digested(Path(uri), settings)
    return ModelPointer(uri, told)


def _digested(folder: Path, settings: GeneratorSettings) -> str:
    try:
        return digest(folder)
    except OSError as error:
        raise InvalidArgument(
            "STILLHOUSE_MODEL_DIGEST",
            f"is empty and {folder} can't be read ({error.strerror}); {_remedy(settings)}",
        ) from None


def _remedy(settings: GeneratorSettings) -> str:
    return (
        f"with STILLHOUSE_BACKEND={settings.backend} give folder and digest of the checkpoint that "
        "the server serves, the folder alone where it can be read here, or neither"
    )
