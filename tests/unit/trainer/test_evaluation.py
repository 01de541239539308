from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from services.trainer import comparison, evaluation, obtained, plots
from services.trainer.evaluation import METRICS, Opinions
from services.trainer.files import RunFolder, read_table, write_table
from services.trainer.reporting import compare, quality, write_comparison
from services.trainer.statistics import paired_bootstrap
from stillhouse.corpus import SourceDocument
from stillhouse.errors import FailedPrecondition
from stillhouse.filter.types import LayerStats, Verdict
from stillhouse.recipe import Recipe
from stillhouse.trainer.types import GenerationProgress
from tests.support.finished_run import make_run

DOCUMENTS = [
    SourceDocument("a", "the cat sat on the mat and then slept all day", "the cat sat down"),
    SourceDocument("b", "dogs bark at night", ""),
]
KNOWN = Opinions(
    Verdict("a", False, "brevity", "brevity.too_long", {"faithfulness.pmi": 1.5}),
    {
        "abstractiveness.coverage": 0.75,
        "abstractiveness.density": 2.5,
        "abstractiveness.novel_2": 0.5,
    },
    {"faithfulness.pmi": 0.25, "saliency.pmi": 0.125},
)
UNKNOWN = Opinions(Verdict("b", True), {}, {})
RECIPE = Recipe.parse(
    "generations: 2\nevaluation: {resamples: 20, models: [{name: big, model: x/y}]}"
)


def table(texts: list[str], words: int = 2) -> pa.Table:
    return evaluation.table(DOCUMENTS, texts, [KNOWN, UNKNOWN], words)


def test_everything_that_is_measured_of_a_text() -> None:
    found = table(["the dog sat down there", "bark"])
    first, second = found.to_pylist()
    # Reference: the cat sat down. Text: the dog sat down there; 3 words of 5 and 4 in common.
    assert first["rouge_1"] == pytest.approx(2 * (3 / 5) * (3 / 4) / (3 / 5 + 3 / 4))
    assert first["rouge_2"] == pytest.approx(2 * (1 / 4) * (1 / 3) / (1 / 4 + 1 / 3))
    assert first["rouge_l"] == first["rouge_1"]
    # Cut to two words: the dog; one of 2 and 4 in common.
    assert first["rouge_l_cut"] == pytest.approx(2 * (1 / 2) * (1 / 4) / (1 / 2 + 1 / 4))
    # The document's first five words, the cat sat on the: three of 5 and 4 in common.
    assert first["over_lead"] == pytest.approx(0)
    assert (first["words"], first["length_ratio"]) == (5, 5 / 11)
    assert (first["coverage"], first["density"], first["novel_2"]) == (0.75, 2.5, 0.5)
    assert (first["passed"], first["reason"]) == (False, "brevity.too_long")
    assert (first["pmi"], first["independent_pmi"], first["independent_saliency"]) == (
        1.5, 0.25, 0.125,
    )  # fmt: skip
    missing = ["rouge_1", "rouge_l_cut", "over_lead", "pmi", "independent_pmi", "coverage"]
    assert all(math.isnan(second[name]) for name in missing)
    assert (second["passed"], second["words"]) == (True, 1)


def test_a_longer_text_does_not_win_by_its_length_when_cut() -> None:
    (short, _), (long, _) = (
        table([text, ""], words=4)["rouge_l_cut"].to_pylist()
        for text in ("the cat sat down", "the cat sat down and much more is said")
    )
    assert short == long == 1.0


def test_words_are_the_median_reference_or_the_recipes() -> None:
    documents = [SourceDocument(str(n), "x", "word " * n) for n in (0, 3, 5, 9)]
    assert evaluation.word_budget(documents, Recipe()) == 5
    assert evaluation.word_budget(documents, Recipe.parse("evaluation: {words: 7}")) == 7
    assert evaluation.word_budget(documents[:1], Recipe()) == 0


def test_the_independent_critic_is_asked_for_the_task_and_rejects_nothing() -> None:
    cascade = evaluation.independent_cascade(Recipe(task="paraphrase"))
    assert cascade.score_all
    assert [(one.name, dict(one.options)) for one in cascade.layers] == [
        ("faithfulness", {"task": "paraphrase"}),
        ("saliency", {"task": "paraphrase"}),
    ]


@pytest.mark.parametrize(
    ("systems", "expected"),
    [
        (["teacher", "copy"], []),
        (
            ["teacher", "student gen 1", "student gen 2", "copy"],
            ["1 - teacher", "2 - teacher", "2 - 1"],
        ),
        (["student gen 1", "big"], ["1 - big"]),
        (["teacher", "big"], ["teacher - big"]),
        (["copy", "big"], []),
    ],
)
def test_which_systems_are_compared(systems: list[str], expected: list[str]) -> None:
    found = [
        f"{one} - {other}".replace("student gen ", "")
        for one, other in comparison.pairs(systems, RECIPE)
    ]
    assert found == expected


