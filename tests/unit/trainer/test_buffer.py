from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trainer import tables
from services.trainer.buffer import Position, TrainingBuffer
from services.trainer.files import RunFolder, read_table, write_table
from services.trainer.near_duplicates import NearDuplicates
from stillhouse.errors import FailedPrecondition
from stillhouse.filter.types import Candidate, LayerStats, Verdict
from stillhouse.generator.types import Decoding

WORDS = ["heap", "array", "parser", "reads", "keeps", "small"]
TEXTS = {"doc": "The document."}


def parts(count: int, seed: int = 0) -> list[pa.Table]:
    """Batches of verdicts as the filter gives them; many of the texts are alike."""
    rng = random.Random(seed)
    result = []
    for batch in range(count):
        origin = tables.Origin("run", 1, batch, "ab" * 32, Decoding(4, 8))
        candidates = [
            Candidate(f"b{batch}c{place}", "doc", place, " ".join(rng.choices(WORDS, k=5)))
            for place in range(rng.randrange(5))
        ]
        verdicts = [
            Verdict(one.id, True, scores={"x": rng.random()})
            if rng.random() < 0.6
            else Verdict(one.id, False, "brevity", "brevity.too_long")
            for one in candidates
        ]
        result.append(tables.verdicts_table(origin, candidates, verdicts))
    return result


def opened(folder: Path, shard_rows: int = 6) -> TrainingBuffer:
    return TrainingBuffer(
        RunFolder(folder), 1, threshold=0.6, layers=["brevity"], shard_rows=shard_rows
    )


def by_hand(batches: Sequence[pa.Table]) -> list[dict[str, object]]:
    """The rows with their final verdicts, all in memory."""
    seen = NearDuplicates(0.6)
    rows: list[dict[str, object]] = []
    for part in batches:
        final = seen.judge(*tables.judged_from(part))
        rows += tables.with_final_verdicts(part, final).to_pylist()
    return rows


def store(folder: Path, batches: Sequence[pa.Table]) -> None:
    for batch, part in enumerate(batches):
        write_table(RunFolder(folder).part(1, batch), part)


@given(st.integers(0, 12), st.integers(1, 20), st.sets(st.integers(0, 12)), st.integers(0, 9))
@settings(max_examples=20, deadline=None)
def test_interrupted_anywhere_it_holds_what_an_uninterrupted_one_holds(
    tmp_path_factory: pytest.TempPathFactory,
    count: int,
    shard_rows: int,
    deaths: set[int],
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("run")
    batches = parts(count, seed)
    store(folder, batches)
    buffer = opened(folder, shard_rows)
    while buffer.batches < count:
        if buffer.batches in deaths:
            deaths.remove(buffer.batches)
            buffer = opened(folder, shard_rows)
            continue
        part = RunFolder(folder).part(1, buffer.batches)
        taken = buffer.add(read_table(part))
        assert taken == buffer.accepted_by_batch[-1]
        if buffer.due:
            buffer.checkpoint(Position(buffer.batches, "here"))
            assert not part.exists()
    rows = by_hand(batches)
    accepted = sum(bool(row["accepted"]) for row in rows)
    assert (buffer.judged, buffer.accepted) == (len(rows), accepted)
    assert sum(buffer.accepted_by_batch) == accepted
    assert buffer.funnel[-1].passed == accepted
    buffer.finish(TEXTS)
    assert read_table(RunFolder(folder).verdicts(1)).to_pylist() == rows
    dataset = read_table(RunFolder(folder).dataset(1))
    assert dataset.schema == tables.DATASET
    assert dataset["id"].to_pylist() == [row["id"] for row in rows if row["accepted"]]
    assert {path.name for path in (folder / "verdicts").iterdir()} == {"gen-1.parquet"}


def test_a_death_between_shard_and_checkpoint_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shard, the index and the texts are there, the checkpoint that names them is not."""
    batches = parts(12)
    store(tmp_path, batches)
    buffer = opened(tmp_path)
    for part in batches[:6]:
        buffer.add(part)
    buffer.checkpoint(Position(6, "here"))
    for part in batches[6:]:
        buffer.add(part)
    with monkeypatch.context() as patch:
        patch.setattr("services.trainer.buffer.write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            buffer.checkpoint(Position(12, "here"))
    buffer = opened(tmp_path)
    assert (buffer.batches, buffer.position.sequence) == (6, 6)
    for batch in range(6, 12):
        buffer.add(read_table(RunFolder(tmp_path).part(1, batch)))
    buffer.finish(TEXTS)
    assert read_table(RunFolder(tmp_path).verdicts(1)).to_pylist() == by_hand(batches)


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_counts_survive_a_restart(tmp_path: Path) -> None:
    batches = parts(8)
    store(tmp_path, batches)
    buffer = opened(tmp_path)
    for part in batches:
        buffer.add(part)
    buffer.checkpoint(Position(99, "here"))
    again = opened(tmp_path)
    assert again.funnel == buffer.funnel
    assert again.funnel[0] == LayerStats("brevity", buffer.judged, buffer.funnel[0].passed)
    assert again.accepted_by_batch == buffer.accepted_by_batch
    assert again.position == Position(99, "here")


def test_a_checkpoint_keeps_the_files_of_later_batches(tmp_path: Path) -> None:
    store(tmp_path, parts(4))
    buffer = opened(tmp_path)
    for batch in range(2):
        buffer.add(read_table(RunFolder(tmp_path).part(1, batch)))
    buffer.checkpoint(Position(2, "here"))
    left = [path.name for path in (tmp_path / "verdicts" / "parts").iterdir()]
    assert sorted(left) == ["gen-1-batch-000002.parquet", "gen-1-batch-000003.parquet"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"shards": "many"}'])
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "verdicts" / "buffer" / "gen-1" / "checkpoint.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(FailedPrecondition, match=r"checkpoint\.json is damaged"):
        opened(tmp_path)


def test_a_missing_segment_is_refused_by_name(tmp_path: Path) -> None:
    buffer = opened(tmp_path)
    buffer.add(parts(3)[2])
    buffer.checkpoint(Position(1, "here"))
    for path in (tmp_path / "verdicts" / "buffer" / "gen-1" / "index").glob("segment-*"):
        path.unlink()
    with pytest.raises(FailedPrecondition, match=r"checkpoint\.json is damaged.*segment-0"):
        opened(tmp_path)
