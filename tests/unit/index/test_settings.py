from __future__ import annotations

from pathlib import Path

import pytest

from services.index.settings import IndexSettings
from stillhouse.errors import InvalidArgument


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("a=/x", {"a": Path("/x")}),
        ("a=/x,b.2-c=/y=z", {"a": Path("/x"), "b.2-c": Path("/y=z")}),
        ("a=/x,y/z,b=/w", {"a": Path("/x,y/z"), "b": Path("/w")}),
    ],
)
def test_indexes(value: str, wanted: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STILLHOUSE_INDEXES", value)
    assert IndexSettings.from_environment().indexes == wanted


@pytest.mark.parametrize("value", [None, "", "a", "=/x", "a=", "a=/x,a=/y", "-=/x"])
def test_what_names_no_index(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STILLHOUSE_INDEXES", raising=False)
    if value is not None:
        monkeypatch.setenv("STILLHOUSE_INDEXES", value)
    with pytest.raises(InvalidArgument) as error:
        IndexSettings.from_environment()
    assert error.value.field == "STILLHOUSE_INDEXES"
