"""The kinds of arguments that calls take."""

from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

Integers: TypeAlias = Sequence[SupportsIndex] | npt.NDArray[np.integer[Any]]
"""Whole numbers: a list, another sequence, or a one-dimensional integer array."""
