"""The index's answers in the shapes of infini-gram's."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from services.gateway.marking import Run
from stillhouse.index.types import (
    Attribution,
    Distribution,
    Document,
    FindResult,
    MatchStatistics,
    Probability,
)

_UNKNOWN_LOGPROB = -10_000.0


def probability(found: Probability) -> dict[str, Any]:
    """`prob` is -1 where the context doesn't occur."""
    known = not math.isnan(found.probability)
    return {
        "prompt_cnt": found.context_count,
        "cont_cnt": found.count,
        "prob": found.probability if known else -1.0,
    }


def distribution(found: Distribution, pieces: Sequence[str], end: int | None) -> dict[str, Any]:
    """By token id, the document's end under the id `end` if that is known.

    The end's count is told by itself as well, since it has no id of its own here.
    """
    total = found.context_count
    counts = dict(zip(found.tokens.tolist(), found.counts.tolist(), strict=True))
    names = dict(zip(found.tokens.tolist(), pieces, strict=True))
    if end is not None and found.end_count:
        counts[end] = counts.get(end, 0) + found.end_count
        names.setdefault(end, "")
    return {
        "prompt_cnt": total,
        "result_by_token_id": {
            str(token): {
                "cont_cnt": count,
                "prob": count / total,
                "token": names[token].replace("\u0120", " "),
            }
            for token, count in sorted(counts.items())
        },
        "approx": False,
        "end_cnt": found.end_count,
    }


def found_segments(found: FindResult) -> dict[str, Any]:
    """An index is one shard, whose segment is empty where nothing was found."""
    return {"cnt": found.count, "segment_by_shard": [*found.segments] or [(0, 0)]}


def document(found: Document) -> dict[str, Any]:
    """A stretch of a document; `spans` are added by `spans`."""
    return {
        "doc_ix": found.document,
        "doc_len": found.length,
        "disp_len": len(found.tokens),
        "metadata": json.dumps({"id": found.id}) if found.id else "",
        "token_ids": found.tokens.tolist(),
    }


def spans(runs: Sequence[Run], texts: Sequence[str]) -> list[tuple[str, str | None]]:
    """Text and the number of the clause that it matches, as a string."""
    return [
        (text, None if run.clause is None else str(run.clause))
        for run, text in zip(runs, texts, strict=True)
    ]


def search_message(count: int, shown: Sequence[int]) -> str:
    """The sentence that tells which occurrences are shown."""
    if not count:
        return "0 occurrences found"
    return f"{count} occurrences found. Displaying the documents of occurrences #{list(shown)}"


def creativity(found: MatchStatistics) -> dict[str, Any]:
    """For each position one behind the end of the longest match from it."""
    return {"rs": [at + length for at, length in enumerate(found.lengths.tolist())]}


def attribution(found: Attribution, counts: Mapping[int, int], total: int) -> list[dict[str, Any]]:
    """The stretches, each with the sum of its tokens' log shares of the corpus."""
    ids = found.tokens.tolist()
    return [
        {
            "l": span.begin,
            "r": span.end,
            "length": span.end - span.begin,
            "count": span.count,
            "unigram_logprob_sum": sum(
                math.log(counts[one] / total) if counts[one] else _UNKNOWN_LOGPROB
                for one in ids[span.begin : span.end]
            ),
            "docs": [{"s": 0, "ptr": ptr} for ptr in span.positions.tolist()],
        }
        for span in found.spans
    ]
