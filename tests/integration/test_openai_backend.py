"""The openai backend against real servers, and against vLLM's form over a tiny model."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from services.checkpoints.digest import digest
from services.checkpoints.load import LoadedModel, load
from services.generator.backends.choice import open_backend
from services.generator.backends.openai import CompletionsServer
from services.generator.backends.patience import Patience
from services.generator.backends.remote import RemoteBackend
from services.generator.rpc import GeneratorService
from services.generator.sampling import sample
from services.generator.scoring import score
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
    Clause,
    Contrast,
    Decoding,
    Literal,
    ModelPointer,
    Prompt,
    ScoreItem,
)
from stillhouse.generator.v1.generator_pb2_grpc import add_GeneratorServiceServicer_to_server
from tests.support.completions_wire import CompletionsWireServer, serving
from tests.support.model_servers import llama_cpp, smollm2, transformers_serve
from tests.support.serving import served
from tests.support.tiny_model import make_tiny_model

NAME = "stillhouse.generator.v1.GeneratorService"
PROMPTS = [Prompt("a", "The capital of France is"), Prompt("b", "Once upon a time")]
WARM = Decoding(samples=4, max_new_tokens=12, temperature=0.9, top_p=0.95, seed=3)
GREEDY = Decoding(samples=1, max_new_tokens=12, temperature=0)


OPEN: list[RemoteBackend] = []


@pytest.fixture(autouse=True)
async def closing() -> AsyncIterator[None]:
    yield
    while OPEN:
        await OPEN.pop().close()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load(make_tiny_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    with llama_cpp(smollm2()) as url:
        yield url


@pytest.fixture(scope="module")
def transformers(tiny: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with transformers_serve(
        Path(tiny.pointer.uri), tmp_path_factory.mktemp("log") / "serve.log"
    ) as url:
        yield url


@pytest.fixture
def wire(tiny: LoadedModel) -> Iterator[CompletionsWireServer]:
    with serving(CompletionsWireServer(tiny)) as one:
        yield one


async def opened(url: str, **settings: Any) -> RemoteBackend:
    backend = open_backend(GeneratorSettings(backend="openai", backend_url=url, **settings))
    assert isinstance(backend, RemoteBackend)
    OPEN.append(backend)
    await backend.start()
    return backend


def server_of(backend: RemoteBackend) -> CompletionsServer:
    assert isinstance(backend._server, CompletionsServer)
    return backend._server


async def impatient(wire: CompletionsWireServer, waits: list[float], **more: Any) -> RemoteBackend:
    """A started backend that writes its waits down in place of waiting."""

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    settings = GeneratorSettings(backend="openai", backend_url=wire.url, **more)
    backend = RemoteBackend(CompletionsServer(settings, Patience(3, 8, sleep)))
    OPEN.append(backend)
    await backend.start()
    wire.requests.clear()
    return backend


# llama.cpp's own server on SmolLM2


async def test_llama_cpp_samples_with_log_probabilities(llama: str) -> None:
    backend = await opened(llama)
    abilities = server_of(backend).abilities
    assert (abilities.draws, abilities.together, abilities.logprobs) == (True, 2, True)
    assert abilities.raw
    assert (await backend.describe()).context_length == 8192
    first = await backend.generate(PROMPTS, WARM)
    assert await backend.generate(PROMPTS, WARM) == first
    assert [len(samples) for samples in first] == [4, 4]
    assert len({one.text for one in first[1]}) > 1
    assert all(one.logprob < 0 and one.tokens > 0 for samples in first for one in samples)
    [[greedy]] = await backend.generate(PROMPTS[:1], GREEDY)
    assert greedy.text == "Paris."
    assert greedy.finished


async def test_llama_cpp_stops_where_it_is_told(llama: str) -> None:
    backend = await opened(llama, backend_stop=("Par",))
    [[cut]] = await backend.generate(PROMPTS[:1], GREEDY)
    assert (cut.text, cut.finished) == ("", True)


async def test_llama_cpp_behind_the_door(llama: str) -> None:
    """It does not echo: Score is refused by name, constraints before anything is asked."""
    backend = await opened(llama)
    service = GeneratorService(backend, GeneratorSettings())
    constrained = Prompt("c", "The cat", (Clause((Literal(("mat",)),)),))
    async with (
        served(NAME, lambda s: add_GeneratorServiceServicer_to_server(service, s)) as target,
        AsyncGeneratorClient(target) as client,
    ):
        found = await client.describe()
        assert found == await backend.describe()
        with pytest.raises(Unimplemented, match=f"the server at {llama} can't score"):
            await client.score([ScoreItem("a", " b")])
        with pytest.raises(FailedPrecondition, match=r"prompts\[1\].constraints.*=transformers"):
            _ = [one async for one in client.generate([PROMPTS[0], constrained], WARM)]
        told_apart = Prompt("c", "The cat", contrast=Contrast(("The dog",), 2.0))
        with pytest.raises(FailedPrecondition, match=r"prompts\[0\].contrast.*=transformers"):
            _ = [one async for one in client.generate([told_apart], WARM)]
        answers = [one async for one in client.generate(PROMPTS, WARM)]
        assert [list(samples) for _, samples in answers] == await backend.generate(PROMPTS, WARM)
        await client.load_model(found.pointer)
        with pytest.raises(FailedPrecondition, match=r"student.*STILLHOUSE_MODEL_URI"):
            await client.load_model(ModelPointer("/models/student", "ab" * 32))


async def test_what_llama_cpp_refuses_names_the_prompt(llama: str) -> None:
    backend = await opened(llama)
    with pytest.raises(InvalidArgument, match=r"refuses 'long'.*400"):
        await backend.generate([Prompt("long", "word " * 2000)], GREEDY)


# transformers' own server on the tiny model


async def test_transformers_serve_writes_what_this_process_writes(
    transformers: str, tiny: LoadedModel
) -> None:
    backend = await opened(transformers, backend_model=tiny.pointer.uri)
    prompts = [Prompt("a", "heap queue"), Prompt("b", "an argument of")]
    theirs = await backend.generate(prompts, GREEDY)
    ours = sample(tiny, prompts, GREEDY)
    assert [[one.text for one in group] for group in theirs] == [
        [one.text for one in group] for group in ours
    ]
    assert all(math.isnan(one.logprob) for group in theirs for one in group)
    with pytest.raises(Unimplemented, match="can't score"):
        await backend.score([ScoreItem("a", " b")])


async def test_a_server_that_does_not_draw_is_found_out(
    transformers: str, tiny: LoadedModel
) -> None:
    """transformers serve is greedy where the model's own settings are, whatever is asked."""
    deaf = await opened(transformers, backend_model=tiny.pointer.uri)
    with pytest.raises(FailedPrecondition, match=r"decoding.temperature.*BACKEND_EXTRA"):
        await deaf.generate(PROMPTS, WARM)
    told = {"generation_config": '{"do_sample": true, "eos_token_id": 0}'}
    backend = await opened(transformers, backend_model=tiny.pointer.uri, backend_extra=told)
    [samples] = await backend.generate(PROMPTS[:1], WARM)
    assert len({one.text for one in samples}) > 1


