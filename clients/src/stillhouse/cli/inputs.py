"""What commands that measure are given: texts, a model in this process, an index that answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stillhouse.corpus import load
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.index.client import IndexClient
from stillhouse.index.types import IndexInfo
from stillhouse.recipe import Corpus, Recipe, Teacher

CHARACTERS = 64
"""Characters of a document that are read for each token that is wanted."""


def read_texts(path: Path, text_field: str, other_field: str) -> list[tuple[str, str]]:
    """Text and another field of every document of a file, in a fixed arbitrary order."""
    source = Corpus(
        source=str(path),
        text_field=text_field,
        reference_field=other_field,
        min_sentences=1,
        max_characters=2**63,
    )
    try:
        documents = load(source)
    except InvalidArgument as error:
        raise InvalidArgument("corpus", error.reason) from None
    ranked = sorted(documents, key=lambda one: hashlib.sha256(one.id.encode()).digest())
    return [(one.text, one.reference) for one in ranked]


def open_model(name: str, workspace: Path, command: str) -> Any:
    """The model, in this process; FailedPrecondition if what `command` needs is not installed."""
    try:
        from services.checkpoints.load import load as load_model  # noqa: PLC0415
    except ImportError as error:
        raise FailedPrecondition(
            f"{command} needs {error.name}; pip install 'stillhouse-services[generator]'"
        ) from None
    from stillhouse.local.prepare import Workspace, prepare_teacher  # noqa: PLC0415

    recipe = Recipe(teacher=Teacher(model=name))
    return load_model(prepare_teacher(recipe, Workspace(workspace.resolve())))


@contextmanager
def open_index(
    index: str, target: str | None, workspace: Path
) -> Iterator[tuple[IndexClient, str]]:
    """A client and the index's name: of a service that runs, or of one of our own."""
    if target:
        with IndexClient(target) as client:
            yield client, index
        return
    from stillhouse.local.serve import serving_index  # noqa: PLC0415  (services are optional)

    with serving_index(Path(index), workspace / "logs") as own, IndexClient(own) as client:
        yield client, ""


def matching_index(client: IndexClient, name: str, model: Any) -> IndexInfo:
    """What the index is; FailedPrecondition unless it was cut by the model's own tokenizer."""
    info = [one for one in client.list_indexes() if name in ("", one.name, *one.aliases)]
    if not info:
        raise InvalidArgument("--index", f"the server has no index {name!r}")
    path = Path(model.pointer.uri) / "tokenizer.json"
    if not path.is_file():
        raise FailedPrecondition(f"the model has no {path}; save it with its fast tokenizer")
    present = hashlib.sha256(path.read_bytes()).hexdigest()
    expected = info[0].tokenizer_sha256
    if present != expected:
        raise FailedPrecondition(
            f"the index was cut by tokenizer {expected[:12] or 'none'}, the model's is "
            f"{present[:12]}; build the index with `--tokenizer {path.parent}`"
        )
    return info[0]


def described(model: Any, info: IndexInfo) -> str:
    """Model and index in words."""
    return (
        f"Model {Path(model.pointer.uri).name}, digest `{model.pointer.digest[:16]}`, float32; "
        f"index of {info.tokens:,} tokens in {info.documents:,} documents, digest "
        f"`{info.digest[:16]}`"
    )
