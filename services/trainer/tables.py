"""Parquet tables of a run: their columns, and rows to and from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.trainer.near_duplicates import NEAR_DUPLICATE
from stillhouse.corpus import SourceDocument
from stillhouse.filter.types import Candidate, LayerStats, Verdict
from stillhouse.generator.types import Decoding
from stillhouse.trainer.types import JudgedCandidate

_SCORES = pa.map_(pa.string(), pa.float64())

DOCUMENTS = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("reference", pa.string()),
        ("held_out", pa.bool_()),
    ]
)

VERDICTS = pa.schema(
    [
        ("id", pa.string()),
        ("run", pa.string()),
        ("generation", pa.int32()),
        ("batch", pa.int32()),
        ("source_id", pa.string()),
        ("sample_index", pa.int32()),
        ("text", pa.string()),
        ("tokens", pa.int32()),
        ("logprob", pa.float64()),
        ("finished", pa.bool_()),
        ("clauses", pa.list_(pa.bool_())),
        ("model_digest", pa.string()),
        ("temperature", pa.float64()),
        ("top_p", pa.float64()),
        ("seed", pa.uint64()),
        ("accepted", pa.bool_()),
        ("layer", pa.string()),
        ("reason", pa.string()),
        ("layers", pa.map_(pa.string(), pa.bool_())),
        ("scores", _SCORES),
        ("seconds", _SCORES),
    ]
)
"""One row a candidate. `layers` holds the layers that it reached, in order, and whether each
passed it; `seconds` its share of each step's time; `source_id` leads to its document.
"""

DATASET = pa.schema(
    [
        ("document", pa.string()),
        ("summary", pa.string()),
        *[
            field
            for field in VERDICTS
            if field.name
            not in {"text", "accepted", "layer", "reason", "layers", "batch", "seconds"}
        ],
    ]
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a batch of candidates comes from."""

    run: str
    generation: int
    batch: int
    model_digest: str
    decoding: Decoding


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds that a batch took: to generate, and in each layer of its cascade."""

    generate: float = 0.0
    layers: tuple[LayerStats, ...] = ()

    def share(self, verdict: Verdict, candidates: int) -> dict[str, float]:
        """What one candidate took: its part of each step that it reached."""
        seconds = {"generate": self.generate / candidates}
        everyone = any(layer.scored > layer.seen for layer in self.layers)  # score_all
        for layer in self.layers:
            seconds[layer.name] = layer.seconds / max(1, layer.scored or layer.seen)
            if layer.name == verdict.layer and not everyone:
                break
        return seconds


def layer_verdicts(verdict: Verdict, layers: Iterable[str]) -> list[tuple[str, bool]]:
    """Which of `layers` saw the candidate, in order, and whether each passed it."""
    reached = []
    for layer in layers:
        passed = layer != verdict.layer
        reached.append((layer, passed))
        if not passed:
            break
    return reached


def documents_table(
    training: Iterable[SourceDocument], held_out: Iterable[SourceDocument]
) -> pa.Table:
    """All documents of a run, training first, in the order of their use."""
    rows = [asdict(one) | {"held_out": False} for one in training]
    rows += [asdict(one) | {"held_out": True} for one in held_out]
    return pa.Table.from_pylist(rows, schema=DOCUMENTS)


def documents_from(table: pa.Table) -> tuple[list[SourceDocument], list[SourceDocument]]:
    """Training and held-out documents, in order."""
    training: list[SourceDocument] = []
    held_out: list[SourceDocument] = []
    for row in table.to_pylist():
        document = SourceDocument(row["id"], row["text"], row["reference"])
        (held_out if row["held_out"] else training).append(document)
    return training, held_out


def verdict_row(
    origin: Origin,
    candidate: Candidate,
    verdict: Verdict,
    seconds: Mapping[str, float],
    layers: Iterable[str] = (),
) -> dict[str, object]:
    """One row of VERDICTS."""
    return {
        "id": candidate.id,
        "run": origin.run,
        "generation": origin.generation,
        "batch": origin.batch,
        "source_id": candidate.source_id,
        "sample_index": candidate.sample_index,
        "text": candidate.text,
        "tokens": candidate.tokens,
        "logprob": candidate.logprob,
        "finished": candidate.finished,
        "clauses": list(candidate.clauses),
        "model_digest": origin.model_digest,
        "temperature": origin.decoding.temperature,
        "top_p": origin.decoding.top_p,
        "seed": origin.decoding.seed,
        "accepted": verdict.accepted,
        "layer": verdict.layer,
        "reason": verdict.reason,
        "layers": layer_verdicts(verdict, layers),
        "scores": list(verdict.scores.items()),
        "seconds": list(seconds.items()),
    }


def verdicts_table(
    origin: Origin,
    candidates: Sequence[Candidate],
    verdicts: Sequence[Verdict],
    costs: Costs = Costs(),
) -> pa.Table:
    """The verdicts of one batch."""
    layers = [one.name for one in costs.layers]
    rows = [
        verdict_row(origin, candidate, verdict, costs.share(verdict, len(candidates)), layers)
        for candidate, verdict in zip(candidates, verdicts, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=VERDICTS)


def verdicts_from_rows(rows: Iterable[Mapping[str, object]]) -> pa.Table:
    """A VERDICTS table of rows as `to_pylist` gives them."""
    return pa.Table.from_pylist(list(rows), schema=VERDICTS)


def judged_from(table: pa.Table) -> tuple[list[Candidate], list[Verdict]]:
    """Candidates and verdicts of a VERDICTS table, in order."""
    candidates, verdicts = [], []
    for row in table.to_pylist():
        candidates.append(
            Candidate(
                id=row["id"],
                source_id=row["source_id"],
                sample_index=row["sample_index"],
                text=row["text"],
                tokens=row["tokens"],
                logprob=row["logprob"],
                finished=row["finished"],
                clauses=tuple(row.get("clauses") or ()),
            )
        )
        scores = dict(row["scores"])
        verdict = Verdict(row["id"], row["accepted"], row["layer"], row["reason"], scores)
        verdicts.append(verdict)
    return candidates, verdicts


def batches_in(path: Path) -> int:
    """How many batches a VERDICTS file holds, all from 0 on; read a row group at a time."""
    file = pq.ParquetFile(path)
    last = -1
    for group in range(file.num_row_groups):
        column = file.read_row_group(group, columns=["batch"])["batch"]
        last = max([last, *column.to_pylist()])
    return last + 1


def with_final_verdicts(table: pa.Table, final: Sequence[Verdict]) -> pa.Table:
    """A VERDICTS table with the verdicts replaced by the buffer's, in the same order."""
    rows = table.to_pylist()
    for row, verdict in zip(rows, final, strict=True):
        row["accepted"] = verdict.accepted
        row["layer"] = verdict.layer
        row["reason"] = verdict.reason
        if verdict.accepted or verdict.layer == NEAR_DUPLICATE:
            row["layers"] = [*(row["layers"] or ()), (NEAR_DUPLICATE, verdict.accepted)]
        row["scores"] = list(verdict.scores.items())
    return pa.Table.from_pylist(rows, schema=VERDICTS)


