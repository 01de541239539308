"""The queue door: what goes in comes out judged, and is stored before it returns."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.filter.consumer import CandidateHandler
from services.filter.evidence import Backends
from stillhouse.errors import InvalidArgument, Unavailable
from stillhouse.events.v1 import events_pb2
from stillhouse.filter.v1 import filter_pb2
from stillhouse.generator.types import Score, ScoreItem
from tests.unit.filter.fakes import GOOD, SOURCE, FakeCritic, FakeIndex, backends


class FakePublisher:
    def __init__(self) -> None:
        self.stored: list[tuple[str, bytes, str]] = []

    async def publish(self, subject: str, payload: bytes, message_id: str) -> None:
        self.stored.append((subject, payload, message_id))


class AwayCritic(FakeCritic):
    async def score(self, items: Sequence[ScoreItem]) -> list[Score]:  # noqa: ARG002
        raise Unavailable("the critic is away")


def batch(*layers: str) -> events_pb2.CandidateBatch:
    return events_pb2.CandidateBatch(
        key=events_pb2.BatchKey(run_id="r", generation=2, batch=7, attempt=1),
        model_digest="beef",
        documents=[filter_pb2.Document(id="d", text=SOURCE)],
        candidates=[
            filter_pb2.Candidate(id="a", source_id="d", text="Short.", tokens=2, finished=True),
            filter_pb2.Candidate(id="b", source_id="d", text=GOOD, logprob=-9, finished=True),
        ],
        generate_seconds=1.5,
        cascade=filter_pb2.Cascade(layers=[filter_pb2.LayerConfig(name=n) for n in layers]),
    )


async def test_verdicts_are_stored_under_the_key_of_the_batch() -> None:
    publisher, given = FakePublisher(), batch("brevity", "surface")
    await CandidateHandler(backends(), publisher)(given.SerializeToString())
    ((subject, payload, message_id),) = publisher.stored
    judged = events_pb2.VerdictBatch.FromString(payload)
    assert (subject, message_id) == ("verdicts.r", "r.2.7.1")
    assert judged.key == given.key
    assert judged.model_digest == "beef"
    assert judged.candidates == given.candidates
    assert judged.generate_seconds == 1.5
    assert judged.filter_seconds > 0
    assert [(v.candidate_id, v.accepted, v.reason) for v in judged.verdicts] == [
        ("a", False, "brevity.too_short"),
        ("b", True, ""),
    ]
    assert judged.verdicts[1].scores["surface.new_names"] == 0


async def test_a_batch_given_again_stores_the_same_id() -> None:
    publisher, payload = FakePublisher(), batch("brevity").SerializeToString()
    handle = CandidateHandler(backends(), publisher)
    await handle(payload)
    await handle(payload)
    assert len({message_id for _, _, message_id in publisher.stored}) == 1


async def test_without_its_critic_a_batch_is_held_and_nothing_stored() -> None:
    publisher = FakePublisher()
    handle = CandidateHandler(Backends(AwayCritic(), FakeIndex()), publisher)
    with pytest.raises(Unavailable):
        await handle(batch("brevity", "faithfulness").SerializeToString())
    assert publisher.stored == []


async def test_an_unknown_layer_is_an_error_and_nothing_stored() -> None:
    publisher = FakePublisher()
    with pytest.raises(InvalidArgument):
        await CandidateHandler(backends(), publisher)(batch("bravery").SerializeToString())
    assert publisher.stored == []
