"""A real cross-encoder, tiny and trained on a rule, by both runtimes."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.filter.cascade import evaluate
from services.filter.evidence import Backends
from services.filter.layers.base import Inference
from services.filter.nli import CrossEncoder, load
from services.filter.nli.checkpoint import read
from services.filter.nli.cross_encoder import passes, softmax
from services.filter.nli.labels import entailment_index
from stillhouse.errors import FailedPrecondition
from stillhouse.filter.types import Candidate, Cascade, Document, LayerConfig
from tests.support.tiny_nli import COLOURS, LENGTH, export_onnx, label, make_tiny_nli
from tests.unit.filter.fakes import FakeCritic, FakeIndex

RUNTIMES = ("transformers", "onnx")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_onnx(make_tiny_nli(tmp_path_factory.mktemp("nli")))


def opened(folder: Path, runtime: str, pass_tokens: int = 4096) -> CrossEncoder:
    return load(str(folder), runtime, None, pass_tokens, threads=1)


def questions(count: int, seed: int = 3) -> list[Inference]:
    rng = Random(seed)
    return [
        Inference(
            " ".join(rng.sample(COLOURS, rng.randint(2, 5))),
            " ".join(["not"] * (rng.random() < 0.2) + rng.sample(COLOURS, rng.randint(1, 2))),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_it_knows_the_rule_that_it_was_trained_on(folder: Path, runtime: str) -> None:
    asked = questions(200)
    answers = opened(folder, runtime).judge(asked)
    right = [
        (answer.probability >= 0.75) == (label(one.premise, one.hypothesis) == 1)
        for one, answer in zip(asked, answers, strict=True)
    ]
    assert sum(right) >= 180


def test_both_runtimes_answer_alike(folder: Path) -> None:
    asked = questions(60)
    values = [
        [answer.probability for answer in opened(folder, runtime).judge(asked)]
        for runtime in RUNTIMES
    ]
    assert values[0] == pytest.approx(values[1], abs=1e-4)
    assert len({round(value, 3) for value in values[0]}) > 2


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("pass_tokens", [1, 40, 4096])
def test_batches_change_no_answer(folder: Path, runtime: str, pass_tokens: int) -> None:
    asked = questions(20)
    model = opened(folder, runtime, pass_tokens)
    alone = [model.judge([one])[0].probability for one in asked]
    together = [answer.probability for answer in model.judge(asked)]
    assert together == pytest.approx(alone, abs=1e-5)
    assert model.judge([]) == []


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_nothing_is_cut_off(folder: Path, runtime: str) -> None:
    """[CLS] premise [SEP] hypothesis [SEP]: three special tokens."""
    fits = Inference("red " * (LENGTH - 4), "red")
    model = opened(folder, runtime)
    ok, over, far = model.judge(
        [fits, Inference(fits.premise + "red", "red"), Inference("red " * 500, "blue " * 500)]
    )
    assert ok.overlong == 0
    assert not math.isnan(ok.probability)
    assert (over.overlong, far.overlong) == (1, 1003 - LENGTH)
    assert math.isnan(over.probability)
    assert math.isnan(far.probability)


@pytest.mark.parametrize("runtime", RUNTIMES)
async def test_it_judges_in_the_cascade(folder: Path, runtime: str) -> None:
    cascade = Cascade((LayerConfig("entailment"), LayerConfig("diversity", {"keep": 9})))
    texts = ("red blue", "blue red", "pink", "not red", "", "red " * 40)
    given = [Candidate(f"c{n}", "d", n, text) for n, text in enumerate(texts)]
    answering = Backends(FakeCritic(), FakeIndex(), opened(folder, runtime))
    document = Document("d", "red green blue gold")
    found = await evaluate(cascade, [document], given, answering)
    reasons = [verdict.reason for verdict in found.verdicts]
    assert sorted(reasons[:2]) == ["", "diversity.near_duplicate"]
    assert reasons[2:5] == ["entailment.not_entailed"] * 3
    assert reasons[5] == "entailment.too_long"


def test_no_number_of_the_model_is_no_probability() -> None:
    rows = softmax(np.array([[0.0, math.nan, 1.0], [math.inf, 0.0, 0.0], [800.0, 0.0, -800.0]]))
    assert np.isnan(rows[0]).all()
    assert np.isnan(rows[1]).any()
    assert rows[2].tolist() == [1.0, 0.0, 0.0]


@given(st.lists(st.integers(1, 60), max_size=30), st.integers(1, 200))
def test_passes_hold_everything_once_within_the_budget(lengths: list[int], budget: int) -> None:
    groups = list(passes(lengths, range(len(lengths)), budget))
    assert sorted(place for group in groups for place in group) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or len(group) * max(lengths[p] for p in group) <= budget


WANLI = {0: "contradiction", 1: "entailment", 2: "neutral"}


def test_the_class_is_found_by_its_name() -> None:
    assert entailment_index(WANLI) == 1
    assert entailment_index({0: "ENTAILMENT", 1: "not_entailment"}) == 0
    assert entailment_index({0: "LABEL_0", 1: "LABEL_1"}, 1) == 1


@pytest.mark.parametrize(
    ("labels", "index", "said"),
    [
        ({0: "LABEL_0", 1: "LABEL_1"}, None, "STILLHOUSE_NLI_ENTAILMENT_INDEX"),
        ({0: "entailment", 1: "Entailment", 2: "neutral"}, None, "2 of the NLI model's classes"),
        (WANLI, 3, "0: contradiction, 1: entailment, 2: neutral"),
        ({0: "entailment"}, None, "fewer than two classes"),
        ({}, None, "fewer than two classes"),
    ],
)
def test_a_class_that_cannot_be_told_is_refused(
    labels: dict[int, str], index: int | None, said: str
) -> None:
    with pytest.raises(FailedPrecondition, match=said):
        entailment_index(labels, index)


@pytest.mark.parametrize(
    ("config", "told", "length"),
    [
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, {}, 512),
        ({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}, {}, 512),
        ({"max_position_embeddings": 512}, {"model_max_length": 128}, 128),
        ({"max_position_embeddings": 512}, {"model_max_length": 10**30}, 512),
        ({"max_position_embeddings": None}, {}, 2048),
    ],
)
def test_how_much_a_checkpoint_reads(
    config: dict[str, object], told: dict[str, object], length: int
) -> None:
    assert read(config | {"id2label": WANLI}, told).length == length


@pytest.mark.parametrize("name", ["model.onnx", "config.json", "tokenizer.json"])
def test_a_file_that_is_missing_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / name).unlink()
    with pytest.raises(FailedPrecondition, match=name):
        opened(copy, "onnx")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_classes_without_names_are_refused_unless_told(
    folder: Path, tmp_path: Path, runtime: str
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())
    config["id2label"] = {str(n): f"LABEL_{n}" for n in range(3)}
    config["label2id"] = {f"LABEL_{n}": n for n in range(3)}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(FailedPrecondition, match="LABEL_1"):
        opened(copy, runtime)
    told = load(str(copy), runtime, 1, 4096, 1).judge([Inference("red blue", "red")])
    assert told[0].probability > 0.75


def test_no_model_at_all_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="STILLHOUSE_NLI_MODEL"):
        opened(tmp_path, "transformers")


_WITHOUT = """
import sys
class Barred:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {barred}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Barred())
"""


def python(barred: set[str], code: str) -> subprocess.CompletedProcess[str]:
    script = _WITHOUT.format(barred=barred) + code
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )


def test_onnx_needs_neither_torch_nor_transformers(folder: Path) -> None:
    done = python(
        {"torch", "transformers"},
        f"""
from services.filter.layers.base import Inference
from services.filter.nli import load
model = load({str(folder)!r}, "onnx", None, 64, 1)
print(model.judge([Inference("red blue", "red")])[0].probability > 0.75)
""",
    )
    assert done.stdout == "True\n", done.stderr


def test_a_filter_without_a_model_imports_none_of_it() -> None:
    done = python(
        {"torch", "transformers", "onnxruntime", "tokenizers"}, "import services.filter.__main__"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("runtime", "missing", "extra"),
    [("onnx", "onnxruntime", "nli-onnx"), ("transformers", "torch", "nli")],
)
def test_a_library_that_is_missing_is_named_with_its_extra(
    folder: Path, runtime: str, missing: str, extra: str
) -> None:
    done = python(
        {missing},
        f"""
from services.filter.nli import load
from stillhouse.errors import FailedPrecondition
try:
    load({str(folder)!r}, {runtime!r}, None, 64, 1)
except FailedPrecondition as error:
    print(error)
""",
    )
    assert missing in done.stdout
    assert f"[{extra}]" in done.stdout
