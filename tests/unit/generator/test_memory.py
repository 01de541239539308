from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.checkpoints.load import LoadedModel
from services.generator.memory import Footprint, footprint, passes
from services.generator.sampling import sample
from stillhouse.errors import InvalidArgument
from stillhouse.generator.types import Decoding, Prompt

EACH = Footprint(token=10, logits=100)


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 3)), max_size=8),
    st.integers(1, 9),
    st.integers(1, 20),
    st.integers(2500, 9000),
)
def test_every_sample_is_in_one_pass_and_no_pass_is_over_the_budget(
    prompts: list[tuple[int, int]], samples: int, new_tokens: int, budget: int
) -> None:
    lengths, readings = ([one[part] for one in prompts] for part in (0, 1))
    covered = []
    for one in passes(lengths, samples, new_tokens, EACH, budget, readings):
        rows = sum(readings[one.first : one.last]) * (one.stop - one.start)
        longest = max(lengths[one.first : one.last])
        assert rows * EACH.row(longest + new_tokens) <= budget
        covered += [(p, s) for p in range(one.first, one.last) for s in range(one.start, one.stop)]
    assert covered == [(p, s) for p in range(len(lengths)) for s in range(samples)]


def test_what_fits_together_stays_together() -> None:
    assert len(list(passes([5, 5, 5], 4, 5, EACH, 10**6))) == 1


def test_a_row_that_does_not_fit_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"prompts\[1\].*STILLHOUSE_MEMORY_MIB"):
        list(passes([1, 500], 2, 5, EACH, 2**10))


def test_the_footprint_is_that_of_the_cache(tiny: LoadedModel) -> None:
    # two layers, two kept heads of eight, keys and values, four bytes
    assert footprint(tiny.model.config).token == 2 * 2 * 2 * 8 * 4


def test_passes_change_no_sample(tiny: LoadedModel) -> None:
    prompts = [Prompt("a", "Return the"), Prompt("b", "A heap is an array of elements")]
    decoding = Decoding(samples=5, max_new_tokens=10, seed=3)
    whole = sample(tiny, prompts, decoding)
    each = footprint(tiny.model.config)
    small = sample(tiny, prompts, decoding, budget=2 * each.row(30))
    for group, other in zip(whole, small, strict=True):
        plain = [replace(one, logprob=0.0) for one in group]
        assert plain == [replace(one, logprob=0.0) for one in other]
        for one, two in zip(group, other, strict=True):
            assert one.logprob == pytest.approx(two.logprob, abs=1e-3)
