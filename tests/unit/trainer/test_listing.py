from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trainer import tables
from services.trainer.files import read_table, table_writer
from services.trainer.listing import listed
from stillhouse.errors import FailedPrecondition
from stillhouse.filter.types import Candidate, Verdict
from stillhouse.generator.types import Decoding


def write(path: Path, generation: int, groups: list[list[str]]) -> Path:
    """A row for each layer named; the empty one accepts."""
    with table_writer(path, tables.VERDICTS) as writer:
        for batch, layers in enumerate(groups):
            origin = tables.Origin("run", generation, batch, "", Decoding(1, 1))
            candidates = [Candidate(f"{generation}.{batch}.{n}", "d", n, "t") for n in range(3)]
            verdicts = [
                Verdict(one.id, not layer, layer, f"{layer}.x", {"s": 1.0})
                for one, layer in zip(candidates, layers, strict=False)
            ]
            table = tables.verdicts_table(origin, candidates[: len(layers)], verdicts)
            writer.write_table(table)
    return path


LAYERS = st.lists(st.lists(st.sampled_from(["", "a", "b"]), max_size=3), max_size=4)


@given(
    st.lists(LAYERS, max_size=3),
    st.sampled_from([True, False, None]),
    st.sampled_from(["", "a", "c"]),
    st.integers(0, 12),
    st.integers(1, 12),
)
@settings(max_examples=60, deadline=None)
def test_pages_are_slices_of_all_that_is_wanted(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[list[list[str]]],
    accepted: bool | None,
    layer: str,
    start: int,
    count: int,
) -> None:
    folder = tmp_path_factory.mktemp("verdicts")
    paths = [write(folder / str(n), n, groups) for n, groups in enumerate(files)]
    wanted = [
        row
        for path in paths
        for row in tables.judged_candidates(read_table(path))
        if accepted in (None, row.accepted) and layer in ("", row.layer)
    ]
    found = listed(paths, accepted=accepted, layer=layer, start=start, count=count)
    assert found == wanted[start : start + count]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(b"PAR1 no more")
    with pytest.raises(FailedPrecondition, match=r"v is damaged"):
        listed([tmp_path / "v"], accepted=None, layer="", start=0, count=1)
