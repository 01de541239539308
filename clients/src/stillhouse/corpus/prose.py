"""The prose of a documentation text, without code, tables, lists and markup.

What is left are paragraphs of whole sentences. The rules read reStructuredText, the
sections of NumPy and Google docstrings, and Markdown fences, as far as documentation
in Python packages uses them; a line that is indented is never prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from stillhouse.corpus.sentences import sentences

_UNDERLINE = re.compile(r"^([-=~^*#\"'`+])\1{2,}$")
_FENCE = re.compile(r"^(```|~~~)")
_NOT_PROSE = re.compile(
    r"^(?:\s"  # indented: code, a table's cell, a list's continuation
    r"|>>>|\.\.\.(?:\s|$)|In \[\d"  # an interpreter's session
    r"|[-*+•]\s|\(?\d+[.)]\s|\(?[a-z]\)\s"  # a list
    r"|:[\w\s*,.|\[\]-]+:|@\w+"  # a field
    r"|\.\.\s|\|"  # a directive or comment, a table
    r"|[#$%])"  # a heading, a shell
)
_COLUMNS = re.compile(r"\S\s{3,}\S|\t")
_TABLE_SECTIONS = frozenset(
    {"parameters", "args", "arguments", "keyword arguments", "keyword args", "kwargs"}
    | {"other parameters", "receives", "returns", "return", "yields", "raises", "raise", "warns"}
    | {"attributes", "methods", "properties", "options", "shape", "inputs", "outputs"}
    | {"see also", "references", "examples", "example", "usage"}
)

_ROLE = re.compile(r":[a-zA-Z][\w:+.-]*:`[~!]?([^`<]*?)(?:\s*<[^`>]*>)?`")
_LINK = re.compile(r"`([^`<]+?)\s*<[^`>]*>`_{1,2}")
_LITERAL = re.compile(r"`{1,2}([^`]*)`{1,2}_{0,2}")
_FOOTNOTE = re.compile(r"\s*\[(?:\d+|\*|#\w*)\]_")
_EMPHASIS = re.compile(r"(?<![\w*])\*{1,2}([^\s*](?:[^*]*[^\s*])?)\*{1,2}(?![\w*])")
_ENDED = re.compile(r"[.!?][\"'”’)\]]*$")
_WORD = re.compile(r"[^\W\d_]{2,}")


def prose(text: str) -> str:
    """The paragraphs of whole sentences in `text` (already dedented), blank lines between."""
    kept = (_sentences_only(paragraph) for paragraph in _paragraphs(text))
    return "\n\n".join(paragraph for paragraph in kept if paragraph)


def _paragraphs(text: str) -> Iterator[list[str]]:
    """Runs of lines between blank ones, without fences, sections of tables and headings."""
    for heading, lines in _sections(_without_fences(text.splitlines())):
        if heading.lower().rstrip(":") in _TABLE_SECTIONS:
            continue
        paragraph: list[str] = []
        for line in [*lines, ""]:
            if line.strip():
                paragraph.append(line.rstrip())
            elif paragraph:
                yield paragraph
                paragraph = []


def _without_fences(lines: list[str]) -> list[str]:
    kept, fenced = [], False
    for line in lines:
        if _FENCE.match(line.lstrip()):
            fenced = not fenced
            kept.append("")
        elif not fenced:
            kept.append(line)
    return kept


def _sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Heading and lines of each underlined section; the first has no heading."""
    heading, body = "", []
    for line in lines:
        if not _UNDERLINE.match(line.strip()):
            body.append(line)
            continue
        title = body.pop().strip() if body else ""
        if title:
            yield heading, body
            heading, body = title, []
    yield heading, body


def _sentences_only(lines: list[str]) -> str:
    """The whole sentences of a paragraph; nothing if it is none."""
    if any(_NOT_PROSE.match(line) or _COLUMNS.search(line) for line in lines):
        lines = _up_to_break(lines)
    text = without_markup(" ".join(line.strip() for line in lines))
    return " ".join(one for one in sentences(text) if _is_sentence(one))


def _up_to_break(lines: list[str]) -> list[str]:
    """The lines before the first that is not prose: a list may follow its lead-in."""
    for number, line in enumerate(lines):
        if _NOT_PROSE.match(line) or _COLUMNS.search(line):
            return lines[:number]
    return lines


def without_markup(text: str) -> str:
    """`text` without the marks of inline reStructuredText and Markdown."""
    for pattern in (_ROLE, _LINK, _LITERAL, _EMPHASIS):
        text = pattern.sub(r"\1", text)
    return _FOOTNOTE.sub("", text)


def _is_sentence(text: str) -> bool:
    """True of three words or more that begin and end like a sentence and are mostly letters."""
    words = _WORD.findall(text)
    visible = sum(not character.isspace() for character in text)
    return (
        len(words) >= 3
        and bool(_ENDED.search(text))
        and (text[0].isalpha() or text[0] in "\"'“‘(_")
        and sum(map(len, words)) >= 0.65 * visible
    )
