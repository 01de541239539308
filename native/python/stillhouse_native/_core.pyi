"""The extension module; use the names exported by the package instead."""

from typing import SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from stillhouse_native.types import Integers

__version__: str
END: int

U32: TypeAlias = npt.NDArray[np.uint32]
U64: TypeAlias = npt.NDArray[np.uint64]
I64: TypeAlias = npt.NDArray[np.int64]
F64: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]

def available_threads() -> int: ...
def build(
    tokens: Integers,
    doc_offsets: Integers,
    out_dir: bytes,
    tokenizer_sha256: bytes,
    metadata: list[tuple[bytes, bytes]],
    threads: int,
    memory_limit: int,
    /,
) -> None: ...

class Stop:
    def __init__(self, timeout: float | None = None) -> None: ...
    def cancel(self) -> None: ...
    @property
    def stopped(self) -> bool: ...

class Index:
    def __init__(self, directory: bytes, preload: bool, tokenizer_sha256: bytes, /) -> None: ...
    def close(self) -> None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def tokens(self) -> int: ...
    @property
    def documents(self) -> int: ...
    @property
    def distinct_tokens(self) -> int: ...
    @property
    def token_bytes(self) -> int: ...
    @property
    def tokenizer_sha256(self) -> str: ...
    @property
    def metadata(self) -> list[tuple[str, str]]: ...
    @property
    def digest(self) -> str: ...
    def count(self, tokens: Integers, /) -> int: ...
    def find(self, tokens: Integers, /) -> tuple[int, int]: ...
    def count_batch(
        self, values: Integers, offsets: Integers, threads: int, stop: Stop | None, /
    ) -> U64: ...
    def find_batch(
        self, values: Integers, offsets: Integers, threads: int, stop: Stop | None, /
    ) -> tuple[U64, U64]: ...
    def match_lengths(
        self, tokens: Integers, threads: int, stop: Stop | None, /
    ) -> tuple[U32, U64]: ...
    def match_lengths_batch(
        self, values: Integers, offsets: Integers, threads: int, stop: Stop | None, /
    ) -> tuple[U32, U64]: ...
    def prob(
        self, tokens: Integers, token: SupportsIndex, longest_suffix: bool, /
    ) -> tuple[float, int, int, int, bool]: ...
    def prob_batch(
        self,
        values: Integers,
        offsets: Integers,
        next_tokens: Integers,
        longest_suffix: bool,
        threads: int,
        stop: Stop | None,
        /,
    ) -> tuple[F64, U64, U64, U32, Bools]: ...
    def ntd(
        self, tokens: Integers, top: int, longest_suffix: bool, stop: Stop | None, /
    ) -> tuple[I64, U64, int, int, bool]: ...
    def ntd_batch(
        self,
        values: Integers,
        offsets: Integers,
        top: int,
        longest_suffix: bool,
        threads: int,
        stop: Stop | None,
        /,
    ) -> tuple[I64, U64, U64, U64, U64, Bools]: ...
    def score_batch(
        self, values: Integers, offsets: Integers, threads: int, stop: Stop | None, /
    ) -> tuple[F64, U64, U64, U32, Bools]: ...
    def count_cnf(
        self,
        values: Integers,
        offsets: Integers,
        clauses: Integers,
        max_diff_tokens: int,
        stop: Stop | None,
        anchor: int | None,
        /,
    ) -> int: ...
    def find_cnf(
        self,
        values: Integers,
        offsets: Integers,
        clauses: Integers,
        max_diff_tokens: int,
        stop: Stop | None,
        anchor: int | None,
        /,
    ) -> U64: ...
    def attribute(
        self,
        tokens: Integers,
        min_length: int,
        max_count: int | None,
        delimiters: Integers,
        word_starts: Integers | None,
        stop: Stop | None,
        /,
    ) -> tuple[U64, U64, U64, U64]: ...
    def search_docs(
        self, tokens: Integers, limit: int, seed: int, stop: Stop | None, /
    ) -> tuple[U64, U64]: ...
    def doc_of_position(self, position: int, /) -> tuple[int, int]: ...
    def place_of_rank(self, rank: int, /) -> tuple[int, int]: ...
    def positions(self, lo: int, hi: int, stop: Stop | None, /) -> npt.NDArray[np.uint64]: ...
    def document(self, document: int, /) -> npt.NDArray[np.uint32]: ...
    def verify(self) -> None: ...
