"""The slow, obvious twin of the engine: every answer by looking at everything."""

from bisect import bisect_right
from collections.abc import Sequence

Document = Sequence[int]


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
