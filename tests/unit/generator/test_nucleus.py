from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.generator import nucleus
from services.generator.nucleus import draw, uniforms


def naive_draw(logits: list[float], uniform: float, temperature: float, top_p: float) -> int:
    """The definition, token by token: sort, cut at the mass, invert the distribution."""
    weights = np.exp((np.array(logits) - max(logits)) / temperature)
    probabilities = weights / weights.sum()
    order = sorted(range(len(logits)), key=lambda token: (-probabilities[token], token))
    kept: list[int] = []
    mass = 0.0
    for token in order:
        kept.append(token)
        mass += probabilities[token]
        if mass >= top_p:
            break
    target, total = uniform * mass, 0.0
    for token in kept:
        total += probabilities[token]
        if total > target:
            return token
    return kept[-1]


@given(
    st.lists(st.integers(-800, 800), min_size=1, max_size=12, unique=True),
    st.floats(0, 1, exclude_max=True),
    st.floats(0.3, 3),
    st.floats(0.05, 1),
)
@example([-50, -155, 434], 0.9999999999999999, 0.40625, 0.9999999999999999)
@settings(max_examples=300, deadline=None)
def test_draw_follows_the_definition(
    hundredths: list[int], uniform: float, temperature: float, top_p: float
) -> None:
    logits = [value / 100 for value in hundredths]
    drawn = draw(
        torch.tensor([logits]), torch.tensor([uniform]).double(),
        temperature=temperature, top_p=top_p,
    ).item()  # fmt: skip
    # Near the end of [0, 1) a token of any probability may be drawn, so it is not cut off.
    order = sorted(range(len(logits)), key=lambda token: -logits[token])
    near = [
        order.index(
            naive_draw(logits, min(max(uniform + shift, 0), 1 - 2**-53), temperature, top_p + push)
        )
        for shift in (-1e-5, 0, 1e-5)
        for push in (-1e-5, 0, 1e-5)
    ]
    # Between two of them several tokens may share less than that.
    assert min(near) <= order.index(int(drawn)) <= max(near)


def test_temperature_zero_takes_the_mode() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [5.0, 3.0, 1.0]])
    assert draw(logits, torch.zeros(2), temperature=0, top_p=0.9).tolist() == [1, 0]


def test_a_flat_distribution_falls_back_to_the_whole_vocabulary() -> None:
    """256 of 4,096 equal tokens hold 6 % of the mass, far from the nucleus of 90 %."""
    logits = torch.zeros(1, 4096)
    drawn = {
        int(draw(logits, torch.tensor([u]).double(), temperature=1.0, top_p=0.9))
        for u in np.linspace(0, 0.999, 500)
    }
    assert len(drawn) == 500


def test_preselection_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(64, 5000, generator=torch.Generator().manual_seed(1)) * 4
    uniform = torch.rand(64, generator=torch.Generator().manual_seed(2)).double()
    quick = draw(logits, uniform, temperature=0.9, top_p=0.8)
    monkeypatch.setattr(nucleus, "_PRESELECTED", 5000)
    whole = draw(logits, uniform, temperature=0.9, top_p=0.8)
    assert quick.tolist() == whole.tolist()


def test_frequencies_match_the_distribution() -> None:
    logits = torch.tensor([[1.0, 0.0, -1.0]]).repeat(20_000, 1)
    uniform = torch.from_numpy(np.random.default_rng(3).random(20_000))
    drawn = draw(logits, uniform, temperature=1.0, top_p=1.0)
    frequencies = np.bincount(drawn.numpy(), minlength=3) / 20_000
    assert np.allclose(frequencies, torch.softmax(logits[0], 0).numpy(), atol=0.015)


def test_streams_depend_on_every_part_of_the_name() -> None:
    streams = {
        tuple(uniforms(*name, steps=4).tolist())
        for name in [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1)]
    }
    assert len(streams) == 4
    assert uniforms(5, "x", 2, 8).tolist()[:4] == uniforms(5, "x", 2, 4).tolist()
