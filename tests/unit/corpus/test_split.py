from __future__ import annotations

import pytest

from stillhouse.corpus import SourceDocument, split
from stillhouse.errors import InvalidArgument

DOCUMENTS = [
    SourceDocument(f"d{number:02}", "text", "reference" if number % 2 else "")
    for number in range(40)
]


def test_only_documents_with_a_reference_are_held_out() -> None:
    training, held_out = split(DOCUMENTS, 8, seed=3)
    assert len(held_out) == 8
    assert all(one.reference for one in held_out)
    assert sorted(one.id for one in training + held_out) == [one.id for one in DOCUMENTS]


def test_training_documents_come_without_their_references() -> None:
    training, _ = split(DOCUMENTS, 8, seed=3)
    assert not any(one.reference for one in training)


def test_the_seed_alone_decides() -> None:
    chosen = {seed: ids(split(DOCUMENTS, 8, seed)[1]) for seed in (1, 2)}
    assert ids(split(DOCUMENTS[::-1], 8, 1)[1]) == chosen[1]
    assert chosen[1] != chosen[2]


def test_another_document_moves_at_most_one() -> None:
    before = ids(split(DOCUMENTS, 8, 1)[1])
    after = ids(split([*DOCUMENTS, SourceDocument("new", "text", "reference")], 8, 1)[1])
    assert len(before - after) <= 1


def test_fewer_references_than_wanted() -> None:
    training, held_out = split(DOCUMENTS, 100, seed=1)
    assert (len(training), len(held_out)) == (20, 20)


def test_something_must_be_left_to_train_on() -> None:
    with pytest.raises(InvalidArgument) as error:
        split(DOCUMENTS[1:2], 1, seed=0)
    assert error.value.field == "corpus.held_out"


def ids(documents: list[SourceDocument]) -> set[str]:
    return {one.id for one in documents}
