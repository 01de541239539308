from __future__ import annotations

from services.trainer.keywords import Idf, clauses_for, forms, salient_words
from stillhouse.generator.types import Clause, Literal
from stillhouse.recipe import Constraints

CORPUS = [
    "The heap is a list. The list of the heap.",
    "The socket of Berkeley listens on port 8080. The socket closes.",
    "The list is sorted. The sort is stable.",
    "The tree is a list of lists.",
]
IDF = Idf(CORPUS)
EMPTY = Idf([])
ALL = ("words", "names", "numbers")


def test_rare_words_that_come_often_are_salient() -> None:
    assert salient_words(CORPUS[1], IDF, ALL)[0] == "socket"
    assert "the" not in [word.lower() for word in salient_words(CORPUS[1], IDF, ALL)]


def test_kinds_are_told_apart() -> None:
    assert salient_words(CORPUS[1], IDF, ["names"]) == ["Berkeley"]
    assert salient_words(CORPUS[1], IDF, ["numbers"]) == ["8080"]
    assert "Berkeley" not in salient_words(CORPUS[1], IDF, ["words"])


def test_a_capital_that_begins_a_sentence_is_no_name() -> None:
    assert salient_words("Sockets close. Sockets open.", Idf([]), ["names"]) == []


def test_keywords_are_dealt_out_over_the_clauses() -> None:
    settings = Constraints(keywords=2, alternatives=2)
    clauses = clauses_for(CORPUS[1], settings, IDF)
    words = salient_words(CORPUS[1], IDF, ALL)
    assert len(clauses) == 2
    assert clauses[0].literals[0].forms[0] == words[0]
    assert clauses[1].literals[0].forms[0] == words[1]
    assert clauses[0].literals[1].forms[0] == words[2]


def test_a_document_with_few_words_gets_few_clauses() -> None:
    assert clauses_for("", Constraints(keywords=3), IDF) == ()
    assert len(clauses_for("socket", Constraints(keywords=3), IDF)) == 1


def test_lists_of_the_recipe_become_clauses() -> None:
    settings = Constraints(include=(("heap", "heaps"),), exclude=("this text", "the text"))
    assert clauses_for("any", settings, IDF) == (
        Clause((Literal(("heap", "heaps")),)),
        Clause((Literal(("this text", "the text"), exclude=True),)),
    )


def test_forms_of_plain_words() -> None:
    assert forms("list") == ("list", "lists")
    assert forms("lists") == ("lists", "list")
    assert forms("class") == ("class", "classes")
    assert forms("status") == ("status", "statuses")
    assert forms("UTF-8") == ("UTF-8",)
