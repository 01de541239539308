from __future__ import annotations

import asyncio
import textwrap
from pathlib import Path

import pytest

from stillhouse.corpus.docstrings import docstrings, from_folder, is_summary, split_docstring
from stillhouse.corpus.prose import prose
from stillhouse.corpus.sentences import sentences
from stillhouse.corpus.topics import topics

BODY = "The first thing is said here. The second thing follows it. The third one ends it."


def document(summary: str = "Return the first thing.", body: str = BODY) -> str:
    return f"{summary}\n\n{body}\n"


def test_a_docstring_is_cut_into_summary_and_prose() -> None:
    assert split_docstring(document()) == ("Return the first thing.", BODY)
    indented = textwrap.indent(document(), "    ").lstrip()
    assert split_docstring(indented) == ("Return the first thing.", BODY)


@pytest.mark.parametrize(
    "docstring",
    [
        "Return the first thing.",
        "Return the first thing.\nNo blank line follows. This is said. And that.",
        "Return the first thing\n\n" + BODY,
        "Two words.\n\n" + BODY,
        "Wait for it to...\n\n" + BODY,
        "Return one thing. Return another.\n\n" + BODY,
    ],
)
def test_a_first_line_that_is_no_summary(docstring: str) -> None:
    assert split_docstring(docstring) is None


def test_an_abbreviation_does_not_end_a_summary() -> None:
    assert is_summary("Return a container, e.g. a list.")
    assert not is_summary("Return " + "very " * 50 + "much.")


def test_prose_leaves_out_what_is_not() -> None:
    text = textwrap.dedent(
        """
        The first thing is said here, for example like this. Then some code comes::

            code = "is not prose. It is code. Never."

        >>> doctest(1)
        "A result that looks like a sentence."

        - A list item that has words enough.
        - Another list item that has words.

        Parameters
        ----------
        x : int
            The number that is described here at length.

        Notes
        -----
        The notes are prose again, with :func:`~os.path.join` and ``markup`` and *emphasis* [1]_.

        ```python
        print("The fence holds a sentence of words.")
        ```

        :param x: A field that has words enough.
        :returns: A field that has words enough.

        Name        Meaning
        alpha       The first letter of them all.

        Raises:
            ValueError: This is said of an error.

        The last thing is said in this line.
        """
    )
    assert prose(text).split("\n\n") == [
        "The first thing is said here, for example like this.",
        "The notes are prose again, with os.path.join and markup and emphasis.",
        "The last thing is said in this line.",
    ]


def test_documents_of_a_folder(tmp_path: Path) -> None:
    source = f'''"""{document("Keep a small stack.", BODY + " So says the module.")}"""

class Stack:
    """{document("Keep many things in order.")}"""

    def pop(self):
        """{document("Take the last thing off.", BODY.replace("thing", "item"))}"""
        def inner():
            """{document("Be hidden from all readers.", BODY.replace("thing", "part"))}"""

    async def push(self):
        """Too short a body.

        It has one sentence only."""
'''
    (tmp_path / "pack" / "tests").mkdir(parents=True)
    (tmp_path / "pack" / "__init__.py").write_text(source)
    (tmp_path / "pack" / "tests" / "test_it.py").write_text(source)
    (tmp_path / "broken.py").write_text(source + "def (:\n")
    (tmp_path / "single.py").write_text(source)
    labelled = list(from_folder(tmp_path, "lib", min_sentences=3))
    assert [one.id for one in labelled] == [
        *("lib:pack", "lib:pack.Stack", "lib:pack.Stack.pop"),
        *("lib:single", "lib:single.Stack", "lib:single.Stack.pop"),
    ]
    assert (labelled[1].text, labelled[1].reference) == (BODY, "Keep many things in order.")
    unlabelled = list(from_folder(tmp_path, "", min_sentences=4))
    assert [one.id for one in unlabelled] == ["pack:pack", "single:single"]


def test_the_standard_library_holds_documents() -> None:
    """One package of it only: the whole installation takes half a minute."""
    found = list(from_folder(Path(asyncio.__file__).parent, "stdlib", min_sentences=2))
    assert len(found) > 10
    assert all(one.id.startswith("stdlib:") and is_summary(one.reference) for one in found)
    assert all(len(sentences(one.text)) >= 2 for one in found)
    assert not any(">>>" in one.text or "\n " in one.text for one in found)


def test_docstrings_of_an_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, folder in (("stdlib", "one"), ("purelib", "two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}_module.py").write_text(f'"""{document()}"""')
    other = document(body=BODY.replace("thing", "word"))
    (tmp_path / "two" / "other.py").write_text(f'"""{other}"""')
    paths = {"stdlib": str(tmp_path / "one"), "purelib": str(tmp_path / "two")}
    paths["platlib"] = paths["purelib"]
    monkeypatch.setattr("sysconfig.get_paths", lambda: paths)
    found = docstrings()
    assert [one.id for one in found] == ["other:other", "purelib_module:purelib_module"]


def test_topics() -> None:
    found = topics()
    assert len(found) > 50
    assert [one.id for one in found] == sorted(one.id for one in found)
    assert all(one.id.startswith("topics:") and one.text and not one.reference for one in found)
