"""Which of a checkpoint's classes means entailment."""

from __future__ import annotations

from collections.abc import Mapping

from stillhouse.errors import FailedPrecondition

_WANTED = "entailment"


def entailment_index(labels: Mapping[int, str], given: int | None = None) -> int:
    """The class named `entailment` (in any case), or `given` if that is told.

    labels: id2label of the checkpoint's config. FailedPrecondition if it names no such
    class or several, or `given` is none of its classes.
    """
    listed = ", ".join(f"{index}: {name}" for index, name in sorted(labels.items())) or "none"
    if len(labels) < 2:
        raise FailedPrecondition(
            f"the NLI model has fewer than two classes ({listed}); "
            "a sequence classifier with a class for entailment is needed"
        )
    if given is not None:
        if given not in labels:
            raise FailedPrecondition(
                f"STILLHOUSE_NLI_ENTAILMENT_INDEX is {given}; the NLI model's classes are {listed}"
            )
        return given
    found = [index for index, name in labels.items() if name.casefold() == _WANTED]
    if len(found) != 1:
        raise FailedPrecondition(
            f"{len(found) or 'none'} of the NLI model's classes are named {_WANTED!r} ({listed}); "
            "set STILLHOUSE_NLI_ENTAILMENT_INDEX to the class that means it"
        )
    return found[0]
