"""Answers as lines that fit the terminal; where there is none, nothing is cut."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

_GAP = "  "


def rows(plain: Any) -> list[str]:
    """`name  value` lines of one answer (a dict), or a table of many (a list of dicts)."""
    width = shutil.get_terminal_size((0, 0)).columns
    if isinstance(plain, dict):
        longest = max(map(len, plain))
        return [
            _cut(f"{name:<{longest}}{_GAP}{_cell(value)}", width) for name, value in plain.items()
        ]
    if not plain:
        return []
    header = list(plain[0])
    cells = [header, *([_cell(one[name]) for name in header] for one in plain)]
    widths = _fitted([max(map(len, column)) for column in zip(*cells, strict=True)], width)
    return [_cut(_line(row, widths), width) for row in cells]


def _fitted(widths: Sequence[int], width: int) -> list[int]:
    """The columns' widths, the widest ones narrowed until all of them fit."""
    room = width - len(_GAP) * (len(widths) - 1)
    widest = max(widths)
    while width and widest > 1 and sum(min(one, widest) for one in widths) > room:
        widest -= 1
    return [min(one, widest) for one in widths]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    parts = (_cut(cell, size).ljust(size) for cell, size in zip(row, widths, strict=True))
    return _GAP.join(parts).rstrip()


def _cut(text: str, width: int) -> str:
    return text if not width or len(text) <= width else text[: width - 1] + "…"


def _cell(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
