"""Classifier-free guidance, against the whole sequences run through the model at every step."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from services.checkpoints.load import LoadedModel, load
from services.generator.contrast import Others
from services.generator.lines import first_line
from services.generator.memory import footprint
from services.generator.nucleus import draw, uniforms
from services.generator.readings import check_contrast
from services.generator.sampling import sample
from stillhouse.errors import InvalidArgument
from stillhouse.generator.convert import prompt_from_proto, prompt_to_proto
from stillhouse.generator.types import Beam, Clause, Contrast, Decoding, Literal, Prompt
from tests.support.likelihood import logprob
from tests.support.tiny_model import make_tiny_seq2seq

TOLD = Contrast(("A heap is", "Return an array of the elements that are in the"), 2.5)
PROMPTS = [
    Prompt("a", "Return the", contrast=TOLD),
    Prompt("b", "A heap is an array of elements where each is"),
    Prompt("c", "The parser", contrast=Contrast(("The parser of the",), 0.5)),
]
DECODING = Decoding(3, 12, temperature=0.8, top_p=0.9, seed=7)


def naive_texts(loaded: LoadedModel, prompt: Prompt, index: int, decoding: Decoding) -> list[int]:
    stream = uniforms(decoding.seed, prompt.id, index, decoding.max_new_tokens)
    tokens: list[int] = []

    def logprobs(text: str) -> torch.Tensor:
        ids = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            logits: torch.Tensor = loaded.model(torch.tensor([ids + tokens])).logits[0, -1]
        return logits.double().log_softmax(-1)

    for step in range(decoding.max_new_tokens):
        found = logprobs(prompt.text)
        if prompt.contrast is not None:
            every = [logprobs(one).exp() for one in prompt.contrast.negative_prompts]
            others = torch.stack(every).mean(0).log()
            found = others + prompt.contrast.guidance_scale * (found - others)
        token = int(
            draw(
                found.float()[None],
                stream[step : step + 1],
                temperature=decoding.temperature,
                top_p=decoding.top_p,
            )
        )
        tokens.append(token)
        text = str(loaded.tokenizer.decode(tokens, skip_special_tokens=True))
        if token == loaded.tokenizer.eos_token_id or "\n" in text.lstrip():
            break
    return tokens


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_equals_decoding_one_by_one(tiny: LoadedModel, temperature: float) -> None:
    decoding = replace(DECODING, temperature=temperature)
    for prompt, group in zip(PROMPTS, sample(tiny, PROMPTS, decoding), strict=True):
        for index, one in enumerate(group):
            tokens = naive_texts(tiny, prompt, index, decoding)
            text = str(tiny.tokenizer.decode(tokens, skip_special_tokens=True))
            assert (one.tokens, one.text) == (len(tokens), first_line(text))


def test_the_logprob_is_that_of_the_prompt_alone(tiny: LoadedModel) -> None:
    one = sample(tiny, PROMPTS, DECODING)[0][1]
    tokens = naive_texts(tiny, PROMPTS[0], 1, DECODING)
    assert one.logprob == pytest.approx(logprob(tiny, PROMPTS[0].text, tokens), abs=1e-3)


def texts(loaded: LoadedModel, prompts: list[Prompt], decoding: Decoding) -> list[list[str]]:
    return [[one.text for one in group] for group in sample(loaded, prompts, decoding)]


def test_a_scale_of_one_changes_nothing(tiny: LoadedModel) -> None:
    plain = [replace(one, contrast=None) for one in PROMPTS]
    ones = [replace(one, contrast=replace(TOLD, guidance_scale=1.0)) for one in PROMPTS]
    assert texts(tiny, ones, DECODING) == texts(tiny, plain, DECODING)
    assert texts(tiny, PROMPTS, DECODING) != texts(tiny, plain, DECODING)


def test_a_scale_of_zero_writes_as_the_negative_prompt(tiny: LoadedModel) -> None:
    asked = Prompt("a", "Return the", contrast=Contrast(("A heap is",), 0.0))
    assert texts(tiny, [asked], DECODING) == texts(tiny, [Prompt("a", "A heap is")], DECODING)


def test_one_prompts_contrast_leaves_the_others_alone(tiny: LoadedModel) -> None:
    assert texts(tiny, PROMPTS, DECODING)[1] == texts(tiny, PROMPTS[1:2], DECODING)[0]


def test_passes_change_no_text_and_count_what_is_read(tiny: LoadedModel) -> None:
    budget = 7 * footprint(tiny.model.config).row(40)
    small = sample(tiny, PROMPTS, DECODING, budget=budget)
    assert [[one.text for one in group] for group in small] == texts(tiny, PROMPTS, DECODING)
    with pytest.raises(InvalidArgument, match=r"prompts\[0\].*STILLHOUSE_MEMORY_MIB"):
        sample(tiny, PROMPTS, DECODING, budget=2 * footprint(tiny.model.config).row(40))


def test_a_negative_prompt_over_the_context_is_refused(tiny: LoadedModel) -> None:
    long = Prompt("a", "Return", contrast=Contrast(("word " * 4000,), 2.0))
    with pytest.raises(InvalidArgument, match="context"):
        sample(tiny, [long], DECODING)


def test_constraints_hold_beside_it(tiny: LoadedModel) -> None:
    clauses = (Clause((Literal(("heap", "heaps")),)), Clause((Literal(("the",), exclude=True),)))
    asked = Prompt("a", "Return the", clauses, contrast=replace(TOLD, guidance_scale=1.5))
    group = sample(tiny, [asked], Decoding(8, 16, seed=3, guidance=2.0))[0]
    assert all(one.clauses == (True, True) for one in group)


def test_what_is_impossible_by_all_prompts_stays_so(tiny: LoadedModel) -> None:
    others = Others(tiny, PROMPTS[:1], 1, 4)
    logits = torch.zeros(1, tiny.model.config.vocab_size)
    logits[0, 3] = -torch.inf
    told = others.told_apart(logits)
    assert told[0, 3] == -torch.inf
    assert not told.isnan().any()


@pytest.mark.parametrize("kept", [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2]])
def test_rows_that_end_leave_the_others_as_they_were(tiny: LoadedModel, kept: list[int]) -> None:
    """Also where all that are told apart have ended."""
    logits = torch.randn(
        3, tiny.model.config.vocab_size, generator=torch.Generator().manual_seed(1)
    )
    tokens = torch.tensor([5, 6, 7])
    with torch.inference_mode():
        whole, part = Others(tiny, PROMPTS, 1, 4), Others(tiny, PROMPTS, 1, 4)
        whole.feed(tokens)
        going = torch.tensor([row in kept for row in range(3)])
        part.keep(going)
        part.feed(tokens[going])
        found = part.told_apart(logits[going]).log_softmax(-1)
        wanted = whole.told_apart(logits)[going].log_softmax(-1)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_models_with_an_encoder(tmp_path_factory: pytest.TempPathFactory, kind: str) -> None:
    loaded = load(make_tiny_seq2seq(tmp_path_factory.mktemp(kind), kind))
    same = [
        replace(one, contrast=Contrast((one.text, one.text), 3.0)) for one in PROMPTS
    ]  # told apart from itself: nothing is changed
    plain = [replace(one, contrast=None) for one in PROMPTS]
    assert texts(loaded, same, DECODING) == texts(loaded, plain, DECODING)
    assert texts(loaded, PROMPTS, DECODING) != texts(loaded, plain, DECODING)


@pytest.mark.parametrize(
    ("contrast", "decoding", "message"),
    [
        (Contrast((), 2.0), DECODING, r"x\.negative_prompts: must be one or more"),
        (Contrast(("a", ""), 2.0), DECODING, r"x\.negative_prompts: must not be empty"),
        (Contrast(("a",), -0.1), DECODING, r"x\.guidance_scale: must be 0 or above"),
        (Contrast(("a",), float("nan")), DECODING, r"x\.guidance_scale"),
        (Contrast(("a",), 2.0), replace(DECODING, beam=Beam()), "x: can't be searched with"),
    ],
)
def test_what_can_not_be_told_apart(contrast: Contrast, decoding: Decoding, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        check_contrast(contrast, decoding, "x")


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda one: one.id)
def test_it_comes_through_whole(prompt: Prompt) -> None:
    assert prompt_from_proto(prompt_to_proto(prompt)) == prompt
