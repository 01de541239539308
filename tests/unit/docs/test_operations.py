"""docs/operations.md names what there is."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_files_exist() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    links += [
        f"../{path}"
        for path in re.findall(r"`((?:k8s|tests|scripts|services|recipes)/[\w./*-]+)`", PAGE)
    ]
    assert len(links) > 10
    assert [one for one in links if not list((ROOT / "docs").glob(one))] == []


def test_ten_commands_are_ten() -> None:
    block = PAGE.split("in ten commands:\n\n")[1].split("\n\n")[0]
    assert len(block.splitlines()) == 10


def test_variables_exist() -> None:
    told = set(re.findall(r"\b(?:STILLHOUSE|NATS|BASE|PIP|INDEX)_[A-Z_]+\b", PAGE))
    sources = [ROOT / "compose.yaml", *ROOT.glob("scripts/*.sh"), *ROOT.glob("k8s/**/*.yaml")]
    known = set(re.findall(r"\b[A-Z][A-Z_]+\b", "".join(one.read_text() for one in sources)))
    for path in ROOT.glob("services/**/settings.py"):
        fields = re.findall(r"^    (\w+): ", path.read_text(), re.MULTILINE)
        known |= {f"STILLHOUSE_{name.upper()}" for name in fields}
    assert told - known == set()


def test_variables_of_compose_are_told() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    names = set(re.findall(r"\$\{(STILLHOUSE_\w+):-", text)) - {"STILLHOUSE_LOG_LEVEL"}
    assert [name for name in names if name not in PAGE] == []
