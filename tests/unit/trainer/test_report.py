from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from services.trainer import tables
from services.trainer.cascades import cascade_of, faithfulness_first
from services.trainer.comparison import Row
from services.trainer.evaluation import METRICS
from services.trainer.files import read_table
from services.trainer.funnel import funnel
from services.trainer.report import Report, spread
from services.trainer.reporting import samples
from services.trainer.statistics import Interval
from stillhouse.filter.types import LayerStats, Verdict
from stillhouse.recipe import Recipe
from stillhouse.trainer.types import Diversity, GenerationProgress, JudgedCandidate
from tests.support.finished_run import make_run

NONE = Interval(float("nan"), float("nan"), float("nan"), 0)
KNOWN = Interval(0.5, 0.25, 0.75, 9)
UNDECIDED = Interval(-0.1, -0.25, 0.125, 9)
INTERVALS = {one.name: KNOWN for one in METRICS} | {"rouge_1": NONE, "independent_pmi": NONE}
ACCEPTED = JudgedCandidate("a", 1, "doc", 0, "short", True, scores={"z": 1.0, "b": -0.125})
REJECTED = JudgedCandidate("b", 2, "doc", 1, " ", False, "brevity", "brevity.too_short")
REPORT = Report(
    run_id="demo-1",
    recipe=Recipe(seed=7),
    teacher_digest="0123456789abcdef" * 4,
    seconds=90,
    documents=40,
    held_out=9,
    generations=[
        GenerationProgress(1, 8, 1, 4, 8, (LayerStats("brevity", 8, 2), LayerStats("x", 0, 0)), 3.4)
    ],
    systems=[
        Row("teacher", INTERVALS),
        Row("student gen 1", INTERVALS, versus="teacher"),
        Row("student gen 2", {**INTERVALS, "rouge_l": UNDECIDED}, versus="teacher"),
    ],
    words=12,
    judged="",
    quality="| distinct-1 | 0.5 |",
    plots="![A plot](plots/a.png)",
    accepted=[ACCEPTED],
    rejected=[REJECTED],
    texts={"doc": "A\nlong text. " * 100},
)


def test_the_report_says_what_ran_and_where() -> None:
    lines = REPORT.markdown().splitlines()
    assert lines[0] == "# Run demo-1"
    head = " ".join(lines[:7])
    assert "seed 7" in head
    assert "after 1.5 minutes of work" in head
    assert "digest `0123456789abcdef`" in head
    assert "40 for training, 9 held out" in head
    assert "Python 3." in head


def test_the_report_shows_the_funnel() -> None:
    text = REPORT.markdown()
    assert "8 candidates judged, 1 accepted (target 4, budget 8) in 3 s." in text
    assert "| brevity | 8 | 2 | 25.0 % |\n| x | 0 | 0 | - |\n| **all** | 8 | 1 | 12.5 % |" in text


def test_the_report_says_why_a_run_ended_early() -> None:
    assert "Ended early" not in REPORT.markdown()
    assert (
        "- Ended early: no fresh documents.\n"
        in replace(REPORT, stop_reason="no fresh documents").markdown()
    )


def test_the_report_shows_expert_rounds_and_diversity() -> None:
    assert "Diversity" not in REPORT.markdown()
    found = Diversity(40, 0.5, 0.25, 0.75, 0.125)
    second = GenerationProgress(2, 8, 1, 4, 8, diversity=found, expert=True)
    text = replace(REPORT, generations=[second]).markdown()
    assert "trained the teacher itself" in text
    assert "Diversity of 40 accepted samples" in text
    assert "distinct-2 0.500 (0.750), MSTTR 0.250 (0.125)." in text


def test_the_report_shows_means_with_intervals_and_only_what_is_known() -> None:
    text = REPORT.markdown()
    assert "| system | ROUGE-2 | ROUGE-L | ROUGE-L, cut |" in text
    assert "| teacher | 0.500 [0.250, 0.750] | 0.500 [0.250, 0.750] |" in text
    assert "first 12 words" in text
    assert "PMI, other critic" not in text
    assert "`evaluation.critic` names another" in text


def test_a_dash_stands_where_one_system_of_several_has_no_value() -> None:
    rows = [Row("teacher", INTERVALS), Row("copy", {**INTERVALS, "rouge_2": NONE})]
    assert "| copy | - | 0.500 [" in replace(REPORT, systems=rows).markdown()


def test_a_difference_is_signed_and_bold_where_it_is_decided() -> None:
    text = REPORT.markdown()
    assert "| student gen 1 − teacher | **+0.500 [+0.250, +0.750]** |" in text
    assert (
        "| student gen 2 − teacher | **+0.500 [+0.250, +0.750]** | -0.100 [-0.250, +0.125] |"
        in text
    )
    assert "### Differences" not in replace(REPORT, systems=REPORT.systems[:1]).markdown()


