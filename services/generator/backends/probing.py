"""Whether a server's log-probabilities are what they seem: checked at the start, not believed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from services.generator.backends.drawn import Drawn
from services.generator.backends.patience import Refused
from stillhouse.errors import FailedPrecondition, Unavailable

log = logging.getLogger(__name__)

# They end where a tokenizer cuts whatever follows.
PROBES = (
    "The capital of France is Paris,",
    "One, two, three, four,",
    "Question: Who wrote this?\nAnswer:",
    "Once upon a time,",
    "First of all,",
)
_SAME = 0.1  # nats; a batch of another shape is computed with other roundings


def same(one: float, other: float) -> bool:
    """Whether two log-probabilities are one, computed twice."""
    return abs(one - other) < _SAME


async def why_unscored(
    by: str,
    greedy: Callable[[str], Awaitable[Drawn | None]],
    read: Callable[[str, str], Awaitable[Sequence[Drawn]]],
) -> str:
    """Why the server `by` can't score; "" if it can.

    `greedy` gives the likeliest token after a prompt, `read` the tokens of prompt and
    continuation as the server reads them, empty where it does not. What it draws must be as
    likely when it is read: some servers give each token the log-probability of another place.
    """
    pairs: list[tuple[float, float]] = []
    for prompt in PROBES:
        token, drawn = await greedy(prompt) or ("", None)
        try:
            tokens = await read(prompt, token)
        except (Refused, FailedPrecondition, Unavailable) as error:
            return f"it refuses to give the log-probabilities of a prompt ({error})"
        if all(value is None for _, value in tokens):
            return "it does not give the log-probabilities of a prompt"
        last, value = tokens[-1]
        if token.strip() and last.strip() == token.strip() and None not in (drawn, value):
            pairs.append((float(drawn or 0), float(value or 0)))
    wrong = [pair for pair in pairs if not same(*pair)]
    if 2 * len(wrong) < len(pairs):
        return ""
    if not wrong:
        log.warning("%s: its log-probabilities of a prompt could not be checked", by)
        return ""
    drawn, value = wrong[0]
    return (
        f"what it draws with log-probability {drawn:.3f} it reads with {value:.3f}, so those of a "
        "prompt can't be trusted"
    )
