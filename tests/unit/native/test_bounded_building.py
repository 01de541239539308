"""Builds on threads, and in parts under a memory limit, give the very same files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stillhouse_native import BuildError, Index, build

from tests.unit.native.corpora import fibonacci, ragged, scratch, thue_morse

TABLES = 16 * 2**20  # what a build takes whatever its size


def assert_same_files(
    documents: Sequence[Sequence[int]], limit: int | None, threads: int = 1
) -> None:
    tokens, offsets = ragged(documents)
    values = np.array(tokens, dtype=np.uint32)
    with scratch() as place:
        build(values, offsets, Path(place) / "whole")
        build(values, offsets, Path(place) / "parts", memory_limit=limit, threads=threads)
        for file in (Path(place) / "whole").iterdir():
            assert file.read_bytes() == (Path(place) / "parts" / file.name).read_bytes(), file
        assert len(list((Path(place) / "parts").iterdir())) == 6


def test_threads_share_the_sorting() -> None:
    """Long enough for several pieces of each step; a third of it is there twice."""
    random = np.random.default_rng(5)
    halves = [random.integers(0, kinds, 400_000).tolist() for kinds in (3, 30_000)]
    assert_same_files([*halves, halves[1][50_000:], [], halves[0]], limit=None, threads=0)


@settings(max_examples=80, deadline=None)
@given(
    documents=st.lists(st.lists(st.integers(0, 2), max_size=20), max_size=25),
    most=st.integers(21, 60),
    threads=st.integers(1, 3),
)
def test_random(documents: list[list[int]], most: int, threads: int) -> None:
    kinds = len({token for document in documents for token in document})
    assert_same_files(documents, TABLES + 24 * kinds + 13 * most * threads, threads)


@pytest.mark.parametrize(
    "documents",
    [
        [[1, 2, 3, 2, 1] * 8] * 300,
        [[7] * n for n in range(200)],
        [fibonacci(n) for n in range(0, 400, 9)],
        [thue_morse(n) for n in range(0, 400, 7)],
        [[], [5], []] * 500,
        [list(range(i, i + 300)) for i in range(0, 70_000, 280)],
    ],
)
@pytest.mark.parametrize("most", [500, 3_000])
def test_special_corpora(documents: list[list[int]], most: int) -> None:
    kinds = len({token for document in documents for token in document})
    assert_same_files(documents, TABLES + 24 * kinds + 13 * most)


def test_a_document_over_the_limit(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"longest document, of 100000 tokens, .*memory_limit"):
        build([1] * 100_007, [0, 7, 100_007], tmp_path / "index", memory_limit=2**20)
    assert not list(tmp_path.iterdir())


def test_from_files(tmp_path: Path) -> None:
    tokens = np.random.default_rng(1).integers(0, 9, 5_000, dtype=np.uint16)
    offsets = np.arange(0, 5_001, 50)
    np.save(tmp_path / "tokens.npy", tokens)
    np.save(tmp_path / "offsets.npy", offsets)
    limit = TABLES + 24 * 9 + 13 * 700
    build(
        tmp_path / "tokens.npy", str(tmp_path / "offsets.npy"), tmp_path / "a", memory_limit=limit
    )
    build(tokens, offsets, tmp_path / "b")
    assert Index.open(tmp_path / "a").digest == Index.open(tmp_path / "b").digest
    (tmp_path / "text.npy").write_text("no array")
    for bad in (tmp_path / "text.npy", tmp_path / "missing.npy", tmp_path):
        with pytest.raises(ValueError, match=r"tokens: .*npy"):
            build(bad, [0, 1], tmp_path / "c")
    with pytest.raises(ValueError, match="memory_limit"):
        build([1], [0, 1], tmp_path / "c", memory_limit=0)
