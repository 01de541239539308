"""Building an index from token ids."""

import os
from collections.abc import Mapping

import numpy as np

from stillhouse_native import _core
from stillhouse_native.types import Integers


def build(
    tokens: Integers | str | os.PathLike[str],
    doc_offsets: Integers | str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    *,
    threads: int = 1,
    memory_limit: int | None = None,
    tokenizer_sha256: str = "",
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the index of a corpus to a new directory.

    The directory appears under its name complete, or not at all. The same input
    and options give the same bytes and so the same ``Index.digest``.

    Args:
        tokens: All token ids, document after document. Contiguous uint16 and uint32
            arrays (also memory-mapped ones) are read in place; lists and other
            integer arrays are copied to uint32. A path names a .npy file to map.
        doc_offsets: D + 1 offsets into ``tokens`` for D documents: starts at 0, ends at
            ``len(tokens)``, never decreases; or a .npy file of them.
        out_dir: The directory to create; it may exist if it is empty.
        threads: How many threads may work; 0: as many as there are processors. Two are about
            a sixth faster than one; under a memory limit parts are sorted side by side.
        memory_limit: Bytes of memory to take beside the tokens; without a limit it is about
            10 a token. Under one, parts are sorted and merged through files, with the same
            result; the system may hold more of those files in memory as long as there is room.
        tokenizer_sha256: SHA-256 of the tokenizer's file in lower-case hexadecimal.
        metadata: Free text to keep with the index.

    Raises:
        ValueError: An argument is out of range or of the wrong kind.
        BuildError: The corpus is too large, a document doesn't fit the memory limit, or the
            files could not be read or written.
    """
    _core.build(
        _mapped("tokens", tokens),
        _mapped("doc_offsets", doc_offsets),
        os.fsencode(out_dir),
        _utf8("tokenizer_sha256", tokenizer_sha256),
        [
            (_utf8("metadata", key), _utf8("metadata", value))
            for key, value in (metadata or {}).items()
        ],
        threads,
        0 if memory_limit is None else _positive("memory_limit", memory_limit),
    )


def _mapped(name: str, array: Integers | str | os.PathLike[str]) -> Integers:
    # Text that names no file stays what it is, a wrong kind of array.
    if not isinstance(array, os.PathLike) and not (isinstance(array, str) and array[-4:] == ".npy"):
        return array  # type: ignore[return-value]
    try:
        mapped = np.load(array, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"{name}: {os.fspath(array)} is no .npy file to map: {error}") from None
    if not isinstance(mapped, np.ndarray):
        raise ValueError(f"{name}: {os.fspath(array)} holds several arrays; pass a .npy file")
    return mapped


def _positive(name: str, number: int) -> int:
    if number < 1:
        raise ValueError(f"{name} = {number} is out of range; pass a number of bytes, or None")
    return number


def _utf8(name: str, text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError(f"{name} must hold str, not {type(text).__name__}; convert it first")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} holds text that has no UTF-8 form: {error.reason}") from None
