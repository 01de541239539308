"""The tgi backend with its client package, against the wire format (no TGI runs here)."""

from __future__ import annotations

import asyncio
import importlib.util
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.generator.backends.choice import open_backend
from services.generator.backends.patience import Patience
from services.generator.backends.remote import RemoteBackend
from services.generator.backends.tgi import TgiServer
from services.generator.rpc import GeneratorService
from services.generator.settings import GeneratorSettings
from stillhouse.errors import (
    FailedPrecondition,
    InvalidArgument,
    ResourceExhausted,
    Unavailable,
    Unimplemented,
)
from stillhouse.generator.client import AsyncGeneratorClient
from stillhouse.generator.types import (
    Beam,
    Clause,
    Decoding,
    Literal,
    ModelPointer,
    Prompt,
    ScoreItem,
)
from stillhouse.generator.v1.generator_pb2_grpc import add_GeneratorServiceServicer_to_server
from tests.support.service_process import started
from tests.support.serving import served
from tests.tgi.wire import TgiWireServer, logprobs_after, read, serving, tokens_of

pytestmark = pytest.mark.filterwarnings(
    # text-generation 0.7.0 asks pydantic 2 for what it called `dict` before.
    "ignore:The `dict` method is deprecated"
)

WARM = Decoding(samples=4, max_new_tokens=12, temperature=0.8, top_p=0.9, seed=5)
PROMPTS = [Prompt("a", "the cat"), Prompt("b", "on a mat")]


@pytest.fixture
async def wire() -> AsyncIterator[TgiWireServer]:
    async with serving(TgiWireServer()) as one:
        yield one


async def opened(wire: TgiWireServer, **settings: Any) -> RemoteBackend:
    backend = open_backend(
        GeneratorSettings(backend="tgi", backend_url=wire.url, backend_attempts=3, **settings)
    )
    assert isinstance(backend, RemoteBackend)
    await backend.start()
    wire.requests.clear()
    return backend


def impatient(wire: TgiWireServer, waits: list[float], **settings: Any) -> RemoteBackend:
    """A backend that writes its waits down in place of waiting."""

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    own = GeneratorSettings(backend="tgi", backend_url=wire.url, **settings)
    return RemoteBackend(TgiServer(own, Patience(3, 8, sleep)))


def test_this_environment_can_not_hold_transformers() -> None:
    assert importlib.util.find_spec("torch") is None
    assert importlib.util.find_spec("transformers") is None


async def test_what_the_server_is(wire: TgiWireServer) -> None:
    backend = await opened(wire)
    found = await backend.describe()
    assert found.pointer.uri == f"tgi:{wire.url}#toy/bigrams@0123abc"
    assert found.context_length == 128
    assert not found.score_refused
    assert "STILLHOUSE_BACKEND=transformers" in found.constraints_refused


async def test_each_sample_has_its_seed_and_can_be_had_again(wire: TgiWireServer) -> None:
    backend = await opened(wire)
    first = await backend.generate(PROMPTS, WARM)
    seeds = [one["parameters"]["seed"] for one in wire.requests]
    assert len(set(seeds)) == 8
    asked = {
        (one["parameters"]["temperature"], one["parameters"]["top_p"]) for one in wire.requests
    }
    assert asked == {(0.8, 0.9)}
    alone = [(await backend.generate([prompt], WARM))[0] for prompt in PROMPTS]
    assert str(alone) == str(first)  # NaN does not equal itself
    assert len({sample.text for sample in first[0]}) > 1
    other = await backend.generate(PROMPTS, Decoding(4, 12, 0.8, 0.9, seed=6))
    assert str(other) != str(first)


async def test_log_probabilities_are_told_where_they_are_the_models_own(
    wire: TgiWireServer,
) -> None:
    backend = await opened(wire)
    [[greedy]] = await backend.generate(PROMPTS[:1], Decoding(1, 6, temperature=0))
    assert not wire.requests[-1]["parameters"]["do_sample"]
    expected, last = 0.0, tokens_of(PROMPTS[0].text)[-1]
    for _ in range(greedy.tokens):
        known = logprobs_after(last)
        last = max(known, key=lambda word: known[word])
        expected += known[last]
    assert greedy.logprob == pytest.approx(expected)
    [samples] = await backend.generate(PROMPTS[:1], WARM)
    assert all(math.isnan(sample.logprob) for sample in samples)
    [plain] = await backend.generate(PROMPTS[:1], Decoding(4, 12, temperature=1.0, seed=1))
    assert all(sample.logprob < 0 for sample in plain)