# vLLM's form


async def test_scores_equal_those_of_this_process(
    wire: CompletionsWireServer, tiny: LoadedModel
) -> None:
    backend = await opened(wire.url, backend_start="<|end|>")
    items = [
        ScoreItem("heap queue", " algorithm of priority"),
        ScoreItem("the ", "größte 😀 Übung"),
        ScoreItem("", " heap"),
        ScoreItem("heap", ""),
    ]
    for theirs, ours in zip(
        await backend.score(items, per_token=True), whole(tiny, items), strict=True
    ):
        assert theirs.logprob == pytest.approx(ours, abs=1e-3)
        assert sum(theirs.token_logprobs) == pytest.approx(theirs.logprob)


def whole(tiny: LoadedModel, items: list[ScoreItem]) -> list[float]:
    """Log-likelihoods of texts tokenised as a whole, as a server does."""
    totals = []
    for item in items:
        prefix = item.prefix or "<|end|>"
        encoded = tiny.tokenizer(
            prefix + item.continuation, add_special_tokens=False, return_offsets_mapping=True
        )
        ids = encoded["input_ids"]
        with torch.inference_mode():
            logprobs = tiny.model(torch.tensor([ids])).logits[0].log_softmax(-1)
        totals.append(
            math.fsum(
                float(logprobs[place - 1, ids[place]])
                for place, (_, end) in enumerate(encoded["offset_mapping"])
                if end > len(prefix)
            )
        )
    return totals


