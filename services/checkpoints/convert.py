"""Making model folders: from a GGUF file, or from the model hub."""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from services.checkpoints.load import model_class
from stillhouse.errors import InvalidArgument


def convert_gguf(file: Path, folder: Path) -> None:
    """Write the model in a GGUF file, float32, to `folder`, whole or not at all."""
    transformers_logging.disable_progress_bar()
    source, gguf = str(file.parent), file.name
    try:
        kind = model_class(source, gguf_file=gguf)
        model = kind.from_pretrained(source, gguf_file=gguf, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=gguf)
    except (OSError, ValueError, LookupError, OverflowError, struct.error) as error:
        raise InvalidArgument(
            "recipe.teacher.model", f"{file} cannot be read as GGUF: {_first_line(error)}"
        ) from None
    _save(_unquantized(model, kind), tokenizer, folder)


def fetch(name: str, folder: Path) -> None:
    """Write the hub's model `name`, float32, to `folder`, whole or not at all."""
    transformers_logging.disable_progress_bar()
    try:
        model = model_class(name).from_pretrained(name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise InvalidArgument(
            "recipe.teacher.model",
            f"{name} is neither a local path nor a model that the hub gave: {_first_line(error)}",
        ) from None
    _save(model, tokenizer, folder)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _unquantized(model: PreTrainedModel, kind: Any) -> PreTrainedModel:
    """The same weights in a model that save_pretrained accepts: one loaded from GGUF is
    marked as quantised although its weights are plain float32 by then.
    """
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain: PreTrainedModel = kind.from_config(config, dtype=torch.float32)
    plain.load_state_dict(model.state_dict())
    plain.generation_config = model.generation_config
    return plain


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write both beside `folder` and rename, so that a half-written model is never found."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
        part.chmod(0o755)
        if not folder.exists():
            os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
