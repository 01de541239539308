"""The layers that need no model, over candidates made from documents by a fixed seed."""

from __future__ import annotations

from random import Random

import pytest

from services.filter.calibration import hard_negatives, positives
from services.filter.cascade import evaluate
from services.trainer.funnel import funnel
from stillhouse.corpus.sentences import sentences
from stillhouse.filter.types import Candidate, Cascade, Document, LayerConfig
from tests.unit.filter.fakes import backends

LAYERS = ("brevity", "surface", "grounding", "abstractiveness", "diversity")
TEXTS = (
    "The Tower opens its gates to visitors at nine in the morning, except on Mondays. A guide "
    "leads groups of at most 25 through the upper halls. Tickets for 12 euros are sold at the "
    "northern gate only.",
    "Heavy rain closed the pass above Airolo for 3 days in October. Lorries waited in the valley "
    "and were sent back to Bellinzona. Nobody was hurt when a slope gave way near the tunnel.",
    "A cache of 64 entries keeps the latest answers of the server. The oldest of them is dropped "
    "when a new one comes and no room is left. Call clear() to empty it without a restart.",
    "The mill at Hammer Ford has ground wheat since 1740, and it is still driven by the river. "
    "Its two stones were replaced in 1922 after a flood had cracked them. Flour is never bleached "
    "there, whatever a buyer may ask for.",
    "Dr. Ortiz counted 410 cranes on the northern lake, twice as many as in the spring. They do "
    "not stay for long. Most of them leave for Portugal before the first frost comes.",
)


def work() -> tuple[list[Document], list[Candidate]]:
    rng = Random(1)
    documents: list[Document] = []
    candidates: list[Candidate] = []
    for place, text in enumerate(TEXTS):
        documents.append(Document(f"d{place}", text))
        neighbour = TEXTS[(place + 1) % len(TEXTS)]
        for sentence in sentences(text):
            wrong = hard_negatives(sentence, text, neighbour, rng)
            for made in (*positives(sentence).values(), *wrong.values()):
                number = len(candidates)
                candidates.append(Candidate(f"c{number}", f"d{place}", number, made))
    return documents, candidates


@pytest.mark.parametrize("shuffled", [False, True])
async def test_the_funnel_of_a_seed_is_exact(shuffled: bool) -> None:
    documents, candidates = work()
    if shuffled:
        Random(2).shuffle(candidates)
    cascade = Cascade(tuple(LayerConfig(name) for name in LAYERS))
    evaluation = await evaluate(cascade, documents, candidates, backends())
    counts = [(one.name, one.seen, one.passed) for one in funnel(evaluation.verdicts, LAYERS)]
    assert counts == [
        ("brevity", 72, 72),
        ("surface", 72, 56),
        ("grounding", 56, 18),
        ("abstractiveness", 18, 2),
        ("diversity", 2, 1),
    ]
    assert [(one.name, one.seen, one.passed) for one in evaluation.layers] == counts
