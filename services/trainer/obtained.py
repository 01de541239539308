"""Asked and obtained: whether a student writes to the buckets that it is asked for.

Each held-out document is asked for each bucket of a kind, alone. Spearman's rank correlation
of the bucket asked and the value obtained says whether more was got where more was asked;
the hit rate, beside that of chance, whether it was the right bucket.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from services.trainer.asking import Asking
from services.trainer.statistics import Interval, bootstrap
from stillhouse.control import KINDS, NOTHING, bucket, edges, value
from stillhouse.corpus import SourceDocument
from stillhouse.generator.types import Prompt

CONTROL = "control"  # the name of its table among the systems'

SCHEMA = pa.schema(
    [
        ("system", pa.string()),
        ("kind", pa.string()),
        ("source_id", pa.string()),
        ("text", pa.string()),
        ("asked", pa.int32()),
        ("asked_low", pa.float64()),
        ("asked_high", pa.float64()),
        ("obtained", pa.float64()),
        ("obtained_bucket", pa.int32()),
    ]
)
"""One row a document and bucket. `obtained` is in the unit of the edges; the bucket asked for
holds values from `asked_low`, below `asked_high`, which is infinite in the last.
"""

Write = Callable[[Sequence[Prompt]], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Row:
    """How a system obeyed one kind of control; `chance` is the hit rate of one that doesn't listen.

    `spearman` is -1 to 1, 0 where everything obtained is alike; its interval is over documents.
    """

    system: str
    kind: str
    buckets: int
    spearman: Interval
    hits: Interval
    chance: float


async def obtain(
    system: str,
    write: Write,
    asking: Asking,
    documents: Sequence[SourceDocument],
) -> pa.Table:
    """Ask for every bucket of every document; `write` answers prompts with one text each."""
    rows, control = [], asking.control
    for kind in KINDS:
        limits = edges(kind, control)
        for number in range(len(limits) + 1 if limits else 0):
            asked = replace(NOTHING, **{kind: number})
            prompts = [asking.prompt_for(one.id, one.text, asked) for one in documents]
            for document, text in zip(documents, await write(prompts), strict=True):
                found = value(kind, document.text, text, control)
                rows.append(
                    {
                        "system": system,
                        "kind": kind,
                        "source_id": document.id,
                        "text": text,
                        "asked": number,
                        "asked_low": (0.0, *limits)[number],
                        "asked_high": (*limits, float("inf"))[number],
                        "obtained": found,
                        "obtained_bucket": bucket(found, limits),
                    }
                )
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def summarise(table: pa.Table, *, resamples: int, seed: int) -> list[Row]:
    """A row for each system and kind in a table of SCHEMA, in order.

    Intervals are over documents, whose answers go together.
    """
    groups: dict[tuple[str, str], list[dict[str, object]]] = {}
    for row in table.to_pylist():
        groups.setdefault((row["system"], row["kind"]), []).append(row)
    return [
        _summarised(system, kind, rows, resamples=resamples, seed=seed)
        for (system, kind), rows in groups.items()
    ]


def _summarised(
    system: str, kind: str, rows: Sequence[dict[str, object]], *, resamples: int, seed: int
) -> Row:
    found = pa.Table.from_pylist(list(rows), schema=SCHEMA)
    asked, got = (np.array(found[name]) for name in ("asked", "obtained_bucket"))
    places: dict[str, list[int]] = {}
    for place, source in enumerate(found["source_id"].to_pylist()):
        places.setdefault(source, []).append(place)
    documents = [np.array(one) for one in places.values()]
    by_document = np.array([(asked == got)[one].mean() for one in documents])
    return Row(
        system,
        kind,
        buckets=len(set(asked.tolist())),
        spearman=_correlated(
            asked, np.array(found["obtained"]), documents, resamples=resamples, seed=seed
        ),
        hits=bootstrap(by_document, resamples=resamples, seed=seed),
        chance=chance(asked.tolist(), got.tolist()),
    )


def _correlated(
    asked: NDArray[np.generic],
    obtained: NDArray[np.generic],
    documents: Sequence[NDArray[np.int64]],
    *,
    resamples: int,
    seed: int,
) -> Interval:
    """Spearman's correlation, and its interval over `documents`, the places of each."""
    generator, size = np.random.default_rng(seed), len(documents)
    drawn = []
    for _ in range(resamples):
        chosen = np.concatenate([documents[one] for one in generator.integers(0, size, size)])
        drawn.append(spearman(asked[chosen], obtained[chosen]))
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Interval(spearman(asked, obtained), float(low), float(high), size)


def chance(asked: Sequence[int], obtained: Sequence[int]) -> float:
    """The hit rate of the same answers, dealt out regardless of what was asked."""
    wanted, got = Counter(asked), Counter(obtained)
    return sum(count * got[number] for number, count in wanted.items()) / max(1, len(asked)) ** 2


def spearman(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    """Spearman's rank correlation, ties at their mean rank; 0 where either is constant."""
    first, second = (_ranks(values) for values in (one, other))
    first, second = first - first.mean(), second - second.mean()
    scale = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / scale) if scale > 0 else 0.0


def _ranks(values: NDArray[np.generic]) -> NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    means = ends - (counts - 1) / 2
    return np.asarray(means[places], dtype=np.float64)
