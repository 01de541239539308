"""Between the generator's protobuf messages and its types."""

from __future__ import annotations

from dataclasses import asdict

from stillhouse.generator.types import (
    Beam,
    Clause,
    Contrast,
    Decoding,
    Infgram,
    Literal,
    ModelDescription,
    ModelPointer,
    Outline,
    Prompt,
    Sample,
    Score,
    ScoreItem,
    Step,
)
from stillhouse.generator.v1 import generator_pb2


def pointer_to_proto(pointer: ModelPointer) -> generator_pb2.ModelPointer:
    """Where a model is."""
    return generator_pb2.ModelPointer(
        uri=pointer.uri, digest=pointer.digest, generation=pointer.generation
    )


def pointer_from_proto(message: generator_pb2.ModelPointer) -> ModelPointer:
    """Where a model is."""
    return ModelPointer(message.uri, message.digest, message.generation)


def description_to_proto(description: ModelDescription) -> generator_pb2.DescribeResponse:
    """Which model is loaded."""
    return generator_pb2.DescribeResponse(
        model=pointer_to_proto(description.pointer),
        parameters=description.parameters,
        architecture=description.architecture,
        context_length=description.context_length,
        constraints_refused=description.constraints_refused,
        score_refused=description.score_refused,
        load_refused=description.load_refused,
        infgram_refused=description.infgram_refused,
        indexes=description.indexes,
    )


def description_from_proto(message: generator_pb2.DescribeResponse) -> ModelDescription:
    """Which model is loaded; its pointer is empty if none is."""
    return ModelDescription(
        pointer=pointer_from_proto(message.model),
        parameters=message.parameters,
        architecture=message.architecture,
        context_length=message.context_length,
        constraints_refused=message.constraints_refused,
        score_refused=message.score_refused,
        load_refused=message.load_refused,
        infgram_refused=message.infgram_refused,
        indexes=dict(message.indexes),
    )


def decoding_to_proto(decoding: Decoding) -> generator_pb2.Decoding:
    """How to sample."""
    return generator_pb2.Decoding(
        samples=decoding.samples,
        max_new_tokens=decoding.max_new_tokens,
        temperature=decoding.temperature,
        top_p=decoding.top_p,
        seed=decoding.seed,
        guidance=decoding.guidance,
        beam=None if decoding.beam is None else generator_pb2.Beam(**asdict(decoding.beam)),
        infgram=None
        if decoding.infgram is None
        else generator_pb2.Infgram(**asdict(decoding.infgram)),
    )


def decoding_from_proto(message: generator_pb2.Decoding) -> Decoding:
    """How to sample."""
    return Decoding(
        samples=message.samples,
        max_new_tokens=message.max_new_tokens,
        temperature=message.temperature,
        top_p=message.top_p,
        seed=message.seed,
        guidance=message.guidance,
        beam=_beam_from_proto(message.beam) if message.HasField("beam") else None,
        infgram=_infgram_from_proto(message.infgram) if message.HasField("infgram") else None,
    )


def _beam_from_proto(message: generator_pb2.Beam) -> Beam:
    return Beam(**{name: getattr(message, name) for name in Beam.__dataclass_fields__})


def _infgram_from_proto(message: generator_pb2.Infgram) -> Infgram:
    return Infgram(**{name: getattr(message, name) for name in Infgram.__dataclass_fields__})


def clause_to_proto(clause: Clause) -> generator_pb2.Clause:
    """A constraint."""
    literals = [
        generator_pb2.Literal(forms=one.forms, exclude=one.exclude) for one in clause.literals
    ]
    return generator_pb2.Clause(literals=literals)


def clause_from_proto(message: generator_pb2.Clause) -> Clause:
    """A constraint."""
    return Clause(tuple(Literal(tuple(one.forms), one.exclude) for one in message.literals))


def outline_to_proto(outline: Outline | None) -> generator_pb2.Outline | None:
    """What a text is a compression of, if anything."""
    if outline is None:
        return None
    passages = [
        generator_pb2.Passage(steps=[generator_pb2.Step(**asdict(step)) for step in passage])
        for passage in outline.passages
    ]
    return generator_pb2.Outline(
        passages=passages,
        fillers=outline.fillers,
        skip=outline.skip,
        run=outline.run,
        least=outline.least,
    )


def outline_from_proto(message: generator_pb2.Outline) -> Outline:
    """What a text is a compression of."""
    passages = tuple(
        tuple(
            Step(step.text, step.weight, step.fixed, step.loose, step.closes, step.binds)
            for step in passage.steps
        )
        for passage in message.passages
    )
    return Outline(passages, tuple(message.fillers), message.skip, message.run, message.least)


def contrast_to_proto(contrast: Contrast | None) -> generator_pb2.Contrast | None:
    """What a prompt is told apart from, if anything."""
    if contrast is None:
        return None
    return generator_pb2.Contrast(
        negative_prompts=contrast.negative_prompts, guidance_scale=contrast.guidance_scale
    )


def contrast_from_proto(message: generator_pb2.Contrast) -> Contrast:
    """What a prompt is told apart from."""
    return Contrast(tuple(message.negative_prompts), message.guidance_scale)


def prompt_to_proto(prompt: Prompt) -> generator_pb2.Prompt:
    """A prompt."""
    return generator_pb2.Prompt(
        id=prompt.id,
        text=prompt.text,
        constraints=map(clause_to_proto, prompt.constraints),
        outline=outline_to_proto(prompt.outline),
        contrast=contrast_to_proto(prompt.contrast),
    )


def prompt_from_proto(message: generator_pb2.Prompt) -> Prompt:
    """A prompt."""
    return Prompt(
        message.id,
        message.text,
        tuple(map(clause_from_proto, message.constraints)),
        outline_from_proto(message.outline) if message.HasField("outline") else None,
        contrast_from_proto(message.contrast) if message.HasField("contrast") else None,
    )


def sample_to_proto(sample: Sample) -> generator_pb2.Sample:
    """One continuation."""
    return generator_pb2.Sample(
        text=sample.text,
        tokens=sample.tokens,
        logprob=sample.logprob,
        finished=sample.finished,
        clauses=sample.clauses,
    )


def sample_from_proto(message: generator_pb2.Sample) -> Sample:
    """One continuation."""
    return Sample(
        message.text, message.tokens, message.logprob, message.finished, tuple(message.clauses)
    )


def item_to_proto(item: ScoreItem) -> generator_pb2.ScoreItem:
    """What to score."""
    return generator_pb2.ScoreItem(prefix=item.prefix, continuation=item.continuation)


def item_from_proto(message: generator_pb2.ScoreItem) -> ScoreItem:
    """What to score."""
    return ScoreItem(message.prefix, message.continuation)


def score_to_proto(score: Score) -> generator_pb2.ScoreResult:
    """A log-likelihood."""
    return generator_pb2.ScoreResult(
        logprob=score.logprob,
        tokens=score.tokens,
        token_logprobs=score.token_logprobs,
        token_ends=score.token_ends,
    )


def score_from_proto(message: generator_pb2.ScoreResult) -> Score:
    """A log-likelihood."""
    return Score(
        logprob=message.logprob,
        tokens=message.tokens,
        token_logprobs=tuple(message.token_logprobs),
        token_ends=tuple(message.token_ends),
    )
