from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.experiments.evaluating import (
    System,
    prompts_of,
    read_documents,
    systems_of,
    trained_on,
)
from services.trainer.documents import documents_of
from stillhouse.corpus import SourceDocument
from stillhouse.errors import InvalidArgument
from stillhouse.generator.types import ModelPointer
from stillhouse.local.rivals import Rivals
from stillhouse.recipe import PromptTemplate, Recipe
from tests.support.finished_run import make_run
from tests.support.tiny_model import make_tiny_model

RECIPE = Recipe.parse("corpus: {text_field: body, reference_field: title}\ngenerations: 2")


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("fields", [("document", "summary"), ("body", "title")])
def test_documents_by_their_own_names_or_the_recipes(
    tmp_path: Path, fields: tuple[str, str]
) -> None:
    long = "One sentence is enough here. " * 400  # no bound of length holds
    rows = [{fields[0]: "One.", fields[1]: "Ref."}, {fields[0]: long}]
    found = read_documents(write(tmp_path / "a.jsonl", *rows), RECIPE)
    assert [(one.text, one.reference) for one in found] == [("One.", "Ref."), (long.strip(), "")]


def test_a_paraphrase_is_compared_with_its_source(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"document": "One.", "summary": "Ref."})
    (found,) = read_documents(path, Recipe(task="paraphrase"))
    assert found.reference == "One."


def test_documents_without_the_fields_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"no field 'body' \(there are: else\)"):
        read_documents(write(tmp_path / "a.jsonl", {"else": "x"}), RECIPE)
    with pytest.raises(InvalidArgument, match="holds no document"):
        read_documents(write(tmp_path / "b.jsonl"), RECIPE)


def test_the_error_of_a_file_is_its_own(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"document": "One.", "summary": "Ref."})
    path.write_text(path.read_text() + '{"document": 7}\n')
    with pytest.raises(InvalidArgument, match=r"line 2: field 'document' holds int"):
        read_documents(path, RECIPE)


def test_paraphrases_are_held_out_too(tmp_path: Path) -> None:
    rows = [{"body": f"One two three four {n}. B."} for n in range(9)]
    source = write(tmp_path / "a.jsonl", *rows)
    given = f"{{source: {source}, text_field: body, unit: sentence, held_out: 3, min_sentences: 1}}"
    training, held_out = documents_of(Recipe.parse(f"task: paraphrase\ncorpus: {given}"))
    assert (len(training), len(held_out)) == (6, 3)
    assert all(one.reference == one.text for one in held_out)


def test_documents_that_were_trained_on_are_counted(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one-1", {"a": "Text a.", "b": "Text b."}, [("a", "Short.")])
    held_out = [SourceDocument("x", "Text a."), SourceDocument("y", "New.")]
    assert trained_on(run, held_out) == " (1 of them trained on)"
    assert trained_on(run, held_out[1:]) == ""


def test_systems_and_their_prompts(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "model")
    bare = make_tiny_model(tmp_path / "bare")
    (tmp_path / "bare" / "chat_template.jinja").unlink()
    recipe = Recipe.parse(
        """
        generations: 2
        prompt: {template: "Say: {document}"}
        evaluation:
          models:
            - {name: same, model: x/y}
            - {name: plain, model: x/z}
            - {name: own, model: x/y, template: "<own> {document}"}
            - {name: served, model: "openai:http://x"}
            - {name: running, model: "generator:there:1"}
        """
    )
    run = make_run(tmp_path / "run-1", {"a": "A."}, [("a", "Short.")], recipe=recipe)
    make_tiny_model(run.student(1))
    rivals = Rivals({"same": model, "plain": bare, "own": model}, {"running": "there:1"}, {}, None)
    targets = {"server-served": "127.0.0.1:7"}
    found = {one.name: one for one in systems_of(recipe, model, run, rivals, targets)}
    assert list(found) == [
        "teacher", "student gen 1", "same", "plain", "own", "served", "running",
    ]  # fmt: skip
    assert found["student gen 1"].pointer != model
    assert [found[name].target for name in ("same", "served", "running")] == [
        "", "127.0.0.1:7", "there:1",
    ]  # fmt: skip
    document = [SourceDocument("d", "it")]
    asked = {name: prompts_of(one, document)["d"] for name, one in found.items()}
    chat = "<|start|>Say: it<|end|><|start|>"
    assert asked == {
        "teacher": chat, "student gen 1": chat, "same": chat, "plain": "Say: it",
        "own": "<own> it", "served": "Say: it", "running": "Say: it",
    }  # fmt: skip


def test_a_recipe_alone_has_no_students() -> None:
    pointer = ModelPointer("/m", "d")
    found = systems_of(RECIPE, pointer, None, Rivals({}, {}, {}, None), {})
    assert found == [System("teacher", RECIPE.prompt, pointer)]
    assert isinstance(found[0].prompt, PromptTemplate)
