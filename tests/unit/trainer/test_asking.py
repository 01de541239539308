from __future__ import annotations

from services.trainer.asking import Asking, asked_in_turn, expert_recipe, pairs_of
from stillhouse.control import NOTHING, Buckets
from stillhouse.corpus import SourceDocument
from stillhouse.filter.types import Document
from stillhouse.generator.types import Contrast, Prompt
from stillhouse.recipe import Control, PromptTemplate, Recipe
from tests.support.tiny_model import tiny_tokenizer

PLAIN = PromptTemplate(template="{document}\n\nTL;DR:", chat=False)
CONTROL = Control(length=(2, 4), unasked=0.0)
ROWS = [
    {"document": f"document {n}", "summary": "word " * n, "source_id": f"d{n}"} for n in range(1, 6)
]


def test_the_code_stands_between_the_document_and_what_follows_it() -> None:
    asking = Asking(PLAIN, tiny_tokenizer())
    assert asking.about("a heap") == "a heap\n\nTL;DR:"
    asked = asking.about("a heap", Buckets(length=1))
    assert asked == "a heap\n\nlength 1 1 1 1 1 1 1 1 1 1\n\nTL;DR:"


def test_a_student_is_asked_through_its_own_chat_template_if_it_has_one() -> None:
    recipe = Recipe(prompt=PromptTemplate(template="Say: {document}"))
    tokenizer = tiny_tokenizer()
    chatting = Asking.student(recipe, tokenizer).about("a heap")
    assert chatting == "<|start|>Say: a heap<|end|><|start|>"
    tokenizer.chat_template = None
    assert Asking.student(recipe, tokenizer).about("a heap") == "Say: a heap"


def test_pairs_have_the_code_of_what_they_are() -> None:
    asking = Asking(PLAIN, tiny_tokenizer(), CONTROL)
    pairs = pairs_of(ROWS, asking, seed=1)
    buckets = [0, 1, 1, 2, 2]
    for row, pair, number in zip(ROWS, pairs, buckets, strict=True):
        assert pair.prompt == asking.about(str(row["document"]), Buckets(length=number))
        assert pair.target == row["summary"]
        assert pair.source == row["source_id"]
        assert pair.bucket == Buckets(length=number).code(CONTROL)


def test_a_share_of_the_pairs_has_no_code_and_keeps_its_bucket() -> None:
    control = CONTROL.model_copy(update={"unasked": 0.25})
    asking = Asking(PLAIN, tiny_tokenizer(), control)
    pairs = pairs_of(ROWS * 200, asking, seed=1)
    bare = [pair for pair in pairs if "length" not in pair.prompt]
    assert 200 < len(bare) < 300
    assert all(pair.bucket for pair in bare)
    assert pairs == pairs_of(ROWS * 200, asking, seed=1)


def test_without_control_pairs_are_what_the_teacher_was_asked() -> None:
    asking = Asking(PLAIN, tiny_tokenizer())
    pairs = pairs_of(ROWS, asking, seed=1)
    assert [pair.prompt for pair in pairs] == [asking.about(f"document {n}") for n in range(1, 6)]
    assert {pair.bucket for pair in pairs} == {""}


def test_documents_are_asked_in_turn() -> None:
    asking = Asking(PLAIN, tiny_tokenizer(), CONTROL)
    prompt = asked_in_turn(asking, [SourceDocument(f"d{n}", f"text {n}") for n in range(4)])
    assert [prompt(Document(f"d{n}", f"text {n}")) for n in (3, 0, 1, 2)] == [
        Prompt(f"d{n}", asking.about(f"text {n}", Buckets(length=n % 3))) for n in (3, 0, 1, 2)
    ]


def test_a_guided_prompt_is_told_apart_from_the_other_buckets() -> None:
    control = Control(length=(2, 4), extractiveness=(0.5,), guidance_scale=1.5)
    asking = Asking(PLAIN, tiny_tokenizer(), control)
    asked = asking.prompt_for("d", "text", Buckets(length=1, extractiveness=0))
    others = [Buckets(0, 0), Buckets(2, 0), Buckets(1, 1)]
    assert asked.text == asking.about("text", Buckets(1, 0))
    assert asked.contrast == Contrast(tuple(asking.about("text", one) for one in others), 1.5)
    only = asking.prompt_for("d", "text", Buckets(extractiveness=1)).contrast
    assert only is not None
    assert only.negative_prompts == (asking.about("text", Buckets(extractiveness=0)),)
    assert asking.prompt_for("d", "text", NOTHING).contrast is None
    plain = Asking(PLAIN, tiny_tokenizer(), CONTROL)
    assert plain.prompt_for("d", "text", Buckets(length=1)).contrast is None


def test_pairs_and_prompts_have_codes_in_words() -> None:
    control = Control(length=(2, 4), unasked=0.0, length_codes=("Few.", "Some.", "Many."))
    recipe = Recipe(prompt=PLAIN, control=control)
    asking = Asking.student(recipe, tiny_tokenizer())
    pairs = pairs_of(ROWS, asking, seed=1)
    codes = [pair.prompt.splitlines()[2] for pair in pairs]
    assert codes == ["Few.", "Some.", "Some.", "Many.", "Many."]
    prompt = asked_in_turn(asking, [SourceDocument("d", "text")])
    assert prompt(Document("d", "text")).text == "text\n\nFew.\n\nTL;DR:"


def test_experts_learn_the_codes_that_they_are_asked_by() -> None:
    recipe = Recipe.parse("control: {length: [9], length_codes: [Few., Many.]}")
    assert expert_recipe(recipe).control == recipe.control


def test_experts_keep_all_layers_and_learn_no_codes() -> None:
    recipe = Recipe.parse("{student: {layers: 6, rank: 4}, control: {length: [9]}}")
    expert = expert_recipe(recipe)
    assert (expert.student.layers, expert.student.rank) == (0, 4)
    assert not expert.control.active
