"""What the page shows, made of the index's answers; knows no HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.gateway.marking import Run
from stillhouse.index.types import Distribution, Document, Span

PER_PAGE = 10
_BLANK_LINES = re.compile(r"\n\s*\n")
_SPACES = {"\u0120": "\u2423", "\u2581": "\u2423", " ": "\u2423"}
_BREAKS = {"\u010a": "\u21b5", "\n": "\u21b5", "\u0109": "\u21e5", "\t": "\u21e5"}


@dataclass(frozen=True, slots=True)
class Token:
    """A token of the query: how it looks, its id, and whether n = infinity used it."""

    label: str
    id: int
    used: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """One outcome of a distribution; `ids` is the query with it behind, None for the end."""

    label: str
    share: float
    count: int
    ids: str | None

    @property
    def percent(self) -> str:
        """The share to read."""
        value = self.share * 100
        return "<0.1 %" if 0 < value < 0.05 else f"{value:.1f} %"

    @property
    def width(self) -> str:
        """The share to draw, in percent; never so small that nothing is seen."""
        return f"{max(self.share * 100, 0.6):.2f}"


@dataclass(frozen=True, slots=True)
class Following:
    """What follows a context: the bars shown, and how many outcomes are left out."""

    bars: list[Bar]
    context_count: int
    suffix_length: int
    sparse: bool
    rest: int = 0


@dataclass(frozen=True, slots=True)
class Hit:
    """A stretch of a document with its matches marked."""

    document: int
    id: str
    begin: int
    end: int
    length: int
    parts: list[tuple[str, int | None]]

    @property
    def cut_before(self) -> bool:
        """True if the document begins earlier."""
        return self.begin > 0

    @property
    def cut_after(self) -> bool:
        """True if the document goes on."""
        return self.end < self.length


@dataclass(frozen=True, slots=True)
class Pager:
    """Which of the hits are shown."""

    page: int
    total: int

    @property
    def first(self) -> int:
        """The first one shown, from 1."""
        return min((self.page - 1) * PER_PAGE + 1, self.total)

    @property
    def last(self) -> int:
        """The last one shown."""
        return min(self.page * PER_PAGE, self.total)

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.total // PER_PAGE))

    @property
    def before(self) -> int | None:
        """The page before."""
        return self.page - 1 if self.page > 1 else None

    @property
    def after(self) -> int | None:
        """The page behind."""
        return self.page + 1 if self.page < self.pages else None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a traced text that occurs in the corpus; `level` 1 to 3 by its length."""

    number: int
    text: str
    ids: str
    tokens: int
    count: int
    level: int


@dataclass(frozen=True, slots=True)
class Trace:
    """A text cut where stretches begin and end, each part with the longest stretch over it."""

    parts: list[tuple[str, Stretch | None]]
    stretches: list[Stretch]
    tokens: int
    covered: int
    longest: int = field(default=0)

    @property
    def percent(self) -> int:
        """Share of the tokens that lie in a stretch."""
        return round(100 * self.covered / self.tokens) if self.tokens else 0


def label(piece: str, token: int) -> str:
    """A piece of vocabulary to look at: spaces and line breaks are seen, nothing is hidden."""
    if not piece:
        return f"#{token}"
    shown = piece
    for sign, seen in (_SPACES | _BREAKS).items():
        shown = shown.replace(sign, seen)
    return shown


def query_tokens(ids: Sequence[int], pieces: Sequence[str], suffix: int) -> list[Token]:
    """The query's tokens; the last `suffix` are those that n = infinity used."""
    first = len(ids) - suffix
    pairs = zip(ids, pieces, strict=True)
    return [Token(label(piece, one), one, at >= first) for at, (one, piece) in enumerate(pairs)]


def following(found: Distribution, query: Sequence[int], top: int) -> Following:
    """The `top` most frequent outcomes of a distribution that was asked for with one more."""
    total = found.context_count
    tokens, counts = found.tokens.tolist(), found.counts.tolist()
    pieces = found.pieces or [""] * len(tokens)
    bars = [
        Bar(label(piece, token), count / total, count, join([*query, token]))
        for token, count, piece in zip(tokens, counts, pieces, strict=True)
    ]
    if found.end_count:
        bars.append(Bar("end of document", found.end_count / total, found.end_count, None))
    bars.sort(key=lambda one: -one.count)
    shown = bars[:top]
    rest = total - sum(one.count for one in shown)
    return Following(shown, total, found.suffix_length, found.sparse, rest)


def hit(document: Document, runs: Sequence[Run], texts: Sequence[str]) -> Hit:
    """A document's stretch."""
    parts: list[tuple[str, int | None]] = []
    for run, text in zip(runs, texts, strict=True):
        space, rest = _apart(_BLANK_LINES.sub("\n", text))
        if run.clause is not None and space:
            parts.append((space, None))
        parts.append((rest, run.clause) if run.clause is not None else (space + rest, None))
    return Hit(
        document.document, document.id, document.begin,
        document.begin + len(document.tokens), document.length, parts,
    )  # fmt: skip


def trace(text: str, spans: Sequence[Span], ids: Sequence[int], shift: int = 0) -> Trace:
    """The text with its stretches; characters of the spans lie `shift` behind the text's."""
    order = sorted(spans, key=lambda one: (one.begin - one.end, one.begin))
    found: list[tuple[int, int, Stretch]] = []
    for number, span in enumerate(order, 1):
        begin = max(0, span.begin_character - shift)
        end = max(begin, min(len(text), span.end_character - shift))
        begin += len(_apart(text[begin:end])[0])
        size = span.end - span.begin
        stretch = Stretch(
            number,
            text[begin:end],
            join(ids[span.begin : span.end]),
            size,
            span.count,
            _level(size),
        )
        found.append((begin, end, stretch))
    covered = {at for span in spans for at in range(span.begin, span.end)}
    stretches = [one for _, _, one in found]
    longest = stretches[0].tokens if stretches else 0
    return Trace(_parts(text, found), stretches, len(ids), len(covered), longest)


def _parts(
    text: str, found: Sequence[tuple[int, int, Stretch]]
) -> list[tuple[str, Stretch | None]]:
    """Each character belongs to the first of the stretches over it: the longest."""
    owner: list[Stretch | None] = [None] * len(text)
    for begin, end, stretch in reversed(found):
        owner[begin:end] = [stretch] * (end - begin)
    parts: list[tuple[str, Stretch | None]] = []
    begin = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or owner[at] is not owner[begin]:
            parts.append((text[begin:at], owner[begin]))
            begin = at
    return parts


def _apart(text: str) -> tuple[str, str]:
    """The space before a text, which many tokens begin with, and the text."""
    rest = text.lstrip()
    return text[: len(text) - len(rest)], rest


def _level(tokens: int) -> int:
    return 1 if tokens < 8 else 2 if tokens < 16 else 3


def phrase(text: str) -> str:
    """The three words in a row with most letters inside a stretch of text, or ""."""
    words = text.split()[1:-1]  # the outer ones may be cut
    rows = [words[at : at + 3] for at in range(len(words) - 2)]
    plain = [" ".join(row) for row in rows if all(one.isalpha() for one in row)]
    return max(plain, key=len, default="")


def join(ids: Sequence[int]) -> str:
    """Ids in an address."""
    return ",".join(map(str, ids))


def split(value: str) -> list[int] | None:
    """Ids from an address; None if it holds anything else."""
    parts = value.split(",")
    if not all(one.isascii() and one.isdecimal() and len(one) <= 10 for one in parts):
        return None
    ids = [int(one) for one in parts]
    return ids if max(ids) < 2**32 else None
