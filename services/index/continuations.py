"""Next-token distributions, as many entries as one answer may have."""

from __future__ import annotations

from dataclasses import replace

from services.index.limits import check_setting
from services.index.queries import Work
from stillhouse.errors import InvalidArgument
from stillhouse.index.types import Distribution


def distributions(work: Work, top: int, infgram: bool, pieces: bool) -> list[Distribution]:
    """What follows each query; the `top` most frequent, or with 0 all.

    Raises InvalidArgument if the answers together have more entries than a call may,
    FailedPrecondition if pieces are asked for and the index has no tokenizer.
    """
    limit = work.limits.next_tokens
    check_setting("top", top, limit)
    tokenizer = work.index.require_tokenizer() if pieces else None
    found: list[Distribution] = []
    entries = 0
    # No more at once than an answer may hold, whatever the contexts are.
    step = max(1, limit // max(1, min(top or limit, work.index.engine.distinct_tokens)))
    batch = work.batch
    for start in range(0, len(batch), step):
        stop = min(start + step, len(batch))
        offsets = batch.offsets[start : stop + 1]
        values = batch.values[int(offsets[0]) : int(offsets[-1])]
        part = work.index.engine.ntd(values, offsets - offsets[0], top, infgram, work.stop)
        entries += sum(len(one.tokens) for one in part)
        if entries > limit:
            raise InvalidArgument(
                "top",
                f"is {top}, with which the answer has {entries} next tokens or more; "
                f"the limit is {limit}; ask for fewer",
            )
        found += part
    if tokenizer is None:
        return found
    return [replace(one, pieces=tuple(tokenizer.pieces(one.tokens))) for one in found]