def dataset_table(verdicts: pa.Table, texts: Mapping[str, str]) -> pa.Table:
    """The accepted rows of a VERDICTS table with their documents (`texts` by source id)."""
    rows = [
        row | {"document": texts[row["source_id"]], "summary": row["text"]}
        for row in verdicts.to_pylist()
        if row["accepted"]
    ]
    return pa.Table.from_pylist(
        [{name: row[name] for name in DATASET.names} for row in rows], schema=DATASET
    )


def rows_at(path: Path, places: Sequence[int]) -> pa.Table:
    """Some rows of a VERDICTS file, by ascending number; read a row group at a time."""
    file = pq.ParquetFile(path)
    found, start = [VERDICTS.empty_table()], 0
    for group in range(file.num_row_groups):
        end = start + file.metadata.row_group(group).num_rows
        here = [place - start for place in places if start <= place < end]
        if here:
            found.append(file.read_row_group(group).take(here))
        start = end
    return pa.concat_tables(found)


def judged_candidates(table: pa.Table) -> list[JudgedCandidate]:
    """A VERDICTS table as the clients see it."""
    names = ("id", "generation", "source_id", "sample_index", "text", "accepted", "layer", "reason")
    return [
        JudgedCandidate(**{name: row[name] for name in names}, scores=dict(row["scores"]))
        for row in table.to_pylist()
    ]