async def test_a_text_counts_up_to_its_first_line(wire: TgiWireServer) -> None:
    backend = await opened(wire)
    [samples] = await backend.generate(PROMPTS[:1], Decoding(64, 20, temperature=1.0, seed=2))
    assert not any("\n" in sample.text for sample in samples)
    assert all(sample.finished or sample.tokens == 20 for sample in samples)
    assert len({sample.tokens for sample in samples}) > 3


async def test_stop_strings_end_a_text_and_are_not_part_of_it(wire: TgiWireServer) -> None:
    backend = await opened(wire, backend_stop=(" END", "\n"))
    [samples] = await backend.generate(PROMPTS[:1], Decoding(64, 20, temperature=1.0, seed=2))
    assert wire.requests[-1]["parameters"]["stop"] == [" END", "\n"]
    assert not any("END" in sample.text for sample in samples)
    assert all(sample.finished for sample in samples if sample.tokens < 20)


async def test_best_of_gives_several_samples_in_one_request_without_seeds(
    wire: TgiWireServer,
) -> None:
    backend = await opened(wire, backend_together=True)
    [samples] = await backend.generate(PROMPTS[:1], WARM)
    assert len(samples) == 4
    asked = [one["parameters"] for one in wire.requests]
    assert [(one["best_of"], one["seed"] is None) for one in asked] == [(3, True), (None, False)]


async def test_scores_are_those_of_the_input(wire: TgiWireServer) -> None:
    backend = await opened(wire)
    items = [
        ScoreItem("the cat", " sat on a mat."),
        ScoreItem("the cat sat", " on\n the mat"),
        ScoreItem("the", ""),
    ]
    scores = await backend.score(items, per_token=True)
    for item, score in zip(items, scores, strict=True):
        kept = len(tokens_of(item.prefix))
        expected = read(item.prefix + item.continuation)[kept:]
        assert score.token_logprobs == tuple(value for _, value in expected)
        assert score.logprob == pytest.approx(math.fsum(value or 0 for _, value in expected))
        ends = [len("".join(token for token, _ in expected[: n + 1])) for n in range(len(expected))]
        assert score.token_ends == tuple(ends)
    [start] = await backend.score([ScoreItem("", "the cat")])
    assert start.tokens == 2


async def test_a_server_without_input_details_says_so_by_name() -> None:
    async with serving(TgiWireServer(prefill=False)) as wire:
        backend = await opened(wire)
        with pytest.raises(Unimplemented, match=r"TGI server at .*enable-prefill-logprobs"):
            await backend.score([ScoreItem("the cat", " sat")])
        assert "enable-prefill-logprobs" in (await backend.describe()).score_refused


@pytest.mark.parametrize(
    "failure",
    [
        (429, {"error": "Model is overloaded", "error_type": "overloaded"}),
        (424, {"error": "Request failed during generation", "error_type": "generation"}),
        (500, {"error": "Incomplete generation", "error_type": "incomplete_generation"}),
        (502, "<html>bad gateway</html>"),
        (503, ""),
        "drop",
    ],
)
async def test_what_may_pass_is_tried_again(wire: TgiWireServer, failure: Any) -> None:
    waits: list[float] = []
    backend = impatient(wire, waits)
    await backend.start()
    wire.failures = [failure, failure]
    [[sample]] = await backend.generate(PROMPTS[:1], Decoding(1, 4, temperature=0))
    assert sample.tokens
    assert len(waits) == 2
    assert 0.125 <= waits[0] <= 0.25 <= waits[1] <= 0.5
    wire.failures = [failure] * 3
    error = ResourceExhausted if failure[0] == 429 else Unavailable
    with pytest.raises(error, match="TGI server at"):
        await backend.generate(PROMPTS[:1], Decoding(1, 4, temperature=0))


async def test_a_request_that_takes_too_long_is_tried_again(wire: TgiWireServer) -> None:
    waits: list[float] = []
    backend = impatient(wire, waits, backend_timeout=0.2)
    await backend.start()
    wire.failures = ["hang"]
    [[sample]] = await backend.generate(PROMPTS[:1], Decoding(1, 4, temperature=0))
    assert sample.tokens
    assert len(waits) == 1


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ((401, ""), "STILLHOUSE_BACKEND_API_KEY"),
        ((404, "nothing here"), "does not answer as TGI does"),
        ((200, {"text": "of something else"}), "does not answer as TGI does"),
        ((200, [{"generated_text": "no details"}]), "does not answer as TGI does"),
        ((500, {"detail": "no error"}), "does not answer as TGI does"),
    ],
)
async def test_what_is_no_such_server_is_not_tried_again(
    wire: TgiWireServer, failure: Any, message: str
) -> None:
    waits: list[float] = []
    backend = impatient(wire, waits)
    await backend.start()
    wire.failures = [failure]
    with pytest.raises(FailedPrecondition, match=message):
        await backend.generate(PROMPTS[:1], Decoding(1, 4, temperature=0))
    assert not waits


