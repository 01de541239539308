"""Whether a server's log-probabilities are what they seem: checked at the start, not believed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from services.generator.backends.drawn import Drawn
from services.generator.backends.patience import Refused
from stillhouse.errors import FailedPrecondition, Unavailable

log = logging.getLogger(__name__)

PROBES = (
    "The capital of France is",
    "One, two, three, four,",
    "Once upon a",
    "This is the first of",
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
    for prompt in PROBES:
        token, drawn = await greedy(prompt) or ("", None)
        try:
            tokens = await read(prompt, token)
        except (Refused, FailedPrecondition, Unavailable) as error:
            return f"it refuses to give the log-probabilities of a prompt ({error})"
        if all(value is None for _, value in tokens):
            return "it does not give the log-probabilities of a prompt"
        last, value = tokens[-1]
        if not token.strip() or last.strip() != token.strip() or drawn is None or value is None:
            continue  # with the prompt before it the text has other tokens
        if same(drawn, value):
            return ""
        return (
            f"what it draws with log-probability {drawn:.3f} it reads with {value:.3f}, so those "
            "of a prompt can't be trusted"
        )
    log.warning("%s: its log-probabilities of a prompt could not be checked", by)
    return ""
