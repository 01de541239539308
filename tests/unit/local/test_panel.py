from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from stillhouse.filter.types import LayerStats
from stillhouse.local.panel import Speedometer, display, eta_seconds, line, render
from stillhouse.trainer.types import Diversity, GenerationProgress, Run, RunState, Stage

LAYERS = (LayerStats("brevity", 100, 40), LayerStats("surface", 40, 10), LayerStats("x", 0, 0))
PROGRESS = GenerationProgress(2, judged=100, accepted=10, target=20, budget=400, layers=LAYERS)
RUN = Run(
    "demo-1",
    RunState.RUNNING,
    Stage.COLLECTING,
    generation=2,
    generations=3,
    progress=(GenerationProgress(1, 50, 50, 50, 50), PROGRESS),
    prompts_pending=4,
    candidates_pending=5,
    seconds=125,
)


def drawn(run: Run, rate: float = 2.0) -> str:
    console = Console(file=io.StringIO(), width=140)
    console.print(render(run, rate))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_panel_tells_counts_rates_queues_and_time() -> None:
    text = drawn(RUN)
    assert "demo-1   generation 2 of 3   collecting   2:05" in text
    assert "accepted 10 of 20   rejected 90   2.0 candidates/s" in text
    assert "queues: 4 prompt batches, 5 candidate batches   ETA 0:50" in text


def test_the_panel_shows_each_layer_with_its_pass_rate() -> None:
    rows = [row.split() for row in drawn(RUN).splitlines()]
    assert ["brevity", "100", "40", "40.0", "%"] in rows
    assert ["surface", "40", "10", "25.0", "%"] in rows
    assert ["x", "0", "0", "-"] in rows


def test_generations_are_shown_beside_each_other() -> None:
    text = drawn(RUN)
    assert "pass rate by generation: 100.0 % → 10.0 %\n" in text
    assert "diversity" not in text
    assert "pass rate" not in drawn(replace(RUN, progress=RUN.progress[:1], generation=3))
    diverse = replace(PROGRESS, diversity=Diversity(40, 0.5, 0.25, 0.75, 0.125))
    text = drawn(replace(RUN, progress=(diverse,)))
    assert "diversity (of generation 1): distinct-2 0.500 (0.750), MSTTR 0.250 (0.125)" in text


def test_an_early_end_is_told_with_its_reason() -> None:
    stopping = replace(RUN, stop_reason="no fresh documents")
    assert "the run ends early: no fresh documents\n" in drawn(stopping)
    assert line(stopping, 1.0).endswith("; the last one: no fresh documents")


def test_training_shows_steps_losses_and_its_own_speed() -> None:
    training = replace(RUN, stage=Stage.TRAINING, stage_done=3, stage_total=8, loss=1.25)
    text = drawn(training)
    assert "training 3 of 8, loss 1.250\n" in text
    assert line(training, 0.0).endswith("10 accepted of 100 judged, 3 of 8, loss 1.250")
    going = replace(training, held_out_loss=1.5, tokens_per_second=109.6, eta_seconds=75)
    said = "3 of 8, loss 1.250, held-out loss 1.500, 110 tokens/s, ETA 1:15"
    assert f"training {said}\n" in drawn(going)
    assert line(going, 0.0).endswith(said)
    assert "candidates/s" not in text
    evaluating = drawn(replace(training, stage=Stage.EVALUATING))
    assert "evaluating 3 of 8\n" in evaluating


@pytest.mark.parametrize("stage", list(Stage))
def test_a_run_that_has_no_progress_yet_is_drawn(stage: Stage) -> None:
    run = replace(RUN, progress=(), stage=stage)
    assert "demo-1" in drawn(run)
    assert stage.value in line(run, 0.0)


def test_markup_in_names_is_drawn_as_it_is() -> None:
    assert "[red]run" in drawn(replace(RUN, id="[red]run"))


def test_the_line_says_the_same() -> None:
    expected = "2:05 generation 2/3 collecting, 10 accepted of 100 judged, 2.0 candidates/s"
    assert line(RUN, 2.0) == expected
    evaluating = replace(RUN, stage=Stage.EVALUATING, stage_done=3, stage_total=8)
    assert line(evaluating, 0.0).endswith("evaluating, 10 accepted of 100 judged, 3 of 8")


@pytest.mark.parametrize(
    ("judged", "accepted", "rate", "seconds"),
    [
        (100, 10, 2.0, 50.0),  # 10 more at one in ten
        (100, 1, 2.0, 150.0),  # the budget ends first
        (100, 0, 2.0, 150.0),
        (100, 25, 2.0, 0.0),  # more than wanted
        (400, 0, 2.0, 0.0),
        (100, 10, 0.0, None),
    ],
)
def test_the_estimate_is_target_or_budget_whichever_is_first(
    judged: int, accepted: int, rate: float, seconds: float | None
) -> None:
    progress = replace(PROGRESS, judged=judged, accepted=accepted)
    assert eta_seconds(replace(RUN, progress=(progress,)), rate) == seconds


def test_nothing_is_estimated_outside_of_collecting() -> None:
    assert eta_seconds(replace(RUN, stage=Stage.TRAINING), 2.0) is None
    assert eta_seconds(replace(RUN, progress=()), 2.0) is None


def test_the_speed_is_that_of_the_last_minute() -> None:
    speed = Speedometer()
    assert speed.update(0.0, 0) == 0.0
    assert speed.update(10.0, 20) == 2.0
    assert speed.update(10.0, 20) == 2.0
    assert speed.update(70.0, 20) == 0.0
    assert speed.update(80.0, 70) == 5.0


def test_a_new_generation_starts_the_speed_anew() -> None:
    speed = Speedometer()
    speed.update(0.0, 100)
    speed.update(10.0, 200)
    assert speed.update(11.0, 0) == 0.0
    assert speed.update(12.0, 3) == 3.0


def test_without_a_terminal_a_line_is_printed_at_each_change_of_stage() -> None:
    output = io.StringIO()
    with display(Console(file=output)) as panel:
        panel.show(RUN)
        panel.show(replace(RUN, seconds=126))
        panel.show(replace(RUN, stage=Stage.TRAINING))
        panel.show(replace(RUN, generation=3))
    stages = [text.split(" judged")[0].split()[1:4] for text in output.getvalue().splitlines()]
    assert stages == [
        ["generation", "2/3", "collecting,"],
        ["generation", "2/3", "training,"],
        ["generation", "3/3", "collecting,"],
    ]


def test_on_a_terminal_the_panel_is_redrawn() -> None:
    output = io.StringIO()
    with display(Console(file=output, force_terminal=True, width=100)) as panel:
        panel.show(RUN)
    assert "accepted 10 of 20" in output.getvalue()