async def test_a_text_that_starts_with_the_continuation_needs_a_start(
    wire: CompletionsWireServer,
) -> None:
    backend = await opened(wire.url)
    with pytest.raises(Unimplemented, match="STILLHOUSE_BACKEND_START"):
        await backend.score([ScoreItem("", "heap")])


async def test_an_echo_of_other_places_is_found_out(tiny: LoadedModel) -> None:
    with serving(CompletionsWireServer(tiny, shifted=True)) as wire:
        backend = await opened(wire.url)
        with pytest.raises(Unimplemented, match="can't be trusted"):
            await backend.score([ScoreItem("heap", " queue")])
        assert "can't be trusted" in (await backend.describe()).score_refused


async def test_many_samples_in_one_request(wire: CompletionsWireServer) -> None:
    backend = await impatient(wire, [])
    many = Decoding(samples=70, max_new_tokens=3, temperature=1.0, seed=1)
    [samples] = await backend.generate(PROMPTS[:1], many)
    assert len(samples) == 70
    assert [one.get("n", 1) for one in wire.requests] == [64, 6]
    assert await backend.generate(PROMPTS[:1], many) == [samples]
    single = await impatient(wire, [], backend_together=False)
    await single.generate(PROMPTS[:1], many)
    assert [one.get("n", 1) for one in wire.requests] == [1] * 70
    assert len({one["seed"] for one in wire.requests}) == 70


async def test_a_batch_is_sampled_as_its_prompts_are_alone(wire: CompletionsWireServer) -> None:
    backend = await impatient(wire, [])
    both = await backend.generate(PROMPTS, WARM)
    alone = [(await backend.generate([prompt], WARM))[0] for prompt in PROMPTS]
    assert both == alone


@pytest.mark.parametrize("tempered", [False, True])
async def test_tempered_log_probabilities_do_not_pass_for_the_models(
    tiny: LoadedModel, tempered: bool
) -> None:
    with serving(CompletionsWireServer(tiny, tempered=tempered)) as wire:
        backend = await impatient(wire, [])
        [samples] = await backend.generate(PROMPTS[:1], WARM)
        assert [math.isnan(one.logprob) for one in samples] == [tempered] * 4
        plain = Decoding(samples=4, max_new_tokens=12, temperature=1.0, seed=1)
        [samples] = await backend.generate(PROMPTS[:1], plain)
        assert all(one.logprob < 0 for one in samples)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_may_pass_is_tried_again(wire: CompletionsWireServer, status: int) -> None:
    waits: list[float] = []
    backend = await impatient(wire, waits)
    waits.clear()
    wire.failures = [(status, {"retry-after": "3"}, '{"error": {"message": "full"}}')] * 2
    [[one]] = await backend.generate(PROMPTS[:1], GREEDY)
    assert one.tokens
    assert waits == [3.0, 3.0]
    wire.failures = [(status, {}, "full")] * 3
    with pytest.raises(ResourceExhausted if status == 429 else Unavailable, match="full"):
        await backend.generate(PROMPTS[:1], GREEDY)


