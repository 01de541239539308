"""Perplexities: a model's windows, what an index says, tables with intervals."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from services.checkpoints.load import LoadedModel, load
from services.experiments import ngram_scores
from services.experiments.interpolation import Positions
from services.experiments.language_model import Scorer, Windows
from services.experiments.perplexity import TextSet, alone, gains, long_shares, perplexity, without
from services.index.build import build_index
from stillhouse.cli import main
from stillhouse.errors import InvalidArgument
from stillhouse.index.client import IndexClient
from stillhouse.index.types import Scores
from tests.support.service_process import started
from tests.support.texts import sentences, write_documents
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("perplexity") / "model"
    make_tiny_model(folder)
    return folder


@pytest.fixture(scope="module")
def loaded(model_folder: Path) -> LoadedModel:
    from stillhouse.generator.types import ModelPointer

    return load(ModelPointer(str(model_folder), "tiny"))


@pytest.fixture(scope="module")
def index(model_folder: Path) -> Path:
    folder = model_folder.with_name("index")
    build_index(sentences(1, 60), model_folder / "tokenizer.json", folder)
    return folder


@pytest.fixture(scope="module")
def client(index: Path) -> Iterator[IndexClient]:
    with started("services.index", INDEXES=f"one={index}") as one, IndexClient(one.target) as ask:
        one.wait_for("index ready")
        yield ask


def ids_of(loaded: LoadedModel, text: str) -> np.ndarray:
    return np.array(loaded.tokenizer(text, add_special_tokens=False)["input_ids"], np.uint32)


def test_windows_score_every_place_once() -> None:
    for length in (1, 7, 8, 9, 50):
        for size, overlap in ((8, 0), (8, 3), (8, 7), (100, 20)):
            scored: list[int] = []
            for begin, end, first in Windows(size, overlap).cut(length):
                assert end - begin <= size
                assert first == 0 or first - begin == overlap
                scored += range(first, end)
            assert scored == list(range(length))


def test_windows_that_do_not_move_on_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="--overlap"):
        Windows(8, 8).check(0)
    with pytest.raises(InvalidArgument, match="--window"):
        Windows(64, 8).check(32)


def test_a_model_scores_as_token_by_token(loaded: LoadedModel, tmp_path: Path) -> None:
    ids = ids_of(loaded, sentences(2, 1)[0])
    found = Scorer(loaded, Windows(8, 5), tmp_path).score(ids)
    row = [loaded.tokenizer.eos_token_id, *ids.tolist()]
    expected, entropies = [], []
    for place in range(len(ids)):
        # At least five places before it, as many as its window has.
        step = 0 if place < 8 else (place - 8) // 3 + 1
        with torch.inference_mode():
            logits = loaded.model(torch.tensor([row[3 * step : place + 1]])).logits[0, -1]
        logprobs = logits.log_softmax(-1)
        expected.append(float(logprobs[row[place + 1]]))
        entropies.append(float(-(logprobs.exp() * logprobs).sum()))
    np.testing.assert_allclose(found.logprobs, expected, atol=1e-4)
    np.testing.assert_allclose(found.entropies, entropies, atol=1e-4)
    again = Scorer(loaded, Windows(8, 5), tmp_path).score(ids)
    np.testing.assert_array_equal(again.logprobs, found.logprobs)


def test_orders_are_counts_read_aloud(loaded: LoadedModel, client: IndexClient) -> None:
    corpus = [ids_of(loaded, one).tolist() for one in sentences(1, 60)]
    texts = [ids_of(loaded, one)[:30] for one in sentences(3, 3)]
    found = ngram_scores.orders(client, texts, 3)
    row = 0
    for text in texts:
        for place in range(len(text)):
            for size, order in enumerate(found):
                if place < size:
                    assert order.contexts[row] == 0
                    continue
                context = text[place - size : place].tolist()
                follows = Counter(
                    ([*one, -1])[i + size]
                    for one in corpus
                    for i in range(len(one) + 1 - size)
                    if one[i : i + size] == context
                )
                once, twice = (sum(c == n for c in follows.values()) for n in (1, 2))
                assert order.contexts[row] == follows.total()
                assert order.counts[row] == follows[int(text[place])]
                assert order.kinds[row].tolist() == [once, twice, len(follows) - once - twice]
            row += 1


def test_scores_are_those_of_the_longest_suffix(loaded: LoadedModel, client: IndexClient) -> None:
    """The stream against brute force over all suffixes; and the matches that it tells of."""
    corpus = [ids_of(loaded, one).tolist() for one in sentences(1, 60)]
    places = {tuple(one[i : i + n]) for one in corpus for n in range(1, len(one) + 1) for i in
              range(len(one) - n + 1)}  # fmt: skip
    texts = [*sentences(4, 3), sentences(1, 1)[0] + " zebra " + sentences(1, 2)[1]]
    for text, found in zip(texts, client.score_text(texts), strict=True):
        ids = ids_of(loaded, text).tolist()
        assert found.tokens.tolist() == ids
        inside = np.zeros(len(ids), np.bool_)
        for end in range(1, len(ids) + 1):
            longest = max((n for n in range(1, end + 1) if tuple(ids[end - n : end]) in places),
                          default=0)  # fmt: skip
            if end < len(ids):
                assert found.suffix_lengths[end] == longest
            # Of the last token the scores tell only whether the match before it goes on.
            if longest >= 6 and (end < len(ids) or found.counts[-1]):
                inside[end - longest : end] = True
        np.testing.assert_array_equal(ngram_scores.in_long_matches(found, 6), inside)
        for place, size in enumerate(found.suffix_lengths.tolist()):
            context = ids[place - size : place]
            follows = Counter(([*one, -1])[i + size] for one in corpus
                              for i in range(len(one) + 1 - size)
                              if one[i : i + size] == context)  # fmt: skip
            assert found.context_counts[place] == follows.total()
            assert found.probabilities[place] == follows[ids[place]] / follows.total()
            assert found.sparse[place] == (len(follows) == 1)


def test_an_empty_text_lies_in_no_match() -> None:
    none = np.empty(0)
    counts, lengths = none.astype(np.uint64), none.astype(np.uint32)
    empty = Scores(none, counts, counts, lengths, none.astype(bool), lengths)
    assert len(ngram_scores.in_long_matches(empty, 1)) == 0


def small_set() -> TextSet:
    positions = Positions(
        np.full(6, 0.25), np.array([0.5, 0, 1, 1, 1, 0.5]), np.array([1, 1, 2, 0, 3, 3]),
        np.ones(6, np.int64), np.zeros(6, np.bool_), np.ones(6),
    )  # fmt: skip
    long = np.array([True, True, False, False, False, False])
    return TextSet(positions, [], np.array([0, 0, 0, 1, 1, 1]), ("a", "b"), long)


def test_figures_of_a_set_by_hand() -> None:
    one = small_set()
    assert perplexity(one.positions.model) == pytest.approx(4)
    assert perplexity(one.positions.ngram) == np.inf
    found = alone(one.positions)
    assert (found.coverage, found.possible) == (5 / 6, 4 / 6)
    assert found.ngram == pytest.approx(2**0.5)
    assert long_shares(one).tolist() == [2 / 3, 0]
    left = without(one, 0.5)
    assert (left.domains, left.documents.tolist()) == (("b",), [0, 0, 0])


def test_a_gain_has_the_interval_of_the_difference() -> None:
    draw = np.random.default_rng(3)
    documents = np.repeat(np.arange(40), 25)
    model = draw.beta(1, 3, 1000)
    better = np.minimum(1, model * np.exp(0.3))
    better[better == 1] = model[better == 1] * np.exp(0.3)
    found = gains({"model": model, "better": better}, documents, resamples=500, seed=0)
    # Each token is likelier by the same factor: the gain has no spread, the perplexity has.
    assert found["better"].gain.value == pytest.approx(1 - np.exp(-0.3))
    assert found["better"].gain.high - found["better"].gain.low < 1e-9
    assert found["model"].perplexity.high > found["model"].perplexity.low + 0.01
    assert found["model"].gain.value == 0


def test_the_command_measures(model_folder: Path, index: Path, tmp_path: Path) -> None:
    validation = write_documents(tmp_path / "validation.jsonl", sentences(5, 12))
    test = write_documents(tmp_path / "test.jsonl", [*sentences(6, 12), *sentences(1, 1)])
    arguments = ["perplexity", str(test), "--model", str(model_folder), "--index", str(index)]
    arguments += ["--validation", str(validation), "--workspace", str(tmp_path / "work")]
    arguments += ["--out", str(tmp_path / "page.md"), "--orders", "3", "--resamples", "50"]
    arguments += ["--window", "64", "--overlap", "16", "--max-contaminated", "0.9"]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    page = (tmp_path / "page.md").read_text()
    assert "12 test documents" in page
    assert "1 were dropped" in page
    rows = dict(re.findall(r"^\| (m[^|]+?) \| ([\d.]+) \[", page, re.MULTILINE))
    # A model that was never trained knows nothing of these texts; the index has seen their words.
    assert float(rows["model + infinity-gram, two weights"]) < float(rows["model alone"]) / 5
    assert {"| a |", "| b |"} <= {line[:5] for line in page.splitlines()}


def test_another_tokenizer_is_refused(index: Path, tmp_path: Path) -> None:
    make_tiny_model(tmp_path / "other")
    file = tmp_path / "other" / "tokenizer.json"
    file.write_text(file.read_text() + " ")
    test = write_documents(tmp_path / "test.jsonl", sentences(6, 4))
    arguments = ["perplexity", str(test), "--model", str(tmp_path / "other"), "--index", str(index)]
    done = CliRunner().invoke(main, [*arguments, "--workspace", str(tmp_path / "work")])
    assert done.exit_code == 2
    assert "the index was cut by tokenizer" in done.output
