"""From the settings to a model that answers; what is wrong with them is told at the start."""

from __future__ import annotations

from services.filter.nli.cross_encoder import CrossEncoder
from stillhouse.errors import FailedPrecondition

_EXTRAS = {"transformers": "nli", "onnx": "nli-onnx"}


def load(
    model: str, runtime: str, index: int | None, pass_tokens: int, threads: int = 0
) -> CrossEncoder:
    """The model at `model`, run by `runtime` (transformers or onnx).

    index: the class that means entailment, None to find it by name. threads: 0 lets the
    machine decide. FailedPrecondition if a library is missing or the checkpoint won't do.
    """
    try:
        if runtime == "onnx":
            from services.filter.nli.onnx import open_model  # noqa: PLC0415
        else:
            from services.filter.nli.transformers import open_model  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise FailedPrecondition(
            f"STILLHOUSE_NLI_RUNTIME={runtime} needs the package {error.name}: "
            f"pip install 'stillhouse-services[{_EXTRAS[runtime]}]'"
        ) from None
    return CrossEncoder(*open_model(model, index, threads), pass_tokens)
