from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from services.trainer import tables
from services.trainer.files import read_table, table_writer, write_table
from stillhouse.corpus import SourceDocument
from stillhouse.filter.types import Candidate, LayerStats, Verdict
from stillhouse.generator.types import Decoding

ORIGIN = tables.Origin("run", 2, 7, "ab" * 32, Decoding(4, 48, 0.5, 0.75, 2**64 - 1))
CANDIDATES = [
    Candidate("a", "doc", 0, "one", 3, -1.5, True),
    Candidate("b", "doc", 1, "", 0, 0.0, False),
    Candidate("c", "other", 0, "drei – 3", 5, -2.5, True),
]
VERDICTS = [
    Verdict("a", True, scores={"brevity.ratio": 0.5, "x": -1.0}),
    Verdict("b", False, "brevity", "brevity.too_short"),
    Verdict("c", True, scores={"x": 2.0}),
]


def test_documents_survive_the_file_in_their_order(tmp_path: Path) -> None:
    training = [SourceDocument(str(n), f"text {n}", "") for n in (3, 1, 2)]
    held_out = [SourceDocument("9", "nine", "ref")]
    write_table(tmp_path / "d", tables.documents_table(training, held_out))
    assert tables.documents_from(read_table(tmp_path / "d")) == (training, held_out)


def test_verdicts_survive_the_file(tmp_path: Path) -> None:
    table = tables.verdicts_table(ORIGIN, CANDIDATES, VERDICTS)
    write_table(tmp_path / "v", table)
    assert tables.judged_from(read_table(tmp_path / "v")) == (CANDIDATES, VERDICTS)
    row = table.to_pylist()[0]
    assert (row["run"], row["generation"], row["batch"]) == ("run", 2, 7)
    assert (row["temperature"], row["top_p"], row["seed"]) == (0.5, 0.75, 2**64 - 1)
    assert row["model_digest"] == "ab" * 32


def test_a_batch_without_candidates_is_a_table_of_no_rows() -> None:
    table = tables.verdicts_table(ORIGIN, [], [])
    assert (table.num_rows, table.schema) == (0, tables.VERDICTS)
    assert tables.dataset_table(table, {}).num_rows == 0
    assert tables.judged_candidates(table) == []


def test_final_verdicts_take_the_place_of_the_filters() -> None:
    table = tables.verdicts_table(ORIGIN, CANDIDATES, VERDICTS)
    last = Verdict("c", False, "near_duplicate", "near_duplicate.in_buffer", {"s": 1.0})
    final = tables.with_final_verdicts(table, [*VERDICTS[:2], last])
    assert tables.judged_from(final) == (CANDIDATES, [*VERDICTS[:2], last])


def test_batches_are_counted_over_row_groups(tmp_path: Path) -> None:
    with table_writer(tmp_path / "v", tables.VERDICTS) as writer:
        for batch in (0, 1, 2):
            origin = replace(ORIGIN, batch=batch)
            candidates = CANDIDATES if batch else []
            verdicts = VERDICTS if batch else []
            writer.write_table(tables.verdicts_table(origin, candidates, verdicts))
    assert tables.batches_in(tmp_path / "v") == 3
    write_table(tmp_path / "empty", tables.verdicts_table(ORIGIN, [], []))
    assert tables.batches_in(tmp_path / "empty") == 0


def test_the_dataset_holds_the_accepted_with_their_documents() -> None:
    table = tables.verdicts_table(ORIGIN, CANDIDATES, VERDICTS)
    dataset = tables.dataset_table(table, {"doc": "A text.", "other": "Another."})
    rows = dataset.to_pylist()
    pairs = [(row["document"], row["summary"]) for row in rows]
    assert pairs == [("A text.", "one"), ("Another.", "drei – 3")]
    assert dict(rows[0]["scores"]) == {"brevity.ratio": 0.5, "x": -1.0}
    assert dataset.schema == tables.DATASET


def test_clients_see_candidates_with_verdict_and_generation() -> None:
    origin = replace(ORIGIN, generation=3)
    one, two, _ = tables.judged_candidates(tables.verdicts_table(origin, CANDIDATES, VERDICTS))
    assert (one.id, one.generation, one.accepted, one.text) == ("a", 3, True, "one")
    assert (two.layer, two.reason, two.scores) == ("brevity", "brevity.too_short", {})


def test_a_row_tells_each_layers_verdict_up_to_the_rejection() -> None:
    layers = tuple(LayerStats(name, 3, 2, 0.3) for name in ("brevity", "surface"))
    table = tables.verdicts_table(ORIGIN, CANDIDATES, VERDICTS, tables.Costs(0.6, layers))
    both = [("brevity", True), ("surface", True)]
    assert table["layers"].to_pylist() == [both, [("brevity", False)], both]
    last = Verdict("c", False, "near_duplicate", "near_duplicate.in_buffer")
    final = tables.with_final_verdicts(table, [*VERDICTS[:2], last])["layers"].to_pylist()
    assert [row[-1] for row in final] == [
        ("near_duplicate", True),
        ("brevity", False),
        ("near_duplicate", False),
    ]


def test_with_score_all_the_rejected_bear_their_part_of_later_layers() -> None:
    layers = (LayerStats("brevity", 2, 1, 0.2, 2), LayerStats("surface", 1, 1, 0.6, 2))
    costs = tables.Costs(0.0, layers)
    rejected = costs.share(VERDICTS[1], 2)
    assert rejected == {"generate": 0.0, "brevity": 0.1, "surface": 0.3}
