"""Figures of data sets against slow twins and hand counts, and the command."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import combinations
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from services.experiments import quality, quality_page
from stillhouse.cli import main
from stillhouse.errors import InvalidArgument

TEXTS = st.lists(
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=8), min_size=2, max_size=5
)


def grams(text: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(text[i : i + n]) for i in range(len(text)) if i + n <= len(text)]


def bleu(text: list[str], references: list[list[str]]) -> float:
    """BLEU-4 from its definition (Papineni et al. 2002), 0.1 for no match."""
    product = 1.0
    for n in (1, 2, 3, 4):
        own = Counter(grams(text, n))
        matched = sum(
            min(count, max(Counter(grams(one, n))[gram] for one in references))
            for gram, count in own.items()
        )
        product *= (matched or 0.1) / max(1, sum(own.values()))
    closest = min((abs(len(one) - len(text)), len(one)) for one in references)[1]
    penalty = 1 if len(text) > closest else math.exp(1 - closest / len(text))
    return float(penalty * product**0.25)


@given(TEXTS)
def test_self_bleu_against_its_definition(texts: list[list[str]]) -> None:
    wanted = [bleu(text, texts[:i] + texts[i + 1 :]) for i, text in enumerate(texts)]
    assert quality.self_bleu(texts) == pytest.approx(sum(wanted) / len(wanted))


def test_self_bleu_by_hand() -> None:
    same = ["a", "b", "c", "d", "e"]
    assert quality.self_bleu([same, same]) == pytest.approx(1)
    # 1/2, then no bigram, and no 3- or 4-gram to match
    assert quality.self_bleu([["a", "b"], ["a", "c"]]) == pytest.approx(
        (1 / 2 * 0.1 * 0.1 * 0.1) ** 0.25
    )


@given(TEXTS, st.integers(1, 3))
def test_entropy_and_distinct_against_counting(texts: list[list[str]], n: int) -> None:
    every = [gram for text in texts for gram in grams(text, n)]
    if not every:
        assert math.isnan(quality.entropy(texts, n))
        assert math.isnan(quality.distinct(texts, n))
        return
    shares = [every.count(gram) / len(every) for gram in set(every)]
    wanted = sum(share * math.log2(1 / share) for share in shares)
    assert quality.entropy(texts, n) == pytest.approx(wanted)
    assert quality.distinct(texts, n) == len(set(every)) / len(every)


@given(TEXTS)
def test_jaccard_against_its_definition(texts: list[list[str]]) -> None:
    wanted = [len(set(a) & set(b)) / len(set(a) | set(b)) for a, b in combinations(texts, 2)]
    assert quality.mean_jaccard(texts) == pytest.approx(sum(wanted) / len(wanted))


def test_msttr_takes_whole_segments_only() -> None:
    assert quality.msttr([["a", "b", "a"], ["a", "c"]], 2) == (1 + 0.5) / 2
    assert math.isnan(quality.msttr([["a"]], 2))


def test_a_set_by_hand() -> None:
    found = quality.measure(
        [("the cat sat on the mat today", "the cat sat"), ("dogs bark at night", "cats bark")]
    )
    assert found.compression == pytest.approx((3 / 7 + 2 / 4) / 2)
    assert found.coverage == (1 + 1 / 2) / 2
    assert found.density == (9 / 3 + 1 / 2) / 2
    assert (found.novel_1, found.novel_2) == (0.25, 0.5)
    assert found.distinct_1 == 1


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows(count: int) -> list[dict[str, str]]:
    return [
        {"document": f"Word {n} and much else is here.", "summary": f"Word {n} is short."}
        for n in range(count)
    ]


def test_the_command_compares_sets_of_one_size(tmp_path: Path) -> None:
    small = write(tmp_path / "small.jsonl", rows(4))
    pq.write_table(pa.Table.from_pylist(rows(9)), tmp_path / "large.parquet")
    args = ["quality", str(small), str(tmp_path / "large.parquet"), "--seed", "3"]
    args += ["--out", str(tmp_path / "t.md"), "--plot", str(tmp_path / "p.png")]
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 0, result.output
    assert "| 4, 4 | 9, 4 |" in result.output
    assert (tmp_path / "t.md").read_text() == result.output
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert CliRunner().invoke(main, args).output == result.output


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"document": "\xff", "summary": "b"}\n', "line 1: not JSON in UTF-8"),
        (b'{"document": "a"}\n', "line 1: 'summary' must be text"),
        (b"[]\n", "must be an object"),
        (b"", "has 0 pairs"),
    ],
)
def test_a_set_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(content)
    result = CliRunner().invoke(main, ["quality", str(path)])
    assert result.exit_code == 2
    assert said in result.output


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")
    with pytest.raises(InvalidArgument, match="neither"):
        quality_page.read_pairs(tmp_path / "a.csv")
