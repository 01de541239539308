from __future__ import annotations

from services.trainer import systems
from stillhouse.corpus import SourceDocument
from stillhouse.corpus.sentences import sentences

LONG = SourceDocument(
    "long", "The first is short. The second has some more words. A third ends it."
)
BARE = SourceDocument("bare", "no end and few words")
EMPTY = SourceDocument("empty", "")


def test_baselines_of_each_document() -> None:
    found = systems.baselines([LONG, BARE, EMPTY], words=6, seed=1)
    assert list(found) == list(systems.BASELINES)
    assert found[systems.LEAD] == ["The first is short.", BARE.text, ""]
    assert found[systems.LEAD_WORDS] == ["The first is short. The second", BARE.text, ""]
    assert found[systems.COPY] == [LONG.text, BARE.text, ""]
    assert found[systems.RANDOM][1:] == [BARE.text, ""]
    assert found[systems.RANDOM][0] in sentences(LONG.text)


def test_a_random_sentence_depends_on_seed_and_document_alone() -> None:
    drawn = {systems.random_sentence([LONG], seed)[0] for seed in range(30)}
    assert drawn == set(sentences(LONG.text))
    twins = [SourceDocument(f"twin {number}", LONG.text) for number in range(30)]
    assert set(systems.random_sentence(twins, 1)) == set(sentences(LONG.text))
    assert systems.random_sentence(twins, 1)[::-1] == systems.random_sentence(twins[::-1], 1)


def test_systems_in_the_order_of_tables() -> None:
    names = [
        "copy",
        "student gen 10",
        "control",
        "b rival",
        "teacher",
        "student gen 2",
        "comparison",
    ]
    assert systems.in_order([*names, "a rival", "lead words", "comparison"], generations=10) == [
        "teacher", "student gen 2", "student gen 10", "a rival", "b rival", "lead words", "copy",
    ]  # fmt: skip
