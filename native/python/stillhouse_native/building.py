"""Building an index from token ids."""

import os
from collections.abc import Mapping

from stillhouse_native import _core
from stillhouse_native.types import Integers


def build(
    tokens: Integers,
    doc_offsets: Integers,
    out_dir: str | os.PathLike[str],
    *,
    tokenizer_sha256: str = "",
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the index of a corpus to a new directory.

    The directory appears under its name complete, or not at all. The same input
    and options give the same bytes and so the same ``Index.digest``.

    Args:
        tokens: All token ids, document after document. Contiguous uint16 and uint32
            arrays (also memory-mapped ones) are read in place; lists and other
            integer arrays are copied to uint32.
        doc_offsets: D + 1 offsets into ``tokens`` for D documents: starts at 0, ends at
            ``len(tokens)``, never decreases.
        out_dir: The directory to create; it may exist if it is empty.
        tokenizer_sha256: SHA-256 of the tokenizer's file in lower-case hexadecimal.
        metadata: Free text to keep with the index.

    Raises:
        ValueError: An argument is out of range or of the wrong kind.
        BuildError: The corpus is too large, or the files could not be written.
    """
    _core.build(
        tokens,
        doc_offsets,
        os.fsencode(out_dir),
        _utf8("tokenizer_sha256", tokenizer_sha256),
        [
            (_utf8("metadata", key), _utf8("metadata", value))
            for key, value in (metadata or {}).items()
        ],
    )


def _utf8(name: str, text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError(f"{name} must hold str, not {type(text).__name__}; convert it first")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} holds text that has no UTF-8 form: {error.reason}") from None
