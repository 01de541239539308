"""The stack that a recipe needs: its teacher and index prepared, folders in the workspace."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from stillhouse.local.prepare import Say, Workspace, prepare_index, prepare_teacher
from stillhouse.local.stack import StackConfig
from stillhouse.recipe import Recipe


def configure(
    recipe: Recipe, workspace: Workspace, say: Say, runs: Path | None = None
) -> StackConfig:
    """Prepare what the recipe's services need; runs lie in `runs`, or in the workspace.

    InvalidArgument and FailedPrecondition as `prepare_teacher` and `prepare_index` raise them.
    """
    teacher = prepare_teacher(recipe, workspace)
    return StackConfig(
        teacher=teacher,
        index_folder=prepare_index(recipe, teacher, workspace, say),
        runs_folder=runs.resolve() if runs else workspace.root / "runs",
        models_folder=workspace.models,
        logs_folder=workspace.logs / datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f"),
        threads=recipe.teacher.threads,
    )
