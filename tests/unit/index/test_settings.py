from __future__ import annotations

from pathlib import Path

import pytest

from services.index.settings import IndexSettings
from services.index.shards.address import Address
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


def read(monkeypatch: pytest.MonkeyPatch, **values: str) -> IndexSettings:
    monkeypatch.delenv("STILLHOUSE_INDEXES", raising=False)
    for name, value in values.items():
        monkeypatch.setenv(f"STILLHOUSE_{name}", value)
    return IndexSettings.from_environment()


def test_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(
        monkeypatch, SHARDS="a=h:1/x,h:2/x,b=dns:///i:3", SHARD_TOKENIZERS="a=/t,b=/u,v.json"
    )
    assert found.shards == {
        "a": (Address("h:1", "x"), Address("h:2", "x")),
        "b": (Address("dns:///i:3"),),
    }
    assert found.shard_tokenizers == {"a": Path("/t"), "b": Path("/u,v.json")}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"SHARDS": "h:1/x"}, "SHARDS"),
        ({"SHARDS": "a=h:1/x/y"}, "SHARDS"),
        ({"SHARDS": "a=h:1,"}, "SHARDS"),
        ({"SHARDS": "a=h:1", "INDEXES": "b=/x"}, "SHARDS"),
        ({"SHARDS": "a=h:1", "SHARD_TOKENIZERS": "b=/t"}, "SHARD_TOKENIZERS"),
        ({"SHARD_TOKENIZERS": "b=/t"}, "INDEXES"),
    ],
)
def test_what_names_no_shards(
    values: dict[str, str], field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidArgument) as error:
        read(monkeypatch, **values)
    assert error.value.field == f"STILLHOUSE_{field}"
