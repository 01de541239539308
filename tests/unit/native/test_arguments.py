"""What calls take, and what they refuse by name."""

from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stillhouse_native import BuildError, EngineError, Index, build

from tests.unit.native.corpora import index_of

SHA = "ab" * 32


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return index_of([[1, 2, 3], [], [1, 2]], tmp_path / "index")


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64]
)
def test_integer_arrays_of_every_width(dtype: type[np.integer[Any]], tmp_path: Path) -> None:
    tokens = np.array([1, 2, 3, 1, 2], dtype=dtype)
    build(tokens, np.array([0, 3, 5], dtype=dtype), tmp_path / "index")
    index = Index.open(tmp_path / "index")
    assert index.count(np.array([1, 2], dtype=dtype)) == 2
    assert index.count(np.array([1, 9, 2], dtype=dtype)[::2]) == 2
    assert index.count_batch(tokens, np.array([0, 1, 5], dtype=dtype)).tolist() == [2, 0]


def test_sequences_and_numpy_integers(index: Index) -> None:
    assert index.count([1, 2]) == index.count((1, 2)) == index.count(range(1, 3)) == 2
    assert index.count([np.uint16(1), np.int64(2)]) == index.count(array("I", [1, 2])) == 2
    assert index.count([]) == index.count(()) == index.count(np.array([])) == 5
    assert index.find([]) == (0, 5)
    lengths, counts = index.match_lengths([])
    assert [str(lengths.dtype), str(counts.dtype)] == ["uint32", "uint64"]
    assert len(lengths) == len(counts) == 0
    assert index.count_batch([], [0]).tolist() == []
    assert index.count_batch([], [0, 0, 0]).tolist() == [5, 5]


@pytest.mark.parametrize(
    "tokens",
    [[-1], [2**32], [2**64], [1.0], ["1"], [None], [True], "12", "", b"12", b"", 3, None, {1: 2}],
)
def test_refuses_tokens(index: Index, tokens: Any) -> None:
    for call in (index.count, index.find, index.match_lengths):
        with pytest.raises(ValueError, match="tokens"):
            call(tokens)
    with pytest.raises(ValueError, match="values"):
        index.count_batch(tokens, [0, 1])


@pytest.mark.parametrize("last", [True, -1, 2**32, 2**64, -(2**64), 1.0, None])
@pytest.mark.parametrize("kind", [list, tuple])
def test_refuses_a_token_behind_many_good_ones(index: Index, kind: Any, last: Any) -> None:
    with pytest.raises(ValueError, match="tokens"):
        index.count(kind([1] * 100 + [last]))


def test_a_list_that_shrinks_while_it_is_read(index: Index) -> None:
    class Greedy:
        def __index__(self) -> int:
            tokens.clear()
            return 2

    tokens: list[Any] = [1, Greedy(), *range(1000, 2000)]
    assert index.count(tokens) == 0
    tokens = [1, Greedy()]
    assert index.count(tokens) == 2


@pytest.mark.parametrize(
    "tokens",
    [
        np.array([1.5]),
        np.array([[1]]),
        np.array(1),
        np.array([-1]),
        np.array([2**32]),
        np.array([True]),
        np.array([1], dtype=">u4"),
    ],
)
def test_refuses_arrays(index: Index, tokens: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tokens"):
        index.count(tokens)
    with pytest.raises(ValueError, match="tokens"):
        build(tokens, [0, 1], tmp_path / "other")


@pytest.mark.parametrize("offsets", [[], [1, 2], [0, 1], [0, 2, 1, 2], [0, 3], [0, -1, 2]])
def test_refuses_offsets(index: Index, offsets: list[int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="offsets"):
        index.count_batch([1, 2], offsets)
    with pytest.raises(ValueError, match="offsets"):
        index.match_lengths_batch([1, 2], offsets)
    with pytest.raises(ValueError, match="doc_offsets"):
        build([1, 2], offsets, tmp_path / "other")
    assert not list(tmp_path.glob("other*"))


def test_refuses_places(index: Index) -> None:
    for position in (-1, 5, 2**64, 1.5, "1", True):
        with pytest.raises(ValueError, match="position"):
            index.doc_of_position(position)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="rank"):
            index.doc_by_rank(position)  # type: ignore[arg-type]
    for document in (-1, 3, 2**63):
        with pytest.raises(ValueError, match="document"):
            index.document(document)
    for lo, hi in ((2, 1), (0, 6), (0, 2**62), (6, 6)):
        with pytest.raises(ValueError, match="ranks"):
            index.positions(lo, hi)


def test_refuses_options(tmp_path: Path) -> None:
    for sha in ("ab", "AB" * 32, "xy" * 32):
        with pytest.raises(ValueError, match="tokenizer_sha256"):
            build([1], [0, 1], tmp_path / "index", tokenizer_sha256=sha)
    for metadata in ({"a": 1}, {1: "a"}, {"a": "\ud800"}):
        with pytest.raises(ValueError, match="metadata"):
            build([1], [0, 1], tmp_path / "index", metadata=metadata)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="out_dir"):
        build([1], [0, 1], "")
    assert not list(tmp_path.iterdir())


def test_properties(tmp_path: Path) -> None:
    metadata = {
        "name": 'quotes " and \\',
        "umlaut": "ß \U0001f943",
        "control": "\x00\n\x1f",
        "": "",
    }
    build([1, 2, 2], [0, 1, 3], tmp_path / "index", tokenizer_sha256=SHA, metadata=metadata)
    index = Index.open(str(tmp_path / "index"))
    assert (index.tokens, index.documents, index.distinct_tokens) == (3, 2, 2)
    assert index.metadata == metadata
    assert index.tokenizer_sha256 == SHA
    assert "3 tokens in 2 documents" in repr(index)


def test_close(index: Index) -> None:
    with index as same:
        assert same.count([1]) == 2
    index.close()
    assert "closed" in repr(index)
    with pytest.raises(EngineError, match="closed"):
        index.count([1])
    with pytest.raises(EngineError, match="closed"):
        _ = index.tokens


def test_corpus_over_the_limit(tmp_path: Path) -> None:
    tokens = np.zeros(2**31, dtype=np.uint16)  # never touched, so never in memory
    with pytest.raises(BuildError, match="2147483646"):
        build(tokens, [0, len(tokens)], tmp_path / "index")
    assert not list(tmp_path.iterdir())
