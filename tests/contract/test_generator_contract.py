"""What protos/stillhouse/generator/v1 promises, over a real socket and a tiny model."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.generator.backends import transformers
from services.generator.backends.transformers import TransformersBackend
from services.generator.indexes import Indexes
from services.generator.model import ModelHolder
from services.generator.rpc import GeneratorService
from services.generator.settings import GeneratorSettings
from services.index.build import build_index
from stillhouse.errors import (
    Cancelled,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
)
from stillhouse.generator.client import AsyncGeneratorClient
from stillhouse.generator.types import (
    Beam,
    Clause,
    Contrast,
    Decoding,
    Infgram,
    Literal,
    ModelPointer,
    Outline,
    Prompt,
    ScoreItem,
    Step,
)
from stillhouse.generator.v1 import generator_pb2, generator_pb2_grpc
from stillhouse.generator.v1.generator_pb2_grpc import add_GeneratorServiceServicer_to_server
from stillhouse.index.client import IndexClient
from stillhouse.local.stack import free_ports
from tests.support.service_process import started
from tests.support.serving import served
from tests.support.small_index import TEXTS, make_ids_index
from tests.support.tiny_model import make_tiny_model

NAME = "stillhouse.generator.v1.GeneratorService"
PROMPTS = [Prompt("a", "Return the heap"), Prompt("b", "A list")]
DECODING = Decoding(samples=2, max_new_tokens=5, seed=1)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[ModelPointer]:
    folder = tmp_path_factory.mktemp("models")
    return [make_tiny_model(folder / str(seed), seed) for seed in range(2)]


@pytest.fixture
def holder() -> ModelHolder:
    return ModelHolder(max_waiting=1)


@pytest.fixture
async def target(holder: ModelHolder) -> AsyncIterator[str]:
    service = GeneratorService(
        TransformersBackend(holder), GeneratorSettings(max_items=4, max_samples=8)
    )
    async with served(NAME, lambda s: add_GeneratorServiceServicer_to_server(service, s)) as one:
        yield one


@pytest.fixture
async def client(target: str) -> AsyncIterator[AsyncGeneratorClient]:
    async with AsyncGeneratorClient(target) as one:
        yield one


async def test_describe_before_and_after_a_load(
    client: AsyncGeneratorClient, models: list[ModelPointer]
) -> None:
    assert (await client.describe()).pointer.digest == ""
    assert (await client.load_model(models[0])).digest == models[0].digest
    description = await client.describe()
    assert description.pointer.digest == models[0].digest
    assert description.architecture == "LlamaForCausalLM"
    assert description.context_length == 2048
    assert description.parameters > 10_000


async def test_nothing_loaded_is_unavailable(client: AsyncGeneratorClient) -> None:
    with pytest.raises(Unavailable, match="no model"):
        await client.score([ScoreItem("a", "b")])


async def test_load_without_uri_is_invalid(client: AsyncGeneratorClient) -> None:
    with pytest.raises(InvalidArgument, match=r"model\.uri"):
        await client.load_model(ModelPointer(""))


async def test_load_of_nothing_is_not_found(client: AsyncGeneratorClient, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no model at"):
        await client.load_model(ModelPointer(str(tmp_path / "none")))


async def test_load_with_a_wrong_digest_is_refused(
    client: AsyncGeneratorClient, models: list[ModelPointer]
) -> None:
    with pytest.raises(FailedPrecondition, match="digest"):
        await client.load_model(replace(models[0], digest="0" * 64))
    assert (await client.describe()).pointer.digest == ""


async def test_a_critic_keeps_its_model(models: list[ModelPointer]) -> None:
    holder = ModelHolder(frozen=True)
    await holder.load(models[0])
    service = GeneratorService(TransformersBackend(holder), GeneratorSettings())
    async with (
        served(NAME, lambda s: add_GeneratorServiceServicer_to_server(service, s)) as target,
        AsyncGeneratorClient(target) as client,
    ):
        assert (await client.load_model(models[0])).digest == models[0].digest
        with pytest.raises(FailedPrecondition, match="critic"):
            await client.load_model(models[1])


async def test_the_same_request_gives_the_same_samples_in_order(
    client: AsyncGeneratorClient, models: list[ModelPointer]
) -> None:
    await client.load_model(models[0])
    one = [answer async for answer in client.generate(PROMPTS, DECODING)]
    two = [answer async for answer in client.generate(PROMPTS, DECODING)]
    assert one == two
    assert [prompt_id for prompt_id, _ in one] == ["a", "b"]
    assert all(len(samples) == 2 for _, samples in one)


async def test_constraints_are_met_and_told_of(
    client: AsyncGeneratorClient, models: list[ModelPointer]
) -> None:
    await client.load_model(models[0])
    clauses = (Clause((Literal(("heap",)),)), Clause((Literal(("the",), exclude=True),)))
    prompts = [Prompt("a", "Return the", clauses), PROMPTS[1]]
    for decoding in (
        replace(DECODING, max_new_tokens=12, guidance=3.0),
        replace(DECODING, max_new_tokens=12, beam=Beam(width=4)),
    ):
        answers = dict([answer async for answer in client.generate(prompts, decoding)])
        assert [one.clauses for one in answers["a"]] == [(True, True)] * 2
        assert all("heap" in one.text.lower() for one in answers["a"])
        assert all(one.clauses == () for one in answers["b"])


async def test_an_outline_is_written_along_and_told_of(
    client: AsyncGeneratorClient, models: list[ModelPointer]
) -> None:
    await client.load_model(models[0])
    passage = tuple(map(Step, ["Smallest", "item", "first"]))
    prompts = [Prompt("a", "Return the", (), Outline((passage,), least=2)), PROMPTS[1]]
    decoding = replace(DECODING, max_new_tokens=40)
    answers = dict([answer async for answer in client.generate(prompts, decoding)])
    assert all(one.finished and one.clauses == (True,) for one in answers["a"])
    assert {word.strip(".").lower() for one in answers["a"] for word in one.text.split()} <= {
        "smallest",
        "item",
        "first",
    }
    with pytest.raises(InvalidArgument, match=r"prompts\[0\]\.outline"):
        async for _ in client.generate(prompts, replace(decoding, beam=Beam(width=4))):
            pass


async def test_a_contrast_changes_what_is_written(
    client: AsyncGeneratorClient, models: list[ModelPointer]
) -> None:
    await client.load_model(models[0])
    told = Prompt("a", "Return the", contrast=Contrast(("A heap is",), 3.0))

    async def written(prompt: Prompt, decoding: Decoding = DECODING) -> list[str]:
        answers = [answer async for answer in client.generate([prompt], decoding)]
        return [one.text for one in answers[0][1]]

    assert await written(told) == await written(told)
    assert await written(told) != await written(replace(told, contrast=None))
    with pytest.raises(InvalidArgument, match=r"prompts\[0\]\.contrast.*beam"):
        await written(told, replace(DECODING, beam=Beam(width=4)))
    with pytest.raises(InvalidArgument, match=r"prompts\[0\]\.contrast\.negative_prompts"):
        await written(replace(told, contrast=Contrast((), 3.0)))


async def test_what_a_contrast_reads_counts_for_the_limit(
    client: AsyncGeneratorClient, models: list[ModelPointer]
) -> None:
    await client.load_model(models[0])
    told = Prompt("a", "Return the", contrast=Contrast(("A heap is",) * 4, 3.0))
    with pytest.raises(InvalidArgument, match="asks for 10, the limit of one call is 8"):
        async for _ in client.generate([told], DECODING):
            pass


async def test_a_senseless_constraint_is_named(
    client: AsyncGeneratorClient, models: list[ModelPointer]
) -> None:
    await client.load_model(models[0])
    prompts = [PROMPTS[0], Prompt("b", "A", (Clause(()),))]
    with pytest.raises(InvalidArgument, match=r"prompts\[1\]\.constraints\[0\]"):
        async for _ in client.generate(prompts, DECODING):
            pass


async def test_another_model_than_asked_for_is_refused(
    client: AsyncGeneratorClient, models: list[ModelPointer]
) -> None:
    await client.load_model(models[0])
    with pytest.raises(FailedPrecondition, match="LoadModel"):
        await client.score([ScoreItem("a", "b")], model_digest=models[1].digest)
    with pytest.raises(FailedPrecondition, match="LoadModel"):
        async for _ in client.generate(PROMPTS, DECODING, models[1].digest):
            pass


@pytest.mark.parametrize(
    ("decoding", "field"),
    [
        (replace(DECODING, samples=0), "decoding.samples"),
        (replace(DECODING, max_new_tokens=0), "decoding.max_new_tokens"),
        (replace(DECODING, temperature=-1.0), "decoding.temperature"),
        (replace(DECODING, temperature=float("nan")), "decoding.temperature"),
        (replace(DECODING, top_p=0.0), "decoding.top_p"),
        (replace(DECODING, top_p=1.5), "decoding.top_p"),
        (replace(DECODING, guidance=-1.0), "decoding.guidance"),
        (replace(DECODING, beam=Beam(width=0)), "decoding.beam.width"),
        (replace(DECODING, beam=Beam(strength=float("nan"))), "decoding.beam.strength"),
        (replace(DECODING, infgram=Infgram(1.0, 0)), "decoding.infgram.weight"),
        (replace(DECODING, infgram=Infgram(0, float("nan"))), "decoding.infgram.sparse_weight"),
        (replace(DECODING, infgram=Infgram(0, 0.9, 0)), "decoding.infgram.min_suffix"),
        (replace(DECODING, samples=9), "prompts"),
    ],
)
async def test_generate_names_the_parameter_that_is_wrong(
    client: AsyncGeneratorClient, models: list[ModelPointer], decoding: Decoding, field: str
) -> None:
    await client.load_model(models[0])
    with pytest.raises(InvalidArgument) as caught:
        async for _ in client.generate(PROMPTS, decoding):
            pass
    assert caught.value.field == field


async def test_generate_refuses_two_prompts_of_one_id(
    client: AsyncGeneratorClient, models: list[ModelPointer]
) -> None:
    await client.load_model(models[0])
    with pytest.raises(InvalidArgument, match=r"prompts\[1\]\.id"):
        async for _ in client.generate([PROMPTS[0], PROMPTS[0]], DECODING):
            pass


async def test_score_over_the_limit_is_invalid(
    client: AsyncGeneratorClient, models: list[ModelPointer]
) -> None:
    await client.load_model(models[0])
    with pytest.raises(InvalidArgument, match=r"items.*5.*4"):
        await client.score([ScoreItem("a", "b")] * 5)


async def test_waiting_calls_over_the_limit_are_told_when_to_come_back(
    client: AsyncGeneratorClient, holder: ModelHolder, models: list[ModelPointer]
) -> None:
    await client.load_model(models[0])
    release = threading.Event()
    assert holder.loaded is not None
    busy = asyncio.ensure_future(
        holder.use(holder.loaded, lambda _model, _cancelled: release.wait())
    )
    await asyncio.sleep(0)  # it waits for the model now
    with pytest.raises(ResourceExhausted) as caught:
        await client.score([ScoreItem("a", "b")])
    assert caught.value.retry_after == 1.0
    release.set()
    assert await busy


async def test_a_deadline_ends_the_call_and_the_work(
    target: str,
    holder: ModelHolder,
    models: list[ModelPointer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sampler's part, to stop when it is told, has its own test."""
    stopped = threading.Event()

    def endless(*arguments: Any) -> NoReturn:
        while not arguments[3]():
            time.sleep(0.01)
        stopped.set()
        raise Cancelled("the caller gave up")

    monkeypatch.setattr(transformers, "decode", endless)
    await holder.load(models[0])
    async with AsyncGeneratorClient(target, timeout=0.3) as hasty:
        with pytest.raises(DeadlineExceeded):
            async for _ in hasty.generate(PROMPTS, DECODING):
                pass
    assert await asyncio.to_thread(stopped.wait, 30)


