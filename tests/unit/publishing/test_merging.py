from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.publishing import merging
from services.publishing.merging import (
    SPLITS,
    Merged,
    Sample,
    Split,
    merge,
    read_samples,
    text_digest,
    validation_places,
)
from stillhouse.corpus import SourceDocument
from stillhouse.errors import FailedPrecondition, InvalidArgument, NotFound
from stillhouse.recipe import Recipe
from tests.support.finished_run import make_run

SUMMARIES = [
    "Trees keep their keys in order at all times.",
    "A queue hands out whatever came first.",
    "Sockets carry bytes between two machines.",
    "Locks let one thread pass and stop the rest.",
    "Graphs are walked from any node that is given.",
    "Caches forget what nobody asks for any more.",
]
DOCUMENTS = {f"d{n}": f"The long document number {n} about: {s}" for n, s in enumerate(SUMMARIES)}
ACCEPTED = list(zip(DOCUMENTS, SUMMARIES, strict=True))


def samples_of(pairs: list[tuple[str, str]]) -> list[Sample]:
    return [
        Sample(0, 0, place, source, text_digest(text)) for place, (source, text) in enumerate(pairs)
    ]


def rows_of(merged: Merged, *splits: Split) -> list[dict[str, Any]]:
    return [
        row for split in splits or SPLITS for table in merged.tables(split)
        for row in table.to_pylist()
    ]  # fmt: skip


PAIRS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["T", " t ", "u", "V v", "v\nV", "w"])),
    max_size=12,
)


def naive_groups(samples: list[Sample]) -> set[frozenset[int]]:
    """Groups that share a source or a text are merged until none do."""
    groups = [{sample.row} for sample in samples]
    names = {one.row: {("source", one.source), ("text", one.text)} for one in samples}
    while pair := next(
        (
            (one, other)
            for one, other in combinations(groups, 2)
            if any(names[a] & names[b] for a in one for b in other)
        ),
        None,
    ):
        groups = [group for group in groups if group not in pair] + [pair[0] | pair[1]]
    return {frozenset(group) for group in groups}


@given(PAIRS, st.floats(0.01, 0.99), st.integers(0, 5))
def test_whole_groups_are_chosen_and_no_more_than_needed(
    pairs: list[tuple[str, str]], share: float, seed: int
) -> None:
    samples = samples_of(pairs)
    chosen = validation_places(samples, share, seed)
    inside = [group for group in naive_groups(samples) if group <= chosen]
    assert set().union(*inside) == chosen
    assert len(chosen) >= share * len(samples)
    largest = max(map(len, inside), default=0)
    assert len(chosen) - largest < share * len(samples) or not chosen


@given(PAIRS, st.integers(0, 5))
def test_the_split_does_not_depend_on_the_order_of_samples(
    pairs: list[tuple[str, str]], seed: int
) -> None:
    samples = samples_of(pairs)
    forwards = {samples[place] for place in validation_places(samples, 0.4, seed)}
    backwards = samples[::-1]
    assert forwards == {backwards[place] for place in validation_places(backwards, 0.4, seed)}


def test_another_seed_chooses_others() -> None:
    samples = samples_of([(str(n), f"text {n}") for n in range(40)])
    chosen = {validation_places(samples, 0.2, seed) for seed in range(5)}
    assert len(chosen) == 5
    assert {len(one) for one in chosen} == {8}


def test_what_a_run_held_out_is_for_validation() -> None:
    samples = samples_of([(str(n), f"text {n}") for n in range(10)])
    held_out = frozenset(map(text_digest, ("Text  3", "text 7")))
    for seed in range(5):
        assert {3, 7} <= validation_places(samples, 0.1, seed, held_out)


def test_a_run_as_it_is(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "one-1", DOCUMENTS, ACCEPTED)
    merged = merge(read_samples([folder]), validation=0.3, near_duplicate=0.6, seed=0)
    assert (merged.count("train"), merged.count("validation")) == (4, 2)
    rows = rows_of(merged)
    assert len(rows_of(merged, "train")) == 4
    assert {(row["source_id"], row["summary"]) for row in rows} == set(ACCEPTED)
    for row in rows:
        assert row["document"] == DOCUMENTS[row["source_id"]]
        assert (row["run"], row["domain"], row["task"]) == ("one-1", "one", "summarize")
        assert row["scores"] == {"faithfulness.pmi": 1.25, "brevity.ratio": 0.5}


