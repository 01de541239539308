"""Exact n-gram queries of any length over a corpus of token ids.

``build`` writes an index, ``Index.open`` opens it. README.md and FORMAT.md of the
engine's sources tell the rest.
"""

from stillhouse_native._core import __version__
from stillhouse_native.answers import (
    END,
    Distribution,
    Distributions,
    Occurrence,
    Probabilities,
    Probability,
    Span,
)
from stillhouse_native.building import build
from stillhouse_native.errors import BuildError, EngineError, FormatError, Stopped
from stillhouse_native.index import Index, Stop

__all__ = [
    "END",
    "BuildError",
    "Distribution",
    "Distributions",
    "EngineError",
    "FormatError",
    "Index",
    "Occurrence",
    "Probabilities",
    "Probability",
    "Span",
    "Stop",
    "Stopped",
    "__version__",
    "build",
]