def test_differences_are_of_the_same_documents() -> None:
    generator = np.random.default_rng(1)
    names = ["source_id", *(metric.name for metric in METRICS)]

    def scored() -> pa.Table:
        columns: dict[str, Any] = {name: generator.normal(size=30) for name in names[1:]}
        columns["passed"] = generator.integers(0, 2, 30).astype(bool)
        return pa.table({"source_id": [str(n) for n in range(30)], **columns})

    tables = {"teacher": scored(), "student gen 1": scored()}
    rows = comparison.compare(tables, RECIPE)
    assert [(row.system, row.versus) for row in rows] == [
        ("teacher", ""), ("student gen 1", ""), ("student gen 1", "teacher"),
    ]  # fmt: skip
    for metric in METRICS:
        mine, other = (
            np.array(tables[name][metric.name].to_pylist(), dtype=float)
            for name in ("student gen 1", "teacher")
        )
        expected = paired_bootstrap(mine, other, resamples=20, seed=0)
        assert rows[2].intervals[metric.name] == expected
        assert expected.mean == pytest.approx(mine.mean() - other.mean())
    lines = comparison.to_table(rows)
    assert len(lines) == 3 * len(METRICS)
    assert lines.schema == comparison.SCHEMA


def test_tables_of_other_documents_are_not_compared(folder: RunFolder) -> None:
    found = {name: read_table(folder.evaluation(name)) for name in ("teacher", "big")}
    names = pa.array([f"x{n}" for n in range(len(found["big"]))])
    found["big"] = found["big"].set_column(0, "source_id", names)
    with pytest.raises(FailedPrecondition, match=r"table of 'big' is of other .*big\.parquet"):
        comparison.compare(found, RECIPE)


# plots and the page


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    found = RunFolder(tmp_path)
    for name in ("teacher", "student gen 1", "big", "lead words", "copy"):
        write_table(found.evaluation(name), table(["the cat sat", "dogs bark"]))
    return found


PROGRESS = GenerationProgress(
    1, 8, 1, 4, 8, (LayerStats("brevity", 8, 2), LayerStats("x", 0, 0)), 3.4
)


def size(path: Path) -> tuple[int, int]:
    """Width and height in the header of a PNG."""
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])


def test_plots_are_written_beside_the_report(folder: RunFolder) -> None:
    control = [
        {"system": "student gen 1", "kind": kind, "asked": bucket, "asked_low": float(bucket),
         "asked_high": [1.0, math.inf][bucket], "obtained": 0.5 + bucket}
        for kind in ("length", "extractiveness") for bucket in (0, 1)
    ]  # fmt: skip
    write_table(folder.control, pa.Table.from_pylist(control))
    generations = [PROGRESS, replace(PROGRESS, generation=2)]
    shown = plots.write(folder, RECIPE, generations, compare(folder, RECIPE))
    for name in ("funnel", "metrics", "lengths", "control"):
        assert f"](plots/{name}.png)" in shown
        width, height = size(folder.plot(name))
        assert 500 < width < 2000
        assert 100 < height < 2000


def test_what_was_asked_and_obtained_is_told(folder: RunFolder) -> None:
    rows = [
        {"system": "student gen 1", "kind": "length", "source_id": name, "asked": bucket,
         "asked_low": float(bucket), "asked_high": bucket + 1.0, "obtained": bucket + 0.5,
         "obtained_bucket": bucket}
        for name in "ab" for bucket in (0, 1)
    ]  # fmt: skip
    write_table(folder.control, pa.Table.from_pylist(rows, schema=obtained.SCHEMA))
    write_comparison(folder, RECIPE, DOCUMENTS, "a recipe")
    told = "| student gen 1 | length | 2 | 1.00 [1.00, 1.00] | 1.00 [1.00, 1.00] | 0.50 |"
    assert told in folder.report.read_text()


def test_there_is_no_plot_of_what_is_not_there(folder: RunFolder) -> None:
    shown = plots.write(folder, RECIPE, [], compare(folder, RECIPE))
    assert "funnel" not in shown
    assert "control" not in shown
    assert not folder.plot("funnel").exists()


def test_without_matplotlib_a_report_says_so(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    write_comparison(folder, RECIPE, DOCUMENTS, "a recipe")
    assert "matplotlib is not installed" in folder.report.read_text()
    assert not folder.plot("metrics").exists()


def test_a_comparison_alone(folder: RunFolder) -> None:
    write_comparison(folder, RECIPE, DOCUMENTS, "a recipe")
    page = folder.report.read_text()
    assert page.startswith("# Evaluation of a recipe\n")
    assert "| student gen 1 − big |" in page
    assert "first 4 words" in page
    assert "](plots/metrics.png)" in page
    assert folder.comparison.is_file()


def test_the_samples_of_each_generation_are_measured_at_one_size(tmp_path: Path) -> None:
    recipe = Recipe(generations=2)
    documents = {f"d{n}": f"A long text number {n} about this and that." for n in range(9)}
    samples = [(name, f"Text {number} is short.") for number, name in enumerate(documents)]
    run = make_run(tmp_path / "run-1", documents, samples, recipe=recipe)
    found = quality(run, recipe)
    assert [(one.name, one.size, one.sampled) for one in found] == [
        ("generation 1", 5, 4), ("generation 2", 4, 4),
    ]  # fmt: skip
    shown = plots.write(run, recipe, [], [], found)
    assert "](plots/quality.png)" in shown
    assert size(run.plot("quality"))[0] > 500
    run.dataset(2).unlink()
    assert [one.sampled for one in quality(run, recipe)] == [5]


def test_of_less_than_two_samples_nothing_is_said(tmp_path: Path) -> None:
    recipe = Recipe(generations=1)
    run = make_run(tmp_path / "run-1", {"d": "A text."}, [("d", "Short.")], recipe=recipe)
    assert quality(run, recipe) == []