def test_near_duplicates_across_runs_are_kept_once_that_of_the_first(tmp_path: Path) -> None:
    first = make_run(tmp_path / "one-1", DOCUMENTS, ACCEPTED)
    again = [("d0", SUMMARIES[0].upper()), ("x", "Nothing else says what this does.")]
    texts = {"d0": DOCUMENTS["d0"], "x": "Another document, about other things."}
    scores = {"length.ratio": 0.25}
    second = make_run(tmp_path / "two-1", texts, again, scores=scores)
    merged = merge(read_samples([first, second]), validation=0.3, near_duplicate=0.6, seed=0)
    assert merged.kept == {"one-1": 6, "two-1": 1}
    rows = rows_of(merged)
    (other,) = [row for row in rows if row["run"] == "two-1"]
    assert other["scores"] == {
        "brevity.ratio": None, "faithfulness.pmi": None, "length.ratio": 0.25,
    }  # fmt: skip
    backwards = merge(read_samples([second, first]), validation=0.3, near_duplicate=0.6, seed=0)
    assert backwards.kept == {"two-1": 2, "one-1": 5}


def test_tasks_are_compared_among_themselves(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one-1", DOCUMENTS, ACCEPTED)
    recipe = Recipe.parse("{name: other, task: paraphrase, generations: 1}")
    other = make_run(tmp_path / "other-1", DOCUMENTS, ACCEPTED, recipe=recipe)
    merged = merge(read_samples([one, other]), validation=0.3, near_duplicate=0.6, seed=0)
    assert merged.kept == {"one-1": 6, "other-1": 6}


def test_splits_share_no_document_even_under_other_ids(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one-1", DOCUMENTS, ACCEPTED)
    renamed = {f"r{n}": text.upper() for n, text in enumerate(DOCUMENTS.values())}
    texts = [
        (name, f"{name} says {number * 7} things at once") for number, name in enumerate(renamed)
    ]
    two = make_run(tmp_path / "two-1", renamed, texts)
    for seed in range(5):
        merged = merge(read_samples([one, two]), validation=0.3, near_duplicate=0.6, seed=seed)
        train, validation = (
            {text_digest(row["document"]) for row in rows_of(merged, split)} for split in SPLITS
        )
        assert train.isdisjoint(validation)


def test_what_one_run_held_out_no_other_brings_into_training(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one-1", DOCUMENTS, ACCEPTED)
    held_out = [SourceDocument("h", DOCUMENTS["d4"], "a reference")]
    two = make_run(tmp_path / "two-1", {"x": "Else."}, [("x", "Short it is.")], held_out=held_out)
    for seed in range(5):
        merged = merge(read_samples([one, two]), validation=0.2, near_duplicate=0.6, seed=seed)
        assert "d4" in {row["source_id"] for row in rows_of(merged, "validation")}


def test_generations_follow_each_other(tmp_path: Path) -> None:
    recipe = Recipe(name="one", generations=2)
    folder = make_run(tmp_path / "one-1", DOCUMENTS, ACCEPTED, recipe=recipe)
    (run,) = read_samples([folder])
    assert (run.accepted, run.writers) == (6, [(1, f"{1:064x}"), (2, f"{2:064x}")])
    merged = merge([run], validation=0.3, near_duplicate=0.6, seed=0)
    assert [row["generation"] for row in rows_of(merged, "train")] == sorted(
        row["generation"] for row in rows_of(merged, "train")
    )
    folder.dataset(2).unlink()  # still collecting
    (run,) = read_samples([folder])
    assert (run.accepted, len(run.writers)) == (3, 1)


def test_a_drawn_part_is_of_the_size_that_is_asked_for(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "one-1", DOCUMENTS, ACCEPTED)
    merged = merge(read_samples([folder]), validation=0.3, near_duplicate=0.6, seed=0)
    everything = {(DOCUMENTS[source], summary) for source, summary in ACCEPTED}
    assert set(merged.pairs(100, 0)) == everything
    drawn = {frozenset(merged.pairs(3, seed)) for seed in range(6)}
    assert len(drawn) > 1
    assert all(len(one) == 3 and one < everything for one in drawn)


def test_files_of_many_parts_are_read_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run(tmp_path / "one-1", DOCUMENTS, ACCEPTED)
    whole = rows_of(merge(read_samples([folder]), validation=0.3, near_duplicate=0.6, seed=0))
    monkeypatch.setattr(merging, "_ROWS", 2)
    parts = rows_of(merge(read_samples([folder]), validation=0.3, near_duplicate=0.6, seed=0))
    assert parts == whole


def test_what_cannot_be_merged_is_named(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "one-1", DOCUMENTS, ACCEPTED[:1])
    with pytest.raises(InvalidArgument, match="one-1 is given twice"):
        read_samples([folder, folder])
    with pytest.raises(InvalidArgument, match="leaves a split empty; the samples are of 1 sources"):
        merge(read_samples([folder]), validation=0.5, near_duplicate=0.6, seed=0)
    folder.dataset(1).unlink()
    with pytest.raises(FailedPrecondition, match="has accepted no sample"):
        read_samples([folder])
    folder.recipe.unlink()
    with pytest.raises(NotFound, match="no run at"):
        read_samples([folder])
