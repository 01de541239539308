from __future__ import annotations

import math
import random
from pathlib import Path

import pyarrow as pa

from services.trainer.diversity import compare
from services.trainer.files import table_writer
from stillhouse.text.diversity import distinct, msttr
from stillhouse.text.words import words

SCHEMA = pa.schema([("summary", pa.string())])
WORDS = ["heap", "array", "parser", "reads", "keeps", "small"]


def write(path: Path, texts: list[str], group: int = 7) -> Path:
    with table_writer(path, SCHEMA) as writer:
        for start in range(0, len(texts), group):
            writer.write_table(pa.table({"summary": texts[start : start + group]}, schema=SCHEMA))
    return path


def test_both_are_measured_at_the_size_of_the_smaller(tmp_path: Path) -> None:
    rng = random.Random(1)
    many = [" ".join(rng.choices(WORDS, k=8)) for _ in range(60)]
    few = many[:20]
    found = compare(write(tmp_path / "a", many), write(tmp_path / "b", few), seed=3)
    cut = [words(text) for text in few]
    assert found.samples == 20
    assert (found.distinct_2, found.msttr) == (distinct(cut, 2), msttr(cut, 50))
    assert found.first_distinct_2 > distinct([words(text) for text in many], 2)
    assert compare(tmp_path / "a", tmp_path / "b", seed=3) == found


def test_a_set_beside_itself_is_as_diverse(tmp_path: Path) -> None:
    path = write(tmp_path / "a", [f"the {n} heap keeps the array small" for n in range(30)])
    found = compare(path, path, seed=0)
    assert found.distinct_2 == found.first_distinct_2
    assert found.msttr == found.first_msttr


def test_sets_of_nothing_have_no_figures(tmp_path: Path) -> None:
    empty = write(tmp_path / "a", [])
    found = compare(empty, write(tmp_path / "b", ["text"]), seed=0)
    assert found.samples == 0
    assert math.isnan(found.distinct_2)
    assert math.isnan(found.first_msttr)