async def test_what_the_server_refuses_names_the_prompt(wire: TgiWireServer) -> None:
    backend = await opened(wire)
    with pytest.raises(InvalidArgument, match=r"refuses 'long'.*must be <= 128"):
        await backend.generate([Prompt("long", "the cat " * 90)], WARM)
    with pytest.raises(InvalidArgument, match="must be <= 128"):
        await backend.score([ScoreItem("the cat " * 90, " sat")])


async def test_a_key_is_sent(wire: TgiWireServer) -> None:
    await opened(wire, backend_api_key="secret")
    assert set(wire.keys) == {"Bearer secret"}


async def test_another_model_than_the_one_named(wire: TgiWireServer) -> None:
    with pytest.raises(FailedPrecondition, match=r"toy/bigrams.*STILLHOUSE_BACKEND_MODEL"):
        await opened(wire, backend_model="gpt2")


async def test_a_start_waits_for_the_server() -> None:
    wire = TgiWireServer(failures=[(503, "")] * 2)
    async with serving(wire):
        backend = impatient(wire, [])
        with pytest.raises(Unavailable, match="has not answered yet"):
            _ = backend.loaded
        await backend.start()
        assert backend.loaded is backend


async def test_through_the_door(wire: TgiWireServer) -> None:
    backend = await opened(wire)
    service = GeneratorService(backend, GeneratorSettings())
    name = "stillhouse.generator.v1.GeneratorService"
    constrained = Prompt("a", "the", (Clause((Literal(("cat",)),)),))
    async with (
        served(name, lambda s: add_GeneratorServiceServicer_to_server(service, s)) as target,
        AsyncGeneratorClient(target) as client,
    ):
        description = await client.describe()
        assert description == await backend.describe()
        answers = [one async for one in client.generate(PROMPTS, WARM)]
        assert [prompt_id for prompt_id, _ in answers] == ["a", "b"]
        assert all(len(samples) == 4 for _, samples in answers)
        assert (await client.score([ScoreItem("the", " cat")]))[0].tokens == 1
        wire.requests.clear()
        with pytest.raises(FailedPrecondition, match=r"prompts\[1\].constraints.*=transformers"):
            _ = [one async for one in client.generate([PROMPTS[1], constrained], WARM)]
        with pytest.raises(FailedPrecondition, match=r"decoding.beam.*=transformers"):
            _ = [one async for one in client.generate(PROMPTS, Decoding(1, 4, beam=Beam(width=2)))]
        assert not wire.requests  # before anything was asked
        await client.load_model(description.pointer)
        with pytest.raises(FailedPrecondition, match=r"student.*STILLHOUSE_MODEL_DIGEST"):
            await client.load_model(ModelPointer("/models/student", "ab" * 32))


async def test_a_caller_that_gives_up_ends_its_requests(wire: TgiWireServer) -> None:
    backend = await opened(wire)
    wire.failures = ["hang"] * 2
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(backend.generate(PROMPTS, Decoding(1, 4, temperature=0)), 0.3)
    [[sample]] = await backend.generate(PROMPTS[:1], Decoding(1, 4, temperature=0))
    assert sample.tokens


async def test_the_service_runs_here_and_a_served_checkpoint_may_be_declared(
    wire: TgiWireServer,
) -> None:
    def run() -> None:
        with started(
            "services.generator",
            ROLE="critic",
            BACKEND="tgi",
            BACKEND_URL=wire.url,
            MODEL_URI="/models/toy",
            MODEL_DIGEST="12" * 32,
        ) as process:
            process.wait_for("server asked")
            asyncio.run(ask(process.target))

    async def ask(target: str) -> None:
        async with AsyncGeneratorClient(target) as client:
            while not (found := (await client.describe()).pointer).uri:
                await asyncio.sleep(0.05)
            assert found == ModelPointer("/models/toy", "12" * 32)
            await client.load_model(found)
            [(_, [sample])] = [
                one
                async for one in client.generate(
                    PROMPTS[:1], Decoding(1, 4, temperature=0), model_digest=found.digest
                )
            ]
            assert sample.tokens

    await asyncio.to_thread(run)