MIXED = replace(DECODING, infgram=Infgram(0.5, 0.9))


@pytest.fixture(scope="module")
def indexes(models: list[ModelPointer], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with an index cut by the models' tokenizer, and one of bare ids."""
    folder = tmp_path_factory.mktemp("indexes")
    build_index(TEXTS, Path(models[0].uri) / "tokenizer.json", folder / "texts")
    make_ids_index(folder / "ids")
    both = f"texts={folder}/texts,ids={folder}/ids"
    with (
        started("services.index", INDEXES=both, INDEX_ROOT=str(folder)) as one,
        IndexClient(one.target) as client,
    ):
        for _ in range(2):
            one.wait_for("index ready")
        client.set_alias("latest", "texts")
        yield one.target


@asynccontextmanager
async def beside(target: str, model: ModelPointer) -> AsyncIterator[AsyncGeneratorClient]:
    """A generator that has an index service."""
    holder = ModelHolder()
    await holder.load(model)
    backend = TransformersBackend(holder, indexes=Indexes(IndexClient(target), target))
    service = GeneratorService(backend, GeneratorSettings())
    async with (
        served(NAME, lambda s: add_GeneratorServiceServicer_to_server(service, s)) as own,
        AsyncGeneratorClient(own) as client,
    ):
        yield client
    await backend.close()


async def written(client: AsyncGeneratorClient, decoding: Decoding) -> dict[str, list[str]]:
    answers = client.generate(PROMPTS, decoding)
    return {key: [one.text for one in samples] async for key, samples in answers}


async def test_indexes_are_told_of_and_mixed_in(indexes: str, models: list[ModelPointer]) -> None:
    async with beside(indexes, models[0]) as client:
        found = await client.describe()
        assert found.infgram_refused == ""
        assert sorted(found.indexes) == ["latest", "texts"]  # neither the ids nor an only one
        (digest,) = set(found.indexes.values())
        assert len(digest) == 64
        wanted = replace(MIXED.infgram, index="latest", digest=digest)  # type: ignore[type-var]
        mixed = await written(client, replace(MIXED, infgram=wanted))
        assert mixed == await written(client, replace(MIXED, infgram=wanted))
        assert mixed != await written(client, DECODING)


@pytest.mark.parametrize(
    ("infgram", "said"),
    [
        (Infgram(0.5, 0.5, index="ids"), r"decoding\.infgram\.index.*latest, texts"),
        (Infgram(0.5, 0.5), r"none is named ''"),
        (Infgram(0.5, 0.5, index="texts", digest="0" * 64), r"decoding\.infgram\.digest"),
    ],
)
async def test_an_index_that_is_not_the_one_is_refused(
    indexes: str, models: list[ModelPointer], infgram: Infgram, said: str
) -> None:
    async with beside(indexes, models[0]) as client:
        with pytest.raises(FailedPrecondition, match=said):
            await written(client, replace(DECODING, infgram=infgram))


async def test_without_an_index_service_mixing_is_refused(
    client: AsyncGeneratorClient, models: list[ModelPointer]
) -> None:
    await client.load_model(models[0])
    assert "STILLHOUSE_INDEX_TARGET" in (await client.describe()).infgram_refused
    with pytest.raises(FailedPrecondition, match="STILLHOUSE_INDEX_TARGET"):
        await written(client, MIXED)


async def test_an_index_service_that_is_away_is_told_of(models: list[ModelPointer]) -> None:
    (port,) = free_ports(1)
    async with beside(f"127.0.0.1:{port}", models[0]) as client:
        found = await client.describe()
        assert found.pointer.digest == models[0].digest
        assert f"127.0.0.1:{port}" in found.infgram_refused
        with pytest.raises(Unavailable, match=f"127.0.0.1:{port}"):
            await written(client, MIXED)


async def test_an_index_of_another_tokenizer_is_not_told_of(
    indexes: str, models: list[ModelPointer], tmp_path: Path
) -> None:
    pointer = make_tiny_model(tmp_path / "other")
    file = tmp_path / "other" / "tokenizer.json"
    file.write_text(file.read_text() + " ")
    async with beside(indexes, replace(pointer, digest="")) as client:
        found = await client.describe()
        assert not found.indexes
        assert "none of the 2 indexes" in found.infgram_refused


async def test_a_beam_with_an_index_is_refused(indexes: str, models: list[ModelPointer]) -> None:
    async with beside(indexes, models[0]) as client:
        asked = replace(MIXED, beam=Beam(width=4), infgram=Infgram(0.5, 0.5, index="texts"))
        with pytest.raises(InvalidArgument) as caught:
            await written(client, asked)
        assert caught.value.field == "decoding.infgram"


@given(
    st.builds(
        generator_pb2.GenerateRequest,
        model_digest=st.text(max_size=4),
        prompts=st.lists(
            st.builds(generator_pb2.Prompt, id=st.text(max_size=2), text=st.text(max_size=9)),
            max_size=3,
        ),
        decoding=st.builds(
            generator_pb2.Decoding,
            samples=st.integers(0, 3),
            max_new_tokens=st.integers(0, 3),
            temperature=st.floats(width=32),
            top_p=st.floats(width=32) | st.floats(0, 1, width=32),
            seed=st.integers(0, 2**64 - 1),
            infgram=st.none()
            | st.builds(
                generator_pb2.Infgram,
                index=st.text(max_size=3),
                weight=st.floats() | st.floats(0, 1),
                min_suffix=st.integers(0, 3),
            ),
        ),
    )
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_request_is_a_defect(
    models: list[ModelPointer], message: generator_pb2.GenerateRequest
) -> None:
    asyncio.run(_answers_politely(models[0], message))


async def _answers_politely(model: ModelPointer, request: generator_pb2.GenerateRequest) -> None:
    holder = ModelHolder()
    await holder.load(model)
    service = GeneratorService(TransformersBackend(holder), GeneratorSettings())
    async with (
        served(NAME, lambda s: add_GeneratorServiceServicer_to_server(service, s)) as target,
        grpc.aio.insecure_channel(target) as channel,
    ):
        call = generator_pb2_grpc.GeneratorServiceStub(channel).Generate(request, timeout=10)
        with contextlib.suppress(grpc.aio.AioRpcError):  # the code comes behind the messages
            async for _ in call:
                pass
        assert await call.code() in {
            grpc.StatusCode.OK,
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.FAILED_PRECONDITION,
        }
