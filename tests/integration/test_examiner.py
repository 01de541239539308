"""Examining systems through real doors: a generator, a filter, and a critic of its own."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from services.filter.evidence import Backends
from services.filter.remote import Limits, RemoteCritic
from services.filter.rpc import SERVICE, FilterService
from services.generator.backends.choice import open_backend
from services.generator.rpc import GeneratorService
from services.generator.settings import GeneratorSettings
from services.trainer.evaluation import samples_of
from services.trainer.examiner import Examiner
from services.trainer.files import RunFolder
from stillhouse.corpus import SourceDocument
from stillhouse.filter.client import AsyncFilterClient
from stillhouse.filter.v1.filter_pb2_grpc import add_FilterServiceServicer_to_server
from stillhouse.generator.client import AsyncGeneratorClient, Samples
from stillhouse.generator.types import Decoding, ModelPointer, Prompt
from stillhouse.generator.v1.generator_pb2_grpc import add_GeneratorServiceServicer_to_server
from stillhouse.recipe import Recipe
from tests.support.serving import served
from tests.support.tiny_model import make_tiny_model
from tests.unit.filter.fakes import FakeIndex

GENERATOR = "stillhouse.generator.v1.GeneratorService"
DOCUMENTS = [
    SourceDocument("a", "A heap keeps its smallest item first. It is stored in a list.", "A heap."),
    SourceDocument("b", "Arguments are parsed by a parser. It prints help.", "Parsing arguments."),
]
PROMPTS = {one.id: f"{one.text}\nIn short:" for one in DOCUMENTS}
RECIPE = Recipe.parse(
    """
    generation: {max_new_tokens: 8}
    filter: {layers: [{name: brevity}, {name: faithfulness}]}
    evaluation: {resamples: 10}
    """
)


class CountingClient(AsyncGeneratorClient):
    """Counts the prompts that are answered."""

    asked = 0

    async def generate(
        self, prompts: Iterable[Prompt], decoding: Decoding, model_digest: str = "", **more: Any
    ) -> AsyncIterator[Samples]:
        listed = list(prompts)
        self.asked += len(listed)
        async for one in super().generate(listed, decoding, model_digest, **more):
            yield one


@asynccontextmanager
async def generator(model: ModelPointer) -> AsyncIterator[str]:
    settings = GeneratorSettings(threads=1)
    backend = open_backend(settings)
    await backend.start()
    await backend.load(model)
    service = GeneratorService(backend, settings)
    async with served(
        GENERATOR, lambda one: add_GeneratorServiceServicer_to_server(service, one)
    ) as target:
        yield target
    await backend.close()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelPointer, ModelPointer]:
    folder = tmp_path_factory.mktemp("models")
    return make_tiny_model(folder / "one"), make_tiny_model(folder / "other", seed=1)


Make = Callable[..., Examiner]


@pytest.fixture
async def doors(
    models: tuple[ModelPointer, ModelPointer], tmp_path: Path
) -> AsyncIterator[tuple[CountingClient, Make]]:
    """A client of the generator, and what makes examiners that share one folder."""
    async with AsyncExitStack() as stack:

        async def filter_of(critic: str) -> AsyncFilterClient:
            client = await stack.enter_async_context(AsyncGeneratorClient(critic))
            backends = Backends(RemoteCritic(client, Limits()), FakeIndex())
            service = FilterService(backends, max_candidates=64)
            target = await stack.enter_async_context(
                served(SERVICE, lambda one: add_FilterServiceServicer_to_server(service, one))
            )
            return await stack.enter_async_context(AsyncFilterClient(target))

        targets = [await stack.enter_async_context(generator(model)) for model in models]
        writer = await stack.enter_async_context(CountingClient(targets[0]))
        judge, other = [await filter_of(target) for target in targets]

        def make(recipe: Recipe = RECIPE, *, independent: bool = False) -> Examiner:
            folder = RunFolder(tmp_path)
            extra = other if independent else None
            return Examiner(writer, judge, recipe, folder, DOCUMENTS, lambda _: None, extra)

        yield writer, make


def rows(folder: Path, system: str = "teacher") -> list[dict[str, Any]]:
    return list(pq.read_table(RunFolder(folder).evaluation(system)).to_pylist())


def changed(recipe: Recipe, **evaluation: Any) -> Recipe:
    section = recipe.evaluation.model_copy(update=evaluation)
    return recipe.model_copy(update={"evaluation": section})


async def test_what_is_there_is_neither_written_nor_judged_again(
    doors: tuple[CountingClient, Make], models: tuple[ModelPointer, ModelPointer], tmp_path: Path
) -> None:
    writer, make = doors
    await make().model("teacher", models[0], PROMPTS)
    first = rows(tmp_path)
    path = RunFolder(tmp_path).evaluation("teacher")
    before = path.stat().st_mtime_ns
    await make().model("teacher", models[0], PROMPTS)
    assert path.stat().st_mtime_ns == before
    assert writer.asked == len(DOCUMENTS)
    assert [row["source_id"] for row in first] == ["a", "b"]
    assert all(math.isfinite(row["pmi"]) for row in first if row["text"])
    assert all(0 <= row["coverage"] <= 1 for row in first)


async def test_other_prompts_or_another_model_are_examined_anew(
    doors: tuple[CountingClient, Make], models: tuple[ModelPointer, ModelPointer], tmp_path: Path
) -> None:
    writer, make = doors
    await make().model("teacher", models[0], PROMPTS)
    first = rows(tmp_path)
    await make().model("teacher", models[1], PROMPTS)
    assert rows(tmp_path) != first
    other = {name: f"{text} so" for name, text in PROMPTS.items()}
    await make().model("teacher", models[1], other)
    assert writer.asked == 3 * len(DOCUMENTS)


async def test_other_thresholds_and_words_judge_the_same_texts(
    doors: tuple[CountingClient, Make], models: tuple[ModelPointer, ModelPointer], tmp_path: Path
) -> None:
    writer, make = doors
    await make().model("teacher", models[0], PROMPTS)
    first = rows(tmp_path)
    await make(changed(RECIPE, words=1)).model("teacher", models[0], PROMPTS)
    cut = rows(tmp_path)
    lenient = Recipe.parse(
        "{generation: {max_new_tokens: 8}, filter: {layers: [{name: brevity, thresholds: "
        "{ratio: 99, min_words: 0, max_words: 999}}]}}"
    )
    await make(lenient).model("teacher", models[0], PROMPTS)
    assert writer.asked == len(DOCUMENTS)
    assert [row["text"] for row in cut] == [row["text"] for row in first]
    assert not any(row["passed"] for row in first)
    assert all(row["passed"] for row in rows(tmp_path) if row["text"])


async def test_an_independent_critic_adds_its_scores_and_a_resumed_run_keeps_them(
    doors: tuple[CountingClient, Make], models: tuple[ModelPointer, ModelPointer], tmp_path: Path
) -> None:
    _, make = doors
    await make().texts("lead sentence", [one.text.split(". ")[0] for one in DOCUMENTS])
    assert all(math.isnan(row["independent_pmi"]) for row in rows(tmp_path, "lead sentence"))
    recipe = changed(RECIPE, critic="other")
    texts = [one.text.split(". ")[0] for one in DOCUMENTS]
    await make(recipe, independent=True).texts("lead sentence", texts)
    found = rows(tmp_path, "lead sentence")
    assert all(math.isfinite(row["independent_pmi"]) for row in found)
    assert all(math.isfinite(row["independent_saliency"]) for row in found)
    assert all(row["independent_pmi"] != row["pmi"] for row in found)
    await make(recipe).texts("lead sentence", texts)  # the trainer, which has no such filter
    assert rows(tmp_path, "lead sentence") == found
    await make(changed(RECIPE, critic="third"), independent=True).texts("lead sentence", texts)
    assert (
        pq.read_schema(RunFolder(tmp_path).evaluation("lead sentence")).metadata[b"critic"]
        == b"third"
    )


async def test_what_a_model_told_of_its_texts_is_judged_too(
    doors: tuple[CountingClient, Make], models: tuple[ModelPointer, ModelPointer], tmp_path: Path
) -> None:
    writer, make = doors

    def recipe(least: float) -> Recipe:
        layer = f"{{name: fluency, thresholds: {{logprob: {least}}}}}"
        constrained = "constraints: {keywords: 1}, generation: {max_new_tokens: 8}"
        return Recipe.parse(f"{{{constrained}, filter: {{layers: [{layer}]}}}}")

    for least, expected in ((-0.1, "fluency.unlikely"), (-99, "")):
        await make(recipe(least)).model("teacher", models[0], PROMPTS)
        assert {row["reason"] for row in rows(tmp_path) if row["text"]} == {expected}
        await make(recipe(least)).baselines()
        assert all(row["passed"] for row in rows(tmp_path, "copy"))
    assert writer.asked == len(DOCUMENTS)
    told = samples_of(pq.read_table(RunFolder(tmp_path).evaluation("teacher")))
    assert told is not None
    assert all(one.tokens for one in told)


async def test_baselines_are_examined_like_any_system(
    doors: tuple[CountingClient, Make], tmp_path: Path
) -> None:
    writer, make = doors
    await make().baselines()
    names = {path.stem for path in RunFolder(tmp_path).evaluations()}
    assert names == {"lead sentence", "lead words", "random sentence", "copy"}
    assert [row["text"] for row in rows(tmp_path, "copy")] == [one.text for one in DOCUMENTS]
    assert {row["words"] for row in rows(tmp_path, "lead words")} == {2}
    assert writer.asked == 0
