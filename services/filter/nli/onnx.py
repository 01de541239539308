"""An NLI model by ONNX Runtime: a folder with model.onnx, tokenizer.json and config.json.

Neither torch nor transformers is needed. The graph takes input_ids and attention_mask,
and token_type_ids if it has such an input; its first output is the logits.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnxruntime
from tokenizers import Tokenizer

from services.filter.nli.checkpoint import Checkpoint, read
from services.filter.nli.cross_encoder import Logits
from stillhouse.errors import FailedPrecondition

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


def open_model(model: str, index: int | None, threads: int) -> tuple[Logits, Tokenizer, Checkpoint]:
    """The model in the folder `model`; FailedPrecondition tells which file is missing."""
    folder = Path(model)
    graph = next((f for f in _graphs(folder) if f.is_file()), None)
    missing = [n for n in ("config.json", "tokenizer.json") if not (folder / n).is_file()]
    if graph is None or missing:
        listed = ", ".join([*missing, *(["model.onnx"] if graph is None else [])])
        raise FailedPrecondition(
            f"STILLHOUSE_NLI_MODEL={model} has no {listed}; with STILLHOUSE_NLI_RUNTIME=onnx "
            "it must be a folder with model.onnx, config.json and tokenizer.json"
        )
    told = folder / "tokenizer_config.json"
    checkpoint = read(_json(folder / "config.json"), _json(told) if told.is_file() else {}, index)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return _logits(_session(graph, threads)), tokenizer, checkpoint


def _graphs(folder: Path) -> tuple[Path, Path]:
    return folder / "model.onnx", folder / "onnx" / "model.onnx"


def _session(graph: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    available = onnxruntime.get_available_providers()
    try:
        session = onnxruntime.InferenceSession(
            graph, options, providers=[one for one in _PROVIDERS if one in available]
        )
    except Exception as error:  # onnxruntime's errors share no base
        raise FailedPrecondition(f"{graph} can't be run: {error}") from error
    unknown = [one.name for one in session.get_inputs() if one.name not in _INPUTS]
    if unknown:
        raise FailedPrecondition(
            f"{graph} asks for {', '.join(unknown)}; an NLI cross-encoder takes "
            f"{', '.join(_INPUTS)}"
        )
    return session


def _logits(session: onnxruntime.InferenceSession) -> Logits:
    wanted = [one.name for one in session.get_inputs()]

    def run(*arrays: Any) -> Any:
        given = dict(zip(_INPUTS, arrays, strict=True))
        return session.run(None, {name: given[name] for name in wanted})[0]

    return run


def _json(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FailedPrecondition(f"{path} is no JSON: {error}") from None
    return value
