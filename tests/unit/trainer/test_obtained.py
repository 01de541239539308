from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trainer.asking import Asking
from services.trainer.obtained import SCHEMA, chance, obtain, spearman, summarise
from stillhouse.corpus import SourceDocument
from stillhouse.generator.types import Prompt
from stillhouse.recipe import Control, PromptTemplate
from tests.support.tiny_model import tiny_tokenizer

VALUES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=25)
CONTROL = Control(length=(3, 6))
DOCUMENTS = [SourceDocument(f"d{n}", f"text number {n}") for n in range(20)]


def slow_spearman(one: Sequence[int], other: Sequence[int]) -> float:
    """From the definition: Pearson's correlation of ranks, each tie at the mean of its places."""

    def ranks(values: Sequence[int]) -> list[float]:
        return [
            sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2
            for value in values
        ]

    first, second = ranks(one), ranks(other)
    if len(set(first)) == 1 or len(set(second)) == 1:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


@given(VALUES)
def test_spearman_is_that_of_the_definition(pairs: list[tuple[int, int]]) -> None:
    one, other = ([pair[side] for pair in pairs] for side in (0, 1))
    assert spearman(np.array(one), np.array(other)) == pytest.approx(
        slow_spearman(one, other), abs=1e-9
    )


@given(VALUES.filter(lambda pairs: len(pairs) < 8))
def test_chance_is_the_hit_rate_of_dealing_the_answers_out(pairs: list[tuple[int, int]]) -> None:
    asked = [one for one, _ in pairs]
    got = [other % 5 for _, other in pairs]
    expected = sum(a == g for a in asked for g in got) / len(pairs) ** 2
    assert chance(asked, got) == pytest.approx(expected)


async def table(answer: Sequence[int], noise: float) -> pa.Table:
    """A system that writes `answer[bucket]` words, or at random in a share of `noise`."""
    rng = Random(1)

    async def write(prompts: Sequence[Prompt]) -> list[str]:
        lengths = [answer[int(prompt.text.split("length ")[1][0])] for prompt in prompts]
        return ["w " * (rng.choice(answer) if rng.random() < noise else n) for n in lengths]

    asking = Asking(PromptTemplate(template="{document}", chat=False), tiny_tokenizer(), CONTROL)
    return await obtain("student", write, asking, DOCUMENTS)


async def test_a_system_that_obeys_is_found_to() -> None:
    found = await table((1, 3, 7), noise=0.0)
    assert found.schema == SCHEMA
    assert found.num_rows == 60
    assert set(found["asked_low"].to_pylist()) == {0, 3, 6}
    assert set(found["asked_high"].to_pylist()) == {3, 6, float("inf")}
    (row,) = summarise(found, resamples=200, seed=1)
    assert (row.system, row.kind, row.buckets) == ("student", "length", 3)
    assert row.spearman.mean == pytest.approx(1.0)
    assert (row.hits.mean, row.hits.n) == (1.0, 20)
    assert row.chance == pytest.approx(1 / 3)


async def test_a_system_that_does_not_listen_is_no_better_than_chance() -> None:
    (row,) = summarise(await table((1, 3, 7), noise=1.0), resamples=200, seed=1)
    assert abs(row.spearman.mean) < 0.3
    assert row.spearman.low < 0 < row.spearman.high
    assert row.hits.low < row.chance < row.hits.high


async def test_the_right_order_is_not_the_right_bucket() -> None:
    (row,) = summarise(await table((7, 8, 9), noise=0.0), resamples=200, seed=1)
    assert row.spearman.mean == pytest.approx(1.0)
    assert row.hits.mean == pytest.approx(1 / 3)
    assert row.chance == pytest.approx(1 / 3)


async def test_each_kind_that_is_controlled_is_asked_alone() -> None:
    asked: list[str] = []

    async def write(prompts: Sequence[Prompt]) -> list[str]:
        asked.extend(prompt.text for prompt in prompts)
        return [prompt.text.split("\n")[0] for prompt in prompts]

    control = Control(length=(3, 6), extractiveness=(0.5,))
    asking = Asking(PromptTemplate(template="{document}", chat=False), tiny_tokenizer(), control)
    found = await obtain("student", write, asking, DOCUMENTS[:2])
    rows = summarise(found, resamples=50, seed=1)
    assert [(row.kind, row.buckets) for row in rows] == [("length", 3), ("extractiveness", 2)]
    assert not any("length" in one and "extractiveness" in one for one in asked)
    assert found["obtained"].to_pylist() == [3.0] * 6 + [1.0] * 4


async def test_what_is_not_controlled_is_not_asked() -> None:
    asking = Asking(PromptTemplate(template="{document}", chat=False), tiny_tokenizer())

    async def write(prompts: Sequence[Prompt]) -> list[str]:
        raise AssertionError("nobody is to be asked")

    assert (await obtain("student", write, asking, DOCUMENTS)).num_rows == 0
