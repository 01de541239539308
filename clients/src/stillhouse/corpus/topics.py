"""Documents from the topics of Python's own help, `pydoc_data.topics`."""

from __future__ import annotations

from pydoc_data.topics import topics as _TOPICS  # noqa: N812  (a constant by another name)

from stillhouse.corpus.document import SourceDocument
from stillhouse.corpus.prose import prose


def topics() -> list[SourceDocument]:
    """The prose of every topic, by id; a topic has no reference."""
    found = (SourceDocument(f"topics:{name}", prose(_TOPICS[name])) for name in sorted(_TOPICS))
    return [document for document in found if document.text]
