"""Between the trainer's protobuf messages and its types."""

from __future__ import annotations

from stillhouse.errors import Internal, InvalidArgument
from stillhouse.filter.types import LayerStats
from stillhouse.trainer.types import (
    Diversity,
    GenerationProgress,
    JudgedCandidate,
    Run,
    RunState,
    Stage,
)
from stillhouse.trainer.v1 import trainer_pb2

_Selection = trainer_pb2.ListCandidatesRequest.Selection


def run_to_proto(run: Run) -> trainer_pb2.Run:
    """A run's state."""
    return trainer_pb2.Run(
        id=run.id,
        state=trainer_pb2.RunState.Value(f"RUN_STATE_{run.state.name}"),
        stage=trainer_pb2.Stage.Value(f"STAGE_{run.stage.name}"),
        generation=run.generation,
        generations=run.generations,
        message=run.message,
        folder=run.folder,
        stop_reason=run.stop_reason,
        progress=map(progress_to_proto, run.progress),
        prompts_pending=run.prompts_pending,
        candidates_pending=run.candidates_pending,
        stage_done=run.stage_done,
        stage_total=run.stage_total,
        loss=run.loss,
        seconds=run.seconds,
        held_out_loss=run.held_out_loss,
        tokens_per_second=run.tokens_per_second,
        eta_seconds=run.eta_seconds,
    )


def run_from_proto(message: trainer_pb2.Run) -> Run:
    """A run's state; Internal if this version does not know its state or stage."""
    return Run(
        id=message.id,
        state=_state_from_proto(message.state),
        stage=_stage_from_proto(message.stage),
        generation=message.generation,
        generations=message.generations,
        message=message.message,
        folder=message.folder,
        stop_reason=message.stop_reason,
        progress=tuple(map(progress_from_proto, message.progress)),
        prompts_pending=message.prompts_pending,
        candidates_pending=message.candidates_pending,
        stage_done=message.stage_done,
        stage_total=message.stage_total,
        loss=message.loss,
        seconds=message.seconds,
        held_out_loss=message.held_out_loss,
        tokens_per_second=message.tokens_per_second,
        eta_seconds=message.eta_seconds,
    )


def _state_from_proto(value: trainer_pb2.RunState.ValueType) -> RunState:
    try:
        return RunState[trainer_pb2.RunState.Name(value).removeprefix("RUN_STATE_")]
    except (KeyError, ValueError):
        raise Internal(f"run state {value} is unknown here; upgrade this side") from None


def _stage_from_proto(value: trainer_pb2.Stage.ValueType) -> Stage:
    try:
        return Stage[trainer_pb2.Stage.Name(value).removeprefix("STAGE_")]
    except (KeyError, ValueError):
        raise Internal(f"stage {value} is unknown here; upgrade this side") from None


def progress_to_proto(progress: GenerationProgress) -> trainer_pb2.GenerationProgress:
    """How far a generation has come."""
    return trainer_pb2.GenerationProgress(
        generation=progress.generation,
        judged=progress.judged,
        accepted=progress.accepted,
        target=progress.target,
        budget=progress.budget,
        layers=[
            trainer_pb2.LayerFunnel(name=layer.name, seen=layer.seen, passed=layer.passed)
            for layer in progress.layers
        ],
        seconds=progress.seconds,
        diversity=_diversity_to_proto(progress.diversity) if progress.diversity else None,
        expert=progress.expert,
    )


def progress_from_proto(message: trainer_pb2.GenerationProgress) -> GenerationProgress:
    """How far a generation has come."""
    return GenerationProgress(
        generation=message.generation,
        judged=message.judged,
        accepted=message.accepted,
        target=message.target,
        budget=message.budget,
        layers=tuple(LayerStats(layer.name, layer.seen, layer.passed) for layer in message.layers),
        seconds=message.seconds,
        diversity=(
            _diversity_from_proto(message.diversity) if message.HasField("diversity") else None
        ),
        expert=message.expert,
    )


def _diversity_to_proto(diversity: Diversity) -> trainer_pb2.Diversity:
    return trainer_pb2.Diversity(
        samples=diversity.samples,
        distinct_2=diversity.distinct_2,
        msttr=diversity.msttr,
        first_distinct_2=diversity.first_distinct_2,
        first_msttr=diversity.first_msttr,
    )


def _diversity_from_proto(message: trainer_pb2.Diversity) -> Diversity:
    return Diversity(
        samples=message.samples,
        distinct_2=message.distinct_2,
        msttr=message.msttr,
        first_distinct_2=message.first_distinct_2,
        first_msttr=message.first_msttr,
    )


def selection_to_proto(accepted: bool | None) -> _Selection.ValueType:
    """True only the accepted, False only the rejected, None all."""
    if accepted is None:
        return _Selection.SELECTION_UNSPECIFIED
    return _Selection.SELECTION_ACCEPTED if accepted else _Selection.SELECTION_REJECTED


def selection_from_proto(value: _Selection.ValueType) -> bool | None:
    """As `selection_to_proto`; InvalidArgument for a value that this version lacks."""
    values = {
        _Selection.SELECTION_UNSPECIFIED: None,
        _Selection.SELECTION_ACCEPTED: True,
        _Selection.SELECTION_REJECTED: False,
    }
    if value not in values:
        raise InvalidArgument("selection", f"{value} is unknown; known are 0, 1 and 2")
    return values[value]


def judged_to_proto(candidate: JudgedCandidate) -> trainer_pb2.JudgedCandidate:
    """A candidate with its verdict."""
    return trainer_pb2.JudgedCandidate(
        id=candidate.id,
        generation=candidate.generation,
        source_id=candidate.source_id,
        sample_index=candidate.sample_index,
        text=candidate.text,
        accepted=candidate.accepted,
        layer=candidate.layer,
        reason=candidate.reason,
        scores=candidate.scores,
    )


def judged_from_proto(message: trainer_pb2.JudgedCandidate) -> JudgedCandidate:
    """A candidate with its verdict."""
    return JudgedCandidate(
        id=message.id,
        generation=message.generation,
        source_id=message.source_id,
        sample_index=message.sample_index,
        text=message.text,
        accepted=message.accepted,
        layer=message.layer,
        reason=message.reason,
        scores=dict(message.scores),
    )
