"""Reading a corpus from a JSONL file, a Parquet file or a folder of .txt files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from stillhouse.corpus.document import SourceDocument
from stillhouse.corpus.sentences import sentences
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.recipe import Corpus

_FIELD = "corpus.source"
_REMEDY = "give a .jsonl or .parquet file, or a folder of .txt files"

Row: TypeAlias = tuple[str, Mapping[str, Any]]
"""Where a row is, for messages, and its fields."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The documents that are usable, and how many were left out, by reason."""

    documents: list[SourceDocument]
    too_short: int = 0
    too_long: int = 0
    repeated: int = 0


def read(corpus: Corpus) -> Reading:
    """The documents of `corpus.source`, in the order of the source.

    A document without an id gets one made of its text, and counts once. Raises
    InvalidArgument for the field `corpus.source`, naming file and line, if there is no
    such source, a row cannot be read, or two rows have one id.
    """
    places: dict[str, str] = {}
    documents: dict[str, SourceDocument] = {}
    repeated = 0
    for place, row in _rows(corpus):
        document, made = _document(place, row, corpus)
        if document.id not in documents:
            places[document.id] = place
            documents[document.id] = document
        elif made and documents[document.id].text == document.text:
            repeated += 1
        else:
            raise InvalidArgument(
                _FIELD,
                f"{place}: the id {document.id!r} is that of {places[document.id]} already; "
                "ids must differ",
            )
    return usable(list(documents.values()), corpus, repeated)


def fits(corpus: Corpus) -> bool:
    """Whether the first row of `corpus.source` can be read and has the field of the text."""
    try:
        return corpus.text_field in next(_rows(corpus), ("", {}))[1]
    except InvalidArgument:
        return False


def usable(documents: list[SourceDocument], corpus: Corpus, repeated: int = 0) -> Reading:
    """The documents within the recipe's bounds of length."""
    short = [one for one in documents if len(sentences(one.text)) < corpus.min_sentences]
    long = [one for one in documents if len(one.text) > corpus.max_characters]
    out = {one.id for one in [*short, *long]}
    kept = [one for one in documents if one.id not in out]
    return Reading(kept, too_short=len(short), too_long=len(out) - len(short), repeated=repeated)


def _rows(corpus: Corpus) -> Iterator[Row]:
    path = Path(corpus.source)
    if path.is_dir():
        return _text_files(path, corpus)
    if not path.is_file():
        raise InvalidArgument(_FIELD, f"no file or folder {path}; {_REMEDY}")
    readers = {".jsonl": _json_lines, ".ndjson": _json_lines, ".parquet": _parquet_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InvalidArgument(_FIELD, f"{path} is of no kind that is read here; {_REMEDY}")
    return reader(path, corpus)


def _text_files(folder: Path, corpus: Corpus) -> Iterator[Row]:
    for path in sorted(folder.rglob("*.txt")):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise InvalidArgument(_FIELD, f"{path}: not UTF-8 text") from None
        name = path.relative_to(folder).with_suffix("").as_posix()
        yield str(path), {corpus.id_field: name, corpus.text_field: text}


def _json_lines(path: Path, _: Corpus) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                place = f"{path} line {number}"
                yield place, _json_object(place, line)


def _json_object(place: str, line: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(_FIELD, f"{place}: not JSON ({error})") from None
    if not isinstance(value, dict):
        raise InvalidArgument(_FIELD, f"{place}: must be an object of fields")
    return value


def _parquet_rows(path: Path, corpus: Corpus) -> Iterator[Row]:
    try:
        import pyarrow as pa  # noqa: PLC0415  (170 MB that most callers have no use for)
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise FailedPrecondition(
            f"reading {path} needs pyarrow; pip install 'stillhouse[parquet]' brings it"
        ) from None
    wanted = [corpus.id_field, corpus.text_field, corpus.reference_field]
    try:
        with pq.ParquetFile(path) as file:
            present = [name for name in dict.fromkeys(wanted) if name in file.schema_arrow.names]
            _require(str(path), corpus.text_field, file.schema_arrow.names)
            number = 0
            for batch in file.iter_batches(columns=present):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path} row {number}", row
    except (pa.ArrowException, OSError) as error:
        raise InvalidArgument(_FIELD, f"{path}: not a whole Parquet file ({error})") from None


def _require(place: str, field: str, present: Any) -> None:
    if field not in present:
        known = ", ".join(sorted(map(str, present))) or "none"
        raise InvalidArgument(
            _FIELD, f"{place}: no field {field!r} (there are: {known}); set corpus.text_field"
        )


def _document(place: str, row: Mapping[str, Any], corpus: Corpus) -> tuple[SourceDocument, bool]:
    """The document of a row, and whether its id had to be made."""
    _require(place, corpus.text_field, row)
    text = _text(place, corpus.text_field, row[corpus.text_field]).strip()
    reference = _text(place, corpus.reference_field, row.get(corpus.reference_field) or "").strip()
    given = row.get(corpus.id_field)
    if given is None or given == "":
        made = "sha256-" + hashlib.sha256(text.encode()).hexdigest()[:16]
        return SourceDocument(made, text, reference), True
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    return SourceDocument(_text(place, corpus.id_field, given), text, reference), False


def _text(place: str, field: str, value: object) -> str:
    if not isinstance(value, str):
        kind = "null" if value is None else type(value).__name__
        raise InvalidArgument(_FIELD, f"{place}: field {field!r} holds {kind}, must be text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(
            _FIELD, f"{place}: field {field!r} holds half a character (a lone surrogate)"
        ) from None
    return value