def test_the_report_names_the_critic_that_filtered_nothing() -> None:
    recipe = Recipe.parse("evaluation: {critic: other/model}")
    assert "`other/model`, which filtered nothing" in replace(REPORT, recipe=recipe).markdown()


def test_the_report_says_which_models_stand_behind_the_names() -> None:
    recipe = Recipe.parse("evaluation: {models: [{name: big, model: 'openai:http://x#large'}]}")
    assert "\n- big: `openai:http://x#large`\n" in replace(REPORT, recipe=recipe).markdown()


def test_the_report_shows_the_quality_of_the_samples() -> None:
    assert "## Quality of the accepted samples" in REPORT.markdown()
    assert "\n| distinct-1 | 0.5 |\n" in REPORT.markdown()
    assert "## Quality" not in replace(REPORT, quality="").markdown()


def test_the_report_shows_its_plots() -> None:
    assert "\n![A plot](plots/a.png)\n" in REPORT.markdown()
    assert "## Plots" not in replace(REPORT, plots="").markdown()


def test_the_report_shows_samples_in_one_line_each_with_scores_and_reasons() -> None:
    text = REPORT.markdown()
    assert "- `doc`, generation 1:\n" in text
    assert "- `doc`, generation 2: **brevity.too_short**" in text
    assert "summary: (empty)" in text
    assert "b -0.12, z 1.00" in text
    (document, _) = [line for line in text.splitlines() if line.startswith("  - document: ")]
    assert document.endswith("…")
    assert len(document) < 420


def test_a_report_without_samples_says_so() -> None:
    text = replace(REPORT, accepted=[], rejected=[]).markdown()
    assert text.count("\nNone.\n") == 2


def test_samples_are_spread_over_all() -> None:
    rows = [replace(ACCEPTED, sample_index=number) for number in range(100)]
    assert [row.sample_index for row in spread(rows)] == list(range(0, 100, 10))
    assert [row.sample_index for row in spread(rows[:11], 4)] == [0, 2, 5, 8]
    assert spread(rows[:3]) == rows[:3]
    assert spread([]) == []


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_samples_come_from_all_generations_and_row_groups(tmp_path: Path, rows: int) -> None:
    documents = {f"d{n}": f"Text {n}." for n in range(50)}
    recipe = Recipe(generations=2)
    folder = make_run(tmp_path / "r-1", documents, [(one, one) for one in documents], recipe=recipe)
    everything = []
    for generation in (1, 2):
        path = folder.verdicts(generation)
        table = read_table(path)
        pq.write_table(table, path, row_group_size=rows)
        everything += tables.judged_candidates(table)
    for accepted in (True, False):
        wanted = spread([one for one in everything if one.accepted == accepted])
        assert samples(folder, recipe, accepted=accepted) == wanted


# funnel


def test_the_funnel_counts_what_each_layer_saw_and_passed() -> None:
    verdicts = [
        Verdict("1", True),
        Verdict("2", False, "brevity", "r"),
        Verdict("3", False, "novelty", "r"),
        Verdict("4", False, "brevity", "r"),
    ]
    stats = funnel(iter(verdicts), ["brevity", "surface", "novelty"])
    assert [(one.name, one.seen, one.passed) for one in stats] == [
        ("brevity", 4, 2),
        ("surface", 2, 2),
        ("novelty", 2, 1),
    ]


def test_the_funnel_of_nothing_is_empty() -> None:
    assert [(one.seen, one.passed) for one in funnel([], ["brevity"])] == [(0, 0)]


# cascades


def test_the_cascade_is_the_recipes() -> None:
    recipe = Recipe.parse(
        "filter: {score_all: true, layers: [{name: b}, {name: a, thresholds: {x: 1}}]}"
    )
    cascade = cascade_of(recipe)
    assert [(one.name, dict(one.thresholds)) for one in cascade.layers] == [
        ("b", {}),
        ("a", {"x": 1.0}),
    ]
    assert cascade.score_all


def test_faithfulness_comes_first_and_the_others_keep_their_order() -> None:
    cascade = cascade_of(Recipe())
    first = faithfulness_first(cascade)
    names = [layer.name for layer in cascade.layers]
    assert [layer.name for layer in first.layers] == [
        "faithfulness",
        *(name for name in names if name != "faithfulness"),
    ]
    assert not first.score_all


def test_a_cascade_without_faithfulness_is_left_in_order() -> None:
    cascade = cascade_of(Recipe.parse("filter: {layers: [{name: b}, {name: a}]}"))
    assert faithfulness_first(cascade).layers == cascade.layers
