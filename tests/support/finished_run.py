"""The folder of a finished run, its tables made by the same functions as a real one's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from services.trainer import tables
from services.trainer.files import RunFolder, write_table, write_text
from stillhouse.corpus import SourceDocument
from stillhouse.filter.types import Candidate, Verdict
from stillhouse.generator.types import Decoding
from stillhouse.recipe import Recipe


def make_run(
    path: Path,
    documents: Mapping[str, str],
    accepted: Sequence[tuple[str, str]],
    *,
    recipe: Recipe | None = None,
    held_out: Sequence[SourceDocument] = (),
    scores: Mapping[str, float] | None = None,
) -> RunFolder:
    """`documents` by id; each of `accepted`, (source id, summary), has a rejected sibling."""
    folder = RunFolder(path)
    recipe = recipe or Recipe(name=path.name.partition("-")[0], generations=1)
    write_text(folder.recipe, recipe.to_yaml())
    training = [SourceDocument(name, text) for name, text in documents.items()]
    write_table(folder.documents, tables.documents_table(training, held_out))
    shares = [accepted[place :: recipe.generations] for place in range(recipe.generations)]
    for generation, samples in enumerate(shares, 1):
        origin = tables.Origin(
            path.name, generation, 0, f"{generation:064x}", Decoding(1, 48, 0.9, 0.95, seed=3)
        )
        parts = [_judged(path.name, generation, n, one, scores) for n, one in enumerate(samples)]
        given = [one for part in parts for one in part]
        verdicts = tables.verdicts_table(
            origin, [candidate for candidate, _ in given], [verdict for _, verdict in given]
        )
        write_table(folder.verdicts(generation), verdicts)
        write_table(folder.dataset(generation), tables.dataset_table(verdicts, documents))
    return folder


def _judged(
    run: str,
    generation: int,
    number: int,
    sample: tuple[str, str],
    scores: Mapping[str, float] | None,
) -> list[tuple[Candidate, Verdict]]:
    source, text = sample
    kept = Candidate(f"{run}-{generation}-{number}", source, 0, text, tokens=7, logprob=-3.5)
    other = Candidate(f"{run}-{generation}-{number}-no", source, 1, "no", tokens=1, logprob=-9.0)
    found = scores or {"faithfulness.pmi": 1.25, "brevity.ratio": 0.5}
    return [
        (kept, Verdict(kept.id, True, scores=found)),
        (other, Verdict(other.id, False, "brevity", "brevity.too_short", {"brevity.ratio": 0.01})),
    ]
