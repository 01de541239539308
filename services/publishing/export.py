"""Writing a dataset folder: Parquet for `datasets.load_dataset`, and its card."""

from __future__ import annotations

from pathlib import Path

from services.publishing.card import Card
from services.trainer.files import replacing_folder, write_table, write_text
from stillhouse.errors import InvalidArgument


def export(card: Card, to: Path) -> None:
    """Write the folder whole or not at all. InvalidArgument if there is something already."""
    check_free(to)
    with replacing_folder(to) as part:
        for split in ("train", "validation"):
            table = getattr(card.merged, split)
            write_table(part / "data" / f"{split}-00000-of-00001.parquet", table)
        write_text(part / "README.md", card.markdown())


def check_free(to: Path) -> None:
    """InvalidArgument unless `to` is a new or an empty folder."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise InvalidArgument("--to", f"{to} exists; give a new folder, or remove it")
