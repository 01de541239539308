"""The judge of pairs: against a stand-in with known opinions, and against a real model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from services.experiments.judging import JudgeClient, judge, said
from services.generator.backends.patience import Patience
from services.trainer import evaluation
from services.trainer.evaluation import Opinions
from services.trainer.files import RunFolder, write_table
from services.trainer.pairwise import SCHEMA, tallies
from stillhouse.corpus import SourceDocument
from stillhouse.errors import FailedPrecondition, InvalidArgument, Unavailable
from stillhouse.filter.types import Verdict
from stillhouse.recipe import Judge, Recipe
from tests.support.judge_server import JudgeServer, serving
from tests.support.model_servers import llama_cpp, smollm2

DOCUMENTS = [
    SourceDocument(str(n), f"Document {n} tells that water boils at {n} degrees.", "reference")
    for n in range(4)
]
TEXTS = {
    "teacher": ["Water boils somewhere.", "Water.", "The same.", ""],
    "student gen 1": ["Water boils at 0 degrees.", "Boils.", "The same.", "Water boils."],
}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run with two systems' texts."""
    found = RunFolder(tmp_path / "run")
    for name, texts in TEXTS.items():
        opinions = [Opinions(Verdict("x", True), {}, {}) for _ in texts]
        table = evaluation.table(DOCUMENTS, texts, opinions, 5)
        write_table(found.evaluation(name), table)
    return found


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with serving(JudgeServer(longer)) as one:
        yield one


def longer(a: str, b: str) -> str:
    return "TIE" if len(a) == len(b) else "A" if len(a) > len(b) else "B."


def recipe_of(url: str, model: str = "") -> Recipe:
    asked = Judge(url=url, model=model)
    recipe = Recipe(generations=1)
    changed = recipe.evaluation.model_copy(update={"judge": asked, "resamples": 50})
    return recipe.model_copy(update={"evaluation": changed})


def silent(_: str) -> None:
    """Say nothing."""


async def test_both_orders_are_asked_and_the_texts_decide(
    folder: RunFolder, server: JudgeServer
) -> None:
    recipe = recipe_of(server.url)
    await judge(recipe, folder, DOCUMENTS, silent)
    table = pq.read_table(folder.judgements)
    assert table.schema.names == SCHEMA.names
    assert table["outcome"].to_pylist() == ["win", "tie", "tie", "win"]
    pairs = set(zip(TEXTS["student gen 1"], TEXTS["teacher"], strict=True)) - {("The same.",) * 2}
    assert set(server.asked) == pairs | {(b, a) for a, b in pairs}
    assert len(server.asked) == 6  # equal texts are nobody's to judge
    (tally,) = tallies(table, recipe)
    assert (tally.system, tally.versus) == ("student gen 1", "teacher")
    assert tally.preference.mean == 0.5
    assert tally.front == 0.5
    for body in server.questions:
        assert body["model"] == "judge"
        assert body["temperature"] == 0


@pytest.mark.parametrize(
    ("opinion", "outcomes", "front"),
    [
        ("A", ["disagreement", "disagreement", "tie", "disagreement"], 1.0),
        ("I can't say.", ["unclear", "unclear", "tie", "unclear"], None),
        ("It is a tie", ["tie"] * 4, None),
    ],
)
async def test_a_judge_without_an_eye_for_texts_decides_nothing(
    folder: RunFolder,
    server: JudgeServer,
    opinion: str,
    outcomes: list[str],
    front: float | None,
) -> None:
    server.opinion = lambda *_: opinion
    recipe = recipe_of(server.url)
    await judge(recipe, folder, DOCUMENTS, silent)
    table = pq.read_table(folder.judgements)
    assert table["outcome"].to_pylist() == outcomes
    (tally,) = tallies(table, recipe)
    assert tally.preference.mean == 0
    assert (tally.front == front) or (front is None and tally.front != tally.front)


async def test_what_was_judged_is_not_asked_again_unless_a_text_changed(
    folder: RunFolder, server: JudgeServer
) -> None:
    recipe = recipe_of(server.url)
    await judge(recipe, folder, DOCUMENTS, silent)
    before = folder.judgements.read_bytes()
    server.asked.clear()
    await judge(recipe, folder, DOCUMENTS, silent)
    assert server.asked == []
    assert folder.judgements.read_bytes() == before
    texts = [*TEXTS["teacher"][:3], "New."]
    opinions = [Opinions(Verdict("x", True), {}, {}) for _ in texts]
    write_table(folder.evaluation("teacher"), evaluation.table(DOCUMENTS, texts, opinions, 5))
    await judge(recipe, folder, DOCUMENTS, silent)
    assert set(server.asked) == {("Water boils.", "New."), ("New.", "Water boils.")}


