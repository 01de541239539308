"""The texts that runs and indexes read."""

from stillhouse.corpus.document import SourceDocument
from stillhouse.corpus.load import load, split

__all__ = ["SourceDocument", "load", "split"]
