"""What the infinity-gram foretells of texts, against counts read aloud."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from services.checkpoints.load import LoadedModel, load
from services.experiments import ngram_scores
from services.experiments.agreement import Foretold, buckets, foretold, share
from services.experiments.agreement_page import Setting, markdown, plot
from services.experiments.machine_text import Manner, Writer
from services.generator.nucleus import draw, uniforms
from services.index.build import build_index
from stillhouse.cli import main
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.generator.types import ModelPointer
from stillhouse.index.client import IndexClient
from tests.support.service_process import started
from tests.support.texts import sentences, write_documents
from tests.support.tiny_model import make_tiny_model, make_tiny_seq2seq

CORPUS = sentences(1, 60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("agreement")
    make_tiny_model(root / "model")
    build_index(CORPUS, root / "model" / "tokenizer.json", root / "index")
    return root


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[IndexClient]:
    with started("services.index", INDEXES=f"one={folder}/index") as one:
        one.wait_for("index ready")
        with IndexClient(one.target) as ask:
            yield ask


def open_tiny(folder: Path) -> LoadedModel:
    return load(ModelPointer(str(folder / "model"), "tiny"))


def ids_of(loaded: LoadedModel, text: str) -> list[int]:
    return list(loaded.tokenizer(text, add_special_tokens=False)["input_ids"])


def naive(corpus: Sequence[list[int]], text: list[int], place: int) -> tuple[int, bool, bool, bool]:
    """Suffix length, sparse, agrees, likely of one place, by trying all suffixes."""
    for start in range(place):
        context = text[start:place]
        size = len(context)
        follows = Counter(
            ([*one, -1])[i + size]
            for one in corpus
            for i in range(len(one) + 1 - size)
            if one[i : i + size] == context
        )
        if follows:
            best = min(follows, key=lambda token: (-follows[token], token))
            agrees = best == text[place]
            likely = follows[text[place]] / follows.total() > 0.5
            return size, len(follows) == 1, agrees, likely
    return 0, False, False, False


def test_what_is_foretold_is_counted_read_aloud(folder: Path, client: IndexClient) -> None:
    loaded = open_tiny(folder)
    corpus = [ids_of(loaded, one) for one in CORPUS]
    texts = [ids_of(loaded, one) for one in (*sentences(3, 4), CORPUS[0] + " zebra the still")]
    scores = list(client.score_text(texts))
    start = 3
    found = foretold(scores, ngram_scores.tops(client, scores), start)
    expected = [
        (*naive(corpus, text, place), number)
        for number, text in enumerate(texts)
        for place in range(start, len(text))
    ]
    # Where no suffix occurs nothing is foretold; the index answers with single tokens there.
    rows = zip(
        found.lengths.tolist(),
        (found.sparse & (found.lengths > 0)).tolist(),
        found.agrees.tolist(),
        (found.likely & (found.lengths > 0)).tolist(),
        found.documents.tolist(),
        strict=True,
    )
    assert list(rows) == expected
    assert 0.05 < found.agrees.mean() < 0.95


def small() -> Foretold:
    return Foretold(
        agrees=np.array([True, False, True, True, False, True]),
        likely=np.array([True, False, False, True, False, True]),
        lengths=np.array([0, 1, 6, 7, 64, 200]),
        sparse=np.array([False, False, True, True, False, True]),
        documents=np.array([0, 0, 0, 1, 1, 1]),
    )


def test_each_token_with_a_suffix_is_in_one_bucket() -> None:
    found = small()
    held = np.array([bucket.holds(found) for bucket in buckets()])
    assert held.sum(axis=0).tolist() == [0, 1, 1, 1, 1, 1]
    assert [str(one) for one in buckets()][:7] == ["1", "2", "3", "4", "5", "6-7", "8-11"]
    assert str(list(buckets())[-1]) == "64+"


def test_a_share_and_its_interval() -> None:
    found = small()
    every = np.ones(6, np.bool_)
    one = share(found.agrees, every, found.documents, resamples=200, seed=0)
    assert one.value == pytest.approx(4 / 6)
    same = np.ones(6, np.bool_)
    sure = share(same, every, found.documents, resamples=200, seed=0)
    assert (sure.value, sure.low, sure.high) == (1, 1, 1)
    # Only one document has such tokens: resamples without it say nothing, and none is left.
    alone = share(found.agrees, found.lengths == 6, found.documents, resamples=200, seed=0)
    assert (alone.value, alone.low, alone.high) == (1, 1, 1)
    none = share(found.agrees, ~every, found.documents, resamples=200, seed=0)
    assert np.isnan(none.value)


def test_documents_are_what_is_drawn() -> None:
    """Tokens of a document that agree together widen the interval as one would."""
    together = np.repeat(np.arange(20) % 2 == 0, 50)
    mixed = np.tile([True, False], 500)
    documents = np.repeat(np.arange(20), 50)
    every = np.ones(1000, np.bool_)
    wide, narrow = (
        share(hits, every, documents, resamples=500, seed=1) for hits in (together, mixed)
    )
    assert wide.value == narrow.value == 0.5
    assert narrow.high - narrow.low < 1e-9
    assert wide.high - wide.low > 0.3


def naive_text(
    loaded: LoadedModel, begun: list[int], stream: torch.Tensor, way: Manner
) -> list[int]:
    """One continuation, the whole text through the model at every step."""
    written: list[int] = []
    for step in range(len(stream)):
        with torch.inference_mode():
            logits = loaded.model(torch.tensor([begun + written])).logits[:, -1]
        token = int(
            draw(logits, stream[step : step + 1], temperature=way.temperature, top_p=way.top_p)
        )
        if token in loaded.vocabulary.ends:
            break
        written.append(token)
    return written


@pytest.mark.parametrize("way", [Manner(0), Manner(1), Manner(1.3, 0.8)], ids=str)
def test_texts_are_written_as_one_by_one(folder: Path, tmp_path: Path, way: Manner) -> None:
    loaded = open_tiny(folder)
    begun = np.array([ids_of(loaded, one)[:6] for one in sentences(4, 45)], np.uint32)
    heard: list[int] = []
    found = Writer(loaded, 5, tmp_path).write(begun, 12, way, heard.append)
    assert heard == [40, 45]
    for number in (0, 1, 39, 40, 44):
        stream = uniforms(5, str(number), 0, 12)
        assert found[number].tolist() == naive_text(loaded, begun[number].tolist(), stream, way)
    if way == Manner(1):
        assert any(len(one) < 12 for one in found)  # those that ended
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    again = Writer(loaded, 5, tmp_path).write(begun, 12, way, heard.append)
    assert [one.tolist() for one in again] == [one.tolist() for one in found]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")} == kept
    if way.temperature:
        other = Writer(loaded, 6, tmp_path).write(begun, 12, way, heard.append)
        assert [one.tolist() for one in other] != [one.tolist() for one in found]


def test_manners_are_read() -> None:
    assert Manner.parse("1:0.9") == Manner(1, 0.9)
    assert [str(Manner.parse(one)) for one in ("0", "1", "0.7:0.95")] == [
        "greedy", "T = 1", "T = 0.7, top-p 0.95",
    ]  # fmt: skip
    for wrong in ("", "warm", "-1", "nan", "1:0", "1:2", "inf"):
        with pytest.raises(InvalidArgument, match="--manner"):
            Manner.parse(wrong)


def test_a_model_with_an_encoder_is_refused(tmp_path: Path) -> None:
    loaded = load(make_tiny_seq2seq(tmp_path / "model", "t5"))
    with pytest.raises(FailedPrecondition, match="encoder"):
        Writer(loaded, 0, tmp_path)


def test_the_page_and_the_plot_hold_every_text(tmp_path: Path) -> None:
    setting = Setting("Title", "About.", 50, 0)
    page = markdown(setting, {"human": small(), "greedy": small()})
    assert "| human | 6 | 83.3% | 46.3 | 60.0% [" in page
    assert page.count("| greedy") == 3
    assert "| 6-7 | 100.0% of 2 | 100.0% of 2 |" in page
    plot(setting, {"human": small(), "greedy": small()}, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_measures(folder: Path, tmp_path: Path) -> None:
    # Texts of the corpus itself are foretold; those of an untrained model are not.
    corpus = write_documents(tmp_path / "texts.jsonl", [one for one in CORPUS if len(one) > 100])
    arguments = ["agreement", str(corpus), "--model", str(folder / "model")]
    arguments += ["--index", str(folder / "index"), "--workspace", str(tmp_path / "work")]
    arguments += ["--documents", "12", "--prompt-tokens", "8", "--new-tokens", "12"]
    arguments += ["--manner", "1", "--resamples", "50", "--out", str(tmp_path / "page.md")]
    plotted = [*arguments, "--plot", str(tmp_path / "plot.png")]
    done = CliRunner().invoke(main, plotted, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    page = (tmp_path / "page.md").read_text()
    rows = {line.split(" | ")[0]: line.split(" | ") for line in page.splitlines()}
    assert "12 documents" in page
    human, machine = rows["| human"], rows["| T = 1"]
    assert human[1] == "144"
    assert float(human[4].partition("%")[0]) > 80
    assert float(machine[4].partition("%")[0]) < 30
    assert (tmp_path / "plot.png").is_file()
    left = CliRunner().invoke(main, [*arguments, "--long-match", "4", "--max-contaminated", "0.5"])
    assert left.exit_code == 2
    assert "long matches" in left.output