async def test_what_was_said_before_a_failure_is_not_asked_again(
    folder: RunFolder, server: JudgeServer
) -> None:
    recipe = recipe_of(server.url)
    server.failures = [400]
    with pytest.raises(FailedPrecondition, match="refuses: 400"):
        await judge(recipe, folder, DOCUMENTS, silent)
    said_before = list(server.asked)
    assert said_before
    server.asked.clear()
    await judge(recipe, folder, DOCUMENTS, silent)
    assert len(server.asked) < 6
    assert pq.read_table(folder.judgements)["outcome"].to_pylist() == ["win", "tie", "tie", "win"]


async def test_tables_of_other_documents_are_refused_by_name(
    folder: RunFolder, server: JudgeServer
) -> None:
    """One that an evaluation of other documents left in the same folder."""
    others = [SourceDocument(f"other-{one.id}", one.text, one.reference) for one in DOCUMENTS]
    opinions = [Opinions(Verdict("x", True), {}, {}) for _ in others]
    table = evaluation.table(others, TEXTS["teacher"], opinions, 5)
    write_table(folder.evaluation("student gen 1"), table)
    with pytest.raises(FailedPrecondition, match=r"'student gen 1' is of other documents .*--out"):
        await judge(recipe_of(server.url), folder, DOCUMENTS, silent)


async def test_a_busy_judge_is_asked_again(folder: RunFolder, server: JudgeServer) -> None:
    server.failures = [503, 429]
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    recipe = recipe_of(server.url)
    assert recipe.evaluation.judge
    client = JudgeClient(recipe.evaluation.judge, Patience(3, 1, sleep))
    await judge(recipe, folder, DOCUMENTS, silent, client)
    assert len(waits) == 2
    assert pq.read_table(folder.judgements)["outcome"].to_pylist()[0] == "win"


async def test_what_hinders_a_judge_is_told(folder: RunFolder, server: JudgeServer) -> None:
    server.models = ("one", "two")
    with pytest.raises(InvalidArgument, match=r"evaluation.judge.model: name one .*: one, two"):
        await judge(recipe_of(server.url), folder, DOCUMENTS, silent)
    server.failures = [400] * 20
    with pytest.raises(FailedPrecondition, match="refuses: 400 not now"):
        await judge(recipe_of(server.url, "one"), folder, DOCUMENTS, silent)
    server.failures = [401] * 20
    with pytest.raises(FailedPrecondition, match="STILLHOUSE_BACKEND_API_KEY"):
        await judge(recipe_of(server.url, "one"), folder, DOCUMENTS, silent)
    # The texts that are equal, of which nobody was asked.
    assert pq.read_table(folder.judgements)["outcome"].to_pylist() == ["tie"]
    away = recipe_of("http://127.0.0.1:1", "one")
    assert away.evaluation.judge

    async def at_once(_: float) -> None:
        """Do not wait."""

    client = JudgeClient(away.evaluation.judge, Patience(2, 8, at_once))
    with pytest.raises(Unavailable, match="does not answer"):
        await judge(away, folder, DOCUMENTS, silent, client)


async def test_without_a_judge_nothing_happens(folder: RunFolder) -> None:
    await judge(Recipe(generations=1), folder, DOCUMENTS, silent)
    assert not folder.judgements.exists()


async def test_a_real_model_is_asked_in_both_orders(folder: RunFolder) -> None:
    """SmolLM2-135M is no good judge; that it answers, and is counted, is what is tested."""
    with llama_cpp(smollm2()) as url:
        recipe = recipe_of(url)
        await judge(recipe, folder, DOCUMENTS, silent)
    table = pq.read_table(folder.judgements)
    (tally,) = tallies(table, recipe)
    assert tally.counts.total() == len(DOCUMENTS)
    assert table["outcome"].to_pylist()[2] == "tie"
    answers = {*table["first"].to_pylist(), *table["second"].to_pylist()}
    assert answers & {"system", "versus"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("A", "A"), (" B.", "B"), ("**A**", "A"), ("Tie", "TIE"), ("A is better than B", "A"),
     ("", ""), ("Both are fine", ""), ("ABBA", ""), ("a tie, I think", "TIE")],
)  # fmt: skip
def test_the_verdict_in_a_judges_words(text: str, expected: str) -> None:
    assert said(text) == expected
