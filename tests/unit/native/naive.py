"""The slow, obvious twin of the engine: every answer by looking at everything."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from math import nan

Document = Sequence[int]
Clause = Sequence[Sequence[int]]
END = -1


class NaiveIndex:
    """A corpus as a list of documents."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.docs = [list(document) for document in documents]
        self.starts = [0]
        for document in self.docs:
            self.starts.append(self.starts[-1] + len(document))
        self.tokens = self.starts[-1]
        # A list that is a prefix of another sorts first, as a document's end does.
        self.suffixes = sorted(
            (document[offset:], self.starts[d] + offset, d, offset)
            for d, document in enumerate(self.docs)
            for offset in range(len(document))
        )

    def positions(self) -> list[int]:
        """Corpus positions in suffix order."""
        return [position for _, position, _, _ in self.suffixes]

    def find(self, query: Sequence[int]) -> tuple[int, int]:
        """Ranks of the suffixes that start with the query."""
        wanted = list(query)
        ranks = [
            rank
            for rank, (suffix, *_) in enumerate(self.suffixes)
            if suffix[: len(wanted)] == wanted
        ]
        return (ranks[0], ranks[-1] + 1) if ranks else (0, 0)

    def count(self, query: Sequence[int]) -> int:
        """Occurrences inside documents; the empty query occurs at every token."""
        wanted = list(query)
        if not wanted:
            return self.tokens
        return sum(
            document[i : i + len(wanted)] == wanted
            for document in self.docs
            for i in range(len(document) - len(wanted) + 1)
        )

    def match_lengths(self, query: Sequence[int]) -> tuple[list[int], list[int]]:
        """Longest prefix of each tail of the query that occurs, and its count."""
        lengths, counts = [], []
        for i in range(len(query)):
            length = 0
            while i + length < len(query) and self.count(query[i : i + length + 1]):
                length += 1
            lengths.append(length)
            counts.append(self.count(query[i : i + length]) if length else 0)
        return lengths, counts

    def place_of_position(self, position: int) -> tuple[int, int]:
        """Document and offset of a corpus position."""
        document = bisect_right(self.starts, position) - 1
        return document, position - self.starts[document]

    def continuations(self, context: Sequence[int]) -> Counter[int]:
        """What stands behind each occurrence of a context: a token, or the document's end."""
        wanted = list(context)
        return Counter(
            (*document, END)[i + len(wanted)]
            for document in self.docs
            for i in range(len(document) - len(wanted) + 1)
            if document[i : i + len(wanted)] == wanted
        )

    def longest_suffix(self, context: Sequence[int]) -> list[int]:
        """The longest suffix of a context that occurs; the empty one always does."""
        suffix = list(context)
        while suffix and not self.count(suffix):
            suffix = suffix[1:]
        return suffix

    def prob(self, context: Sequence[int], token: int) -> tuple[float, int, int, int, bool]:
        """Ratio, count, occurrences and length of the context, whether one kind follows."""
        follows = self.continuations(context)
        total = follows.total()
        ratio = follows[token] / total if total else nan
        return ratio, follows[token], total, len(context), sum(n > 0 for n in follows.values()) == 1

    def ntd(self, context: Sequence[int], top: int = 0) -> tuple[list[int], list[int]]:
        """All that follows by id, or the most frequent by falling count."""
        items = sorted(self.continuations(context).items())
        if top:
            items = sorted(items, key=lambda item: -item[1])[:top]
        return [token for token, _ in items], [count for _, count in items]

    def starts_of(self, clause: Clause) -> set[tuple[int, int]]:
        """Documents and offsets where any n-gram of a clause starts."""
        return {
            (d, i)
            for d, document in enumerate(self.docs)
            for ngram in clause
            for i in range(len(document) - len(ngram) + 1)
            if document[i : i + len(ngram)] == list(ngram)
        }

    def find_cnf(
        self, clauses: Sequence[Clause], distance: int, anchor: int | None = None
    ) -> list[int]:
        """Occurrences of the anchor or the rarest clause with all others near, as positions."""
        starts = [self.starts_of(clause) for clause in clauses]
        if anchor is None:
            anchor = min(range(len(starts)), key=lambda c: len(starts[c]))
        others = starts[:anchor] + starts[anchor + 1 :]
        return sorted(
            self.starts[d] + i
            for d, i in starts[anchor]
            if all(any(d == e and abs(i - j) <= distance for e, j in other) for other in others)
        )

    def attribute(
        self,
        query: Sequence[int],
        *,
        min_length: int = 1,
        max_count: int | None = None,
        delimiters: Sequence[int] = (),
        word_starts: Sequence[int] | None = None,
    ) -> list[tuple[int, int, int]]:
        """Start, stop and count of the longest stretches that are allowed, none inside another."""

        def whole(at: int) -> bool:
            return word_starts is None or at in (0, len(query)) or query[at] in word_starts

        def allowed(start: int, stop: int) -> bool:
            inside = query[start : stop - 1]
            return whole(start) and whole(stop) and not set(inside) & set(delimiters)

        found = {
            (start, stop): self.count(query[start:stop])
            for start in range(len(query))
            for stop in range(start + 1, len(query) + 1)
            if allowed(start, stop) and self.count(query[start:stop])
        }
        return [
            (start, stop, count)
            for (start, stop), count in sorted(found.items())
            if stop - start >= min_length
            and (max_count is None or count <= max_count)
            and not any(a <= start and stop <= b and (a, b) != (start, stop) for a, b in found)
        ]