async def test_a_request_that_takes_too_long_is_tried_again(wire: CompletionsWireServer) -> None:
    waits: list[float] = []
    backend = await impatient(wire, waits, backend_timeout=2.0)
    wire.failures = [3.0]
    [[one]] = await backend.generate(PROMPTS[:1], GREEDY)
    assert one.tokens
    assert len(waits) == 1


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ((401, {}, "no"), "STILLHOUSE_BACKEND_API_KEY"),
        ((302, {}, ""), "does not answer as a server of completions"),
        ((200, {}, '{"text": "other"}'), "choices: Field required"),
        ((200, {}, "<html>"), "does not answer as a server of completions"),
        ((200, {}, '{"choices": []}'), "0 choices, not 1"),
    ],
)
async def test_what_is_no_such_server_is_not_tried_again(
    wire: CompletionsWireServer, failure: tuple[int, dict[str, str], str], message: str
) -> None:
    waits: list[float] = []
    backend = await impatient(wire, waits)
    wire.failures = [failure]
    with pytest.raises(FailedPrecondition, match=message):
        await backend.generate(PROMPTS[:1], GREEDY)
    assert not waits


async def test_a_caller_that_gives_up_ends_its_requests(wire: CompletionsWireServer) -> None:
    backend = await impatient(wire, [])
    patient = await opened(wire.url)
    wire.failures = [(503, {"retry-after": "30"}, "")] * 2
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(patient.generate(PROMPTS, GREEDY), 0.5)
    [[one]] = await backend.generate(PROMPTS[:1], GREEDY)
    assert one.tokens


async def test_a_key_is_sent_and_a_start_waits(wire: CompletionsWireServer) -> None:
    wire.failures = [(503, {}, "loading")] * 3
    waits: list[float] = []
    backend = await impatient(wire, waits, backend_api_key="secret")
    assert set(wire.keys) == {"Bearer secret"}
    assert len(waits) == 2
    assert backend.loaded is backend


async def test_a_model_that_is_not_there(wire: CompletionsWireServer) -> None:
    backend = await opened(wire.url, backend_model="tiny")
    assert backend.pointer.uri == f"openai:{wire.url}#tiny"
    assert (await backend.describe()).context_length == 2048


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "STILLHOUSE_BACKEND_URL"),
        ("localhost:80", "STILLHOUSE_BACKEND_URL"),
        ("http://user:pass@host", "STILLHOUSE_BACKEND_API_KEY"),
    ],
)
def test_an_address_that_is_none(url: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        open_backend(GeneratorSettings(backend="openai", backend_url=url))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"model_uri": "/models/a"}, "STILLHOUSE_MODEL_DIGEST.*No such file"),
        ({"model_digest": "ab" * 32}, "STILLHOUSE_MODEL_URI"),
    ],
)
def test_half_a_declaration_is_refused(
    wire: CompletionsWireServer, given: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidArgument, match=named):
        open_backend(GeneratorSettings(backend="openai", backend_url=wire.url, **given))


async def test_a_served_checkpoint_that_can_be_read_is_digested(
    wire: CompletionsWireServer, tmp_path: Path
) -> None:
    """As the trainer does it, which then knows the server's model for the teacher."""
    (tmp_path / "config.json").write_text("{}")
    backend = await opened(wire.url, model_uri=str(tmp_path))
    assert backend.pointer == ModelPointer(str(tmp_path), digest(tmp_path))
    assert await backend.load(ModelPointer("/elsewhere", digest(tmp_path))) is backend


async def test_a_served_checkpoint_may_be_declared(
    wire: CompletionsWireServer, tiny: LoadedModel
) -> None:
    pointer = tiny.pointer
    backend = await opened(wire.url, model_uri=pointer.uri, model_digest=pointer.digest)
    assert await backend.load(pointer) is backend
    assert backend.pointer == pointer


def test_a_missing_package_is_named() -> None:
    with pytest.raises(FailedPrecondition, match=r"package \w+, .*stillhouse-services\[tgi\]"):
        open_backend(GeneratorSettings(backend="tgi", backend_url="http://127.0.0.1:1"))


def test_a_generator_that_calls_a_server_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, services.generator.__main__, services.generator.backends.openai\n"
        "print([one for one in ('torch', 'transformers', 'tokenizers') if one in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_scores_of_this_process_are_near(tiny: LoadedModel) -> None:
    """The oracle of the server's scores is itself held against the scoring that is used."""
    items = [ScoreItem("heap queue", " algorithm of priority")]
    [ours] = score(tiny, items)
    assert ours.logprob == pytest.approx(whole(tiny, items)[0], abs=1e-3)
