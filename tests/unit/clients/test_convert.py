"""Every field survives the way to protobuf and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stillhouse.errors import Internal, InvalidArgument
from stillhouse.filter import convert as filters
from stillhouse.filter.types import (
    Candidate,
    Cascade,
    Document,
    Evaluation,
    LayerConfig,
    LayerStats,
    Verdict,
)
from stillhouse.generator import convert as generators
from stillhouse.generator.types import (
    Beam,
    Decoding,
    Infgram,
    ModelDescription,
    ModelPointer,
    Prompt,
    Sample,
    Score,
    ScoreItem,
)
from stillhouse.index import convert as indexes
from stillhouse.index.convert import Query
from stillhouse.index.types import IndexInfo, MatchStatistics, Tokenization
from stillhouse.index.v1 import index_pb2
from stillhouse.trainer import convert as trainers
from stillhouse.trainer.types import (
    Diversity,
    GenerationProgress,
    JudgedCandidate,
    Run,
    RunState,
    Stage,
)
from stillhouse.trainer.v1 import trainer_pb2

POINTER = ModelPointer("/models/a", "ab" * 32, 3)


def test_generator_types() -> None:
    g = generators
    description = ModelDescription(
        POINTER, 135_000_000, "LlamaForCausalLM", 2048, "c", "s", "l", "i", {"": "ab", "a": "cd"}
    )
    decoding = Decoding(samples=4, max_new_tokens=48, temperature=0.5, top_p=0.75, seed=2**64 - 1)
    score = Score(-1.5, 2, (-1.0, -0.5), (3, 9))
    assert g.description_from_proto(g.description_to_proto(description)) == description
    mixed = replace(decoding, infgram=Infgram(0.1, 0.7, 3, "corpus", "ab" * 32))
    for one in (decoding, mixed, replace(decoding, beam=Beam())):
        assert g.decoding_from_proto(g.decoding_to_proto(one)) == one
    assert g.score_from_proto(g.score_to_proto(score)) == score
    for prompt in (Prompt("a", "Return"), Prompt("", "")):
        assert g.prompt_from_proto(g.prompt_to_proto(prompt)) == prompt
    for sample in (Sample("text", 5, -2.5, True), Sample("", 0, 0.0, False)):
        assert g.sample_from_proto(g.sample_to_proto(sample)) == sample
    item = ScoreItem("before", "after")
    assert g.item_from_proto(g.item_to_proto(item)) == item


def test_filter_types() -> None:
    f = filters
    cascade = Cascade((LayerConfig("brevity", {"ratio": 0.5}), LayerConfig("surface")), True)
    candidate = Candidate("c", "d", 3, "text", 7, -1.25, False)
    evaluation = Evaluation(
        (Verdict("c", False, "brevity", "brevity.too_long", {"brevity.ratio": 2.0}),),
        (LayerStats("brevity", 4, 1, 0.5),),
    )
    assert f.cascade_from_proto(f.cascade_to_proto(cascade)) == cascade
    assert f.candidate_from_proto(f.candidate_to_proto(candidate)) == candidate
    assert f.document_from_proto(f.document_to_proto(Document("d", "t"))) == Document("d", "t")
    assert f.evaluation_from_proto(f.evaluation_to_proto(evaluation)) == evaluation


def test_trainer_types() -> None:
    progress = GenerationProgress(1, 100, 12, 64, 2048, (LayerStats("brevity", 100, 60),), 9.5)
    second = replace(
        progress, generation=2, expert=True, diversity=Diversity(9, 0.5, 0.25, 0.75, 0.125)
    )
    run = Run(
        id="r",
        state=RunState.FAILED,
        stage=Stage.EVALUATING,
        generation=1,
        generations=2,
        message="disk full",
        folder="/runs/r",
        progress=(progress, second),
        prompts_pending=3,
        candidates_pending=4,
        stage_done=5,
        stage_total=6,
        loss=1.5,
        seconds=61.5,
        stop_reason="no more",
    )
    judged = JudgedCandidate("c", 1, "d", 2, "text", False, "novelty", "novelty.copied", {"n": 1.0})
    assert trainers.run_from_proto(trainers.run_to_proto(run)) == run
    assert trainers.judged_from_proto(trainers.judged_to_proto(judged)) == judged


@pytest.mark.parametrize("state", RunState)
@pytest.mark.parametrize("stage", Stage)
def test_every_state_and_stage_has_its_value(state: RunState, stage: Stage) -> None:
    run = Run("r", state, stage, 1, 1)
    assert trainers.run_from_proto(trainers.run_to_proto(run)) == run


@pytest.mark.parametrize("accepted", [True, False, None])
def test_selection(accepted: bool | None) -> None:
    assert trainers.selection_from_proto(trainers.selection_to_proto(accepted)) is accepted


def test_values_of_a_newer_version_are_refused_by_name() -> None:
    request = trainer_pb2.ListCandidatesRequest.FromString(b"\x18\x09")
    with pytest.raises(InvalidArgument, match="9 is unknown"):
        trainers.selection_from_proto(request.selection)
    with pytest.raises(Internal, match="state 0 is unknown"):
        trainers.run_from_proto(trainer_pb2.Run(stage=trainer_pb2.STAGE_DONE))


def test_index_types() -> None:
    info = IndexInfo("a", True, 2**40, 5, "ab" * 32, "cd" * 32)
    cut = Tokenization((1, 2**32 - 1), ("a", "b"))
    match = MatchStatistics(
        np.array([2, 0], np.uint32), np.array([2**40, 0], np.uint64), np.array([5, 6], np.uint32)
    )
    back = indexes.match_from_proto(indexes.match_to_proto(match))
    assert indexes.info_from_proto(indexes.info_to_proto(info)) == info
    assert indexes.tokenization_from_proto(indexes.tokenization_to_proto(cut)) == cut
    for name in ("lengths", "counts", "tokens"):
        given, got = getattr(match, name), getattr(back, name)
        assert got.dtype == given.dtype
        assert got.tolist() == given.tolist()


@pytest.mark.parametrize(
    "query", [[1, 2, 3], (1, 2, 3), np.array([1, 2, 3], np.int64), np.array([1, 2, 3], np.uint16)]
)
def test_ids_of_any_kind(query: Query) -> None:
    back = indexes.query_from_proto(indexes.query_to_proto(query), "query")
    assert not isinstance(back, str)
    assert back.dtype == np.uint32
    assert back.tolist() == [1, 2, 3]


@pytest.mark.parametrize("query", [[], (), np.array([])])
def test_no_ids_are_a_query_too(query: Query) -> None:
    back = indexes.query_from_proto(indexes.query_to_proto(query), "query")
    assert not isinstance(back, str)
    assert back.shape == (0,)


@pytest.mark.parametrize(
    "query", [[-1], [2**32], [2**70], [1.5], ["a"], [[1], [2]], [[1], [2, 3]], 7, None]
)
def test_what_are_no_ids_is_refused_before_it_is_sent(query: Query) -> None:
    with pytest.raises(InvalidArgument) as error:
        indexes.queries_to_proto([[1], query])
    assert error.value.field == "queries[1]"


def test_an_empty_query_message_is_missing() -> None:
    with pytest.raises(InvalidArgument, match=r"queries\[3\]: is missing"):
        indexes.query_from_proto(index_pb2.Query(), "queries[3]")
