"""Candidates made from samples, each with an id that a repeated delivery repeats."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from stillhouse.filter.types import Candidate
from stillhouse.generator.types import Clause, Decoding, Outline, Sample


def candidate_id(
    run_id: str,
    generation: int,
    source_id: str,
    model_digest: str,
    decoding: Decoding,
    sample_index: int,
    constraints: Sequence[Clause] = (),
    outline: Outline | None = None,
) -> str:
    """SHA-256, hex, over everything that determines the candidate."""
    parts = [run_id, generation, source_id, model_digest, asdict(decoding), sample_index]
    parts += [asdict(clause) for clause in constraints]
    parts += [asdict(outline)] if outline else []
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def candidates_of(
    samples: Sequence[Sample],
    *,
    run_id: str,
    generation: int,
    source_id: str,
    model_digest: str,
    decoding: Decoding,
    constraints: Sequence[Clause] = (),
    outline: Outline | None = None,
) -> list[Candidate]:
    """The samples of one document as candidates, in order of their index."""
    return [
        Candidate(
            id=candidate_id(
                run_id,
                generation,
                source_id,
                model_digest,
                decoding,
                index,
                constraints,
                outline,
            ),
            source_id=source_id,
            sample_index=index,
            text=sample.text,
            tokens=sample.tokens,
            logprob=sample.logprob,
            finished=sample.finished,
            clauses=sample.clauses,
        )
        for index, sample in enumerate(samples)
    ]
