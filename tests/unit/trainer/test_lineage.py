from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

from services.checkpoints.digest import digest
from services.trainer.files import RunFolder, write_table, write_text
from services.trainer.lineage import MANIFEST, chain, read_manifest, write_manifest
from services.trainer.provenance import code_version, record
from stillhouse.cli import main
from stillhouse.errors import FailedPrecondition, NotFound
from stillhouse.generator.types import ModelPointer


def model(folder: Path, weights: str, generation: int = 0) -> ModelPointer:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_text(weights)
    return ModelPointer(str(folder), digest(folder), generation)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run of two generations, its teacher outside it."""
    folder = RunFolder(tmp_path / "runs" / "a-run")
    write_text(folder.recipe, "name: demo\n")
    teacher, name = model(tmp_path / "models" / "first", "first"), "owner/first"
    for generation in (1, 2):
        rows = pa.table({"summary": ["one", "two"][:generation]})
        write_table(folder.dataset(generation), rows)
        student = model(folder.student(generation), f"weights {generation}", generation)
        record(
            student,
            run=folder,
            recipe_name="demo",
            teacher_name=name,
            teacher=teacher,
            dataset=folder.dataset(generation),
            seeds={"run": 7, "student": 2**62},
        )
        teacher, name = student, folder.student(generation).name
    return folder


def lineage(*arguments: str) -> tuple[int, str]:
    answer = CliRunner().invoke(main, ["lineage", *arguments])
    return answer.exit_code, answer.output


def test_the_chain_leads_back_to_the_first_teacher(run: RunFolder) -> None:
    links = chain(run.student(2))
    assert [link.name for link in links] == ["student-gen2", "student-gen1", "owner/first"]
    assert [link.problems for link in links] == [(), (), ()]
    assert [link.digest for link in links] == [digest(link.folder) for link in links]
    second, first, teacher = (link.manifest for link in links)
    assert teacher is None
    assert first is not None
    assert second is not None
    assert (first.run, first.generation, second.generation) == ("a-run", 1, 2)
    assert (first.dataset.rows, second.dataset.rows) == (1, 2)
    assert second.seeds == {"run": 7, "student": 2**62}


def test_the_manifest_does_not_change_the_digest(run: RunFolder) -> None:
    folder = run.student(1)
    before = digest(folder)
    manifest = read_manifest(folder)
    assert manifest.digest == before
    (folder / MANIFEST).unlink()
    assert digest(folder) == before
    write_manifest(folder, manifest)
    assert read_manifest(folder) == manifest


def test_a_run_that_was_moved_still_tells_its_lineage(run: RunFolder, tmp_path: Path) -> None:
    shutil.move(run.path, tmp_path / "elsewhere")
    links = chain(tmp_path / "elsewhere" / "student-gen2")
    assert [link.problems for link in links] == [(), (), ()]


def test_what_changed_is_told(run: RunFolder) -> None:
    (run.student(1) / "model.safetensors").write_text("other")
    write_text(run.recipe, "name: other\n")
    write_table(run.dataset(2), pa.table({"summary": ["another"]}))
    second, first, teacher = chain(run.student(2))
    assert [one.split(":")[0] for one in second.problems] == ["changed", "changed"]
    assert str(run.dataset(2)) in second.problems[0]
    assert str(run.recipe) in second.problems[1]
    assert str(run.student(1)) in first.problems[0]
    assert teacher.problems == ()
    assert all(link.problems == () for link in chain(run.student(2), check=False))


def test_what_is_missing_is_told(run: RunFolder, tmp_path: Path) -> None:
    run.dataset(2).unlink()
    shutil.rmtree(tmp_path / "models")
    second, first, teacher = chain(run.student(2))
    assert second.problems == (f"missing: {run.dataset(2)}",)
    assert first.problems == ()
    assert teacher.problems == (f"missing: no model in {tmp_path / 'models' / 'first'}",)
    status, output = lineage(str(run.student(2)))
    assert status == 2
    assert f"! missing: {run.dataset(2)}" in output
    assert "2 of the lineage's facts no longer hold" in output


def test_another_model_in_the_teachers_place_is_told(run: RunFolder) -> None:
    shutil.rmtree(run.student(1))
    shutil.copytree(run.student(2), run.student(1))
    second, first = chain(run.student(2))
    assert second.problems == ()
    assert [one.split(" ")[0] for one in first.problems] == ["changed:", "changed:"]
    assert "its student names" in first.problems[0]
    assert "where its student is" in first.problems[1]


def test_a_student_that_started_elsewhere_names_that_model(run: RunFolder, tmp_path: Path) -> None:
    start = model(tmp_path / "models" / "small", "small")
    teacher = ModelPointer(str(run.student(1)), digest(run.student(1)), 1)
    student = ModelPointer(str(run.student(2)), digest(run.student(2)), 2)

    def started_from(one: ModelPointer) -> None:
        record(
            student,
            run=run,
            recipe_name="demo",
            teacher_name="student-gen1",
            teacher=teacher,
            dataset=run.dataset(2),
            seeds={},
            start_name="owner/small",
            start=one,
        )

    started_from(teacher)
    assert read_manifest(run.student(2)).start is None
    started_from(start)
    assert f"start    owner/small, {start.digest}\n" in lineage(str(run.path))[1]
    assert chain(run.student(2))[0].problems == ()
    (Path(start.uri) / "model.safetensors").write_text("other")
    assert "models/small is" in chain(run.student(2))[0].problems[0]
    shutil.rmtree(start.uri)
    assert "no model in" in chain(run.student(2))[0].problems[0]


def test_a_damaged_manifest_is_refused_by_name(run: RunFolder) -> None:
    path = run.student(2) / MANIFEST
    for text in ("", "- a\n", "format: 1\n", "{", path.read_text().replace("rows: 2", "lines: 2")):
        path.write_text(text)
        with pytest.raises(FailedPrecondition, match=MANIFEST):
            chain(run.student(2))
    path.write_text("format: 2\n")
    with pytest.raises(FailedPrecondition, match="newer version"):
        read_manifest(run.student(2))


def test_no_model_and_no_student(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no model in"):
        chain(tmp_path)
    with pytest.raises(NotFound, match="no student of a run"):
        read_manifest(tmp_path / "models" / "first")


def test_the_command_takes_a_student_a_run_or_its_id(run: RunFolder) -> None:
    answers = [
        lineage(str(run.student(2))),
        lineage(str(run.path)),
        lineage("a-run", "--runs", str(run.path.parent)),
    ]
    assert answers[0] == answers[1] == answers[2]
    status, output = answers[0]
    assert status == 0
    heads = [line for line in output.splitlines() if not line.startswith(" ")]
    assert heads == ["student-gen2", "student-gen1", "owner/first (first teacher)"]
    for what in ("rows", "seeds", "code", "recipe   demo"):
        assert what in output
    assert lineage("no-such-run") == (
        2,
        "error: no folder no-such-run and no run 'no-such-run' in runs\n",
    )


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_of_a_checkout_and_of_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text("one")
    assert code_version(file).commit == ""
    git(tmp_path, "init", "-q")
    assert code_version(file).commit == ""  # somebody else's repository
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    assert code_version(file).commit == git(tmp_path, "rev-parse", "HEAD")
    git(tmp_path, "tag", "v1")
    file.write_text("two")
    assert code_version(file).commit == git(tmp_path, "rev-parse", "HEAD") + "-dirty"
