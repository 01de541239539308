"""The ladder: which share of the candidates passes the whole filter, arm by arm."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from services.checkpoints.load import load_tokenizer
from services.experiments.arms import Arm
from services.generator.candidates import candidates_of
from services.trainer.cascades import cascade_of
from services.trainer.files import read_table, write_table
from services.trainer.keywords import Idf, clauses_for
from services.trainer.outlines import outline_of
from services.trainer.prompts import decoding_of, make_prompt
from stillhouse.corpus import SourceDocument
from stillhouse.filter.client import AsyncFilterClient
from stillhouse.filter.types import Candidate, Document
from stillhouse.generator.client import AsyncGeneratorClient
from stillhouse.generator.types import ModelPointer, Prompt

SCHEMA = pa.schema(
    [
        ("arm", pa.string()),
        ("source_id", pa.string()),
        ("sample_index", pa.int32()),
        ("text", pa.string()),
        ("tokens", pa.int32()),
        ("clauses", pa.list_(pa.bool_())),
        ("accepted", pa.bool_()),
        ("layer", pa.string()),
        ("reason", pa.string()),
        ("scores", pa.map_(pa.string(), pa.float64())),
        ("generate_seconds", pa.float64()),
        ("filter_seconds", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Bench:
    """What the arms are run on: services, documents, and a folder for their tables."""

    generator: AsyncGeneratorClient
    judge: AsyncFilterClient
    teacher: ModelPointer
    documents: Sequence[SourceDocument]
    idf: Idf
    folder: Path


async def climb(bench: Bench, arms: Sequence[Arm], say: Callable[[str], None]) -> list[pa.Table]:
    """The table of each arm, one row a candidate; an arm that has one is not run again."""
    tables = []
    for number, arm in enumerate(arms):
        path = bench.folder / f"arm-{number}.parquet"
        if not path.exists():
            write_table(path, await _run(bench, arm, say))
        tables.append(read_table(path))
    return tables


async def _run(bench: Bench, arm: Arm, say: Callable[[str], None]) -> pa.Table:
    await bench.generator.load_model(bench.teacher)
    tokenizer = load_tokenizer(Path(bench.teacher.uri))
    prompts = [
        Prompt(
            one.id,
            make_prompt(one.text, arm.recipe.prompt, tokenizer),
            clauses_for(one.text, arm.recipe.constraints, bench.idf),
            outline_of(one.text, arm.recipe.constraints.compression),
        )
        for one in bench.documents
    ]
    size = arm.recipe.generation.documents_per_batch
    rows: list[dict[str, object]] = []
    judging: asyncio.Task[list[dict[str, object]]] | None = None
    for start in range(0, len(prompts), size):
        documents = bench.documents[start : start + size]
        candidates, seconds = await _write(bench, arm, prompts[start : start + size])
        if judging is not None:
            rows += await judging
        judging = asyncio.create_task(_judge(bench, arm, documents, candidates, seconds))
        say(f"{arm.name}: {min(start + size, len(prompts))} of {len(prompts)} documents")
    if judging is not None:
        rows += await judging
    return pa.Table.from_pylist(rows, schema=SCHEMA)


async def _write(
    bench: Bench, arm: Arm, prompts: Sequence[Prompt]
) -> tuple[list[Candidate], float]:
    started = time.perf_counter()
    decoding = decoding_of(arm.recipe, 1)
    candidates: list[Candidate] = []
    answers = bench.generator.generate(prompts, decoding, model_digest=bench.teacher.digest)
    asked = {prompt.id: prompt for prompt in prompts}
    async for source_id, samples in answers:
        candidates += candidates_of(
            samples,
            run_id=arm.name,
            generation=1,
            source_id=source_id,
            model_digest=bench.teacher.digest,
            decoding=decoding,
            constraints=asked[source_id].constraints,
            outline=asked[source_id].outline,
        )
    return candidates, time.perf_counter() - started


async def _judge(
    bench: Bench,
    arm: Arm,
    documents: Sequence[SourceDocument],
    candidates: Sequence[Candidate],
    generate_seconds: float,
) -> list[dict[str, object]]:
    started = time.perf_counter()
    sources = [Document(one.id, one.text) for one in documents]
    result = await bench.judge.evaluate(cascade_of(arm.recipe), sources, candidates)
    seconds = time.perf_counter() - started
    share = max(1, len(candidates))
    return [
        {
            "arm": arm.name,
            "source_id": candidate.source_id,
            "sample_index": candidate.sample_index,
            "text": candidate.text,
            "tokens": candidate.tokens,
            "clauses": list(candidate.clauses),
            "accepted": verdict.accepted,
            "layer": verdict.layer,
            "reason": verdict.reason,
            "scores": list(verdict.scores.items()),
            "generate_seconds": generate_seconds / share,
            "filter_seconds": seconds / share,
        }
        for candidate, verdict in zip(candidates, result.verdicts, strict=True)
    ]
