"""Getting an index from elsewhere, known by its digest, before a service opens it.

The digest is the SHA-256 of the index's manifest, which names every file with its checksum.
Files come from a folder (a mounted volume) or by HTTP from the address of one. The index is
put together under another name, read and compared with all checksums, and renamed. Checksums
of the arrays are XXH64: damage is found, a forger is kept out by the transport.

    python -m services.index.fetch SOURCE --digest SHA256 --out FOLDER
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from services.index.document_ids import BYTES_FILE, METADATA, OFFSETS_FILE
from services.index.engine import Engine
from services.index.registry import open_index
from services.index.tokenizer import FILE_NAME
from services.runtime import logs
from stillhouse.errors import FailedPrecondition, InvalidArgument, StillhouseError, Unavailable

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
_ATTEMPTS = 5
_TIMEOUT = 60.0  # seconds without a byte
_CHUNK = 1 << 20


def fetch(source: str, digest: str, folder: Path) -> None:
    """Let `folder` be the index of that digest, taken from `source` unless it is there already.

    Raises InvalidArgument if the folder holds something else, FailedPrecondition if what came
    isn't the index of that digest or is damaged, Unavailable if the source doesn't answer.
    """
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise InvalidArgument("digest", f"{digest!r} is no SHA-256 of 64 hexadecimal digits")
    if folder.exists():
        _check_present(folder, digest)
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        index = part / "index"
        index.mkdir()
        _copy(source, MANIFEST, index)
        _check_manifest(index, digest, source)
        for name in files_of(index / MANIFEST):
            _copy(source, name, index)
        verify(index)
        index.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def verify(folder: Path) -> None:
    """Compare all of an index with its checksums; FailedPrecondition says what differs."""
    open_index("fetched", folder, preload=False)  # tokenizer and document ids
    Engine.open(folder, preload=False).verify()


def files_of(manifest: Path) -> list[str]:
    """An index's files beside its manifest; FailedPrecondition for a name that leads elsewhere."""
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        names = [file["name"] for segment in content["segments"] for file in segment["files"]]
        if content["tokenizer_sha256"]:
            names.append(FILE_NAME)
        if content["metadata"].get(METADATA):
            names += [OFFSETS_FILE, BYTES_FILE]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FailedPrecondition(f"{manifest} is no manifest of an index: {error!r}") from None
    for name in names:
        if not isinstance(name, str) or Path(name).name != name:
            raise FailedPrecondition(f"{manifest} names {name!r}, which is no file beside it")
    return names


def _check_present(folder: Path, digest: str) -> None:
    found = _digest(folder / MANIFEST) if (folder / MANIFEST).is_file() else "no index"
    if found != digest:
        raise InvalidArgument("out", f"{folder} holds {found}, not {digest}; give another folder")
    log.info("the index is there already", extra={"folder": str(folder)})


def _check_manifest(folder: Path, digest: str, source: str) -> None:
    found = _digest(folder / MANIFEST)
    if found != digest:
        raise FailedPrecondition(f"{source} holds the index {found}, not {digest}")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _copy(source: str, name: str, folder: Path) -> None:
    """One file, durably; begun anew when its transfer breaks off."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with _opened(source, name) as (stream, size), (folder / name).open("wb") as file:
                shutil.copyfileobj(stream, file, _CHUNK)
                if size is not None and file.tell() != size:
                    raise TimeoutError(f"ended after {file.tell()} of {size} bytes")
                file.flush()
                os.fsync(file.fileno())
            log.info("fetched", extra={"file": name, "bytes": (folder / name).stat().st_size})
            return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise FailedPrecondition(f"{source} has no {name}: {error}") from None
            reason: object = error
        except FileNotFoundError as error:
            raise FailedPrecondition(f"{source} has no {name}: {error.strerror}") from None
        except (OSError, TimeoutError) as error:
            reason = error
        log.warning("fetching again: %s", reason, extra={"file": name})
        if attempt < _ATTEMPTS:
            time.sleep(min(2.0 ** (attempt - 2), 10.0))
    raise Unavailable(f"{source}: {name} could not be fetched in {_ATTEMPTS} attempts: {reason}")


@contextmanager
def _opened(source: str, name: str) -> Iterator[tuple[IO[bytes], int | None]]:
    """A file of the source, and its size where that is told."""
    if not source.startswith(("http://", "https://")):
        with (Path(source) / name).open("rb") as file:
            yield file, os.fstat(file.fileno()).st_size
        return
    with urllib.request.urlopen(f"{source.rstrip('/')}/{name}", timeout=_TIMEOUT) as answer:
        length = answer.headers.get("Content-Length")
        yield answer, int(length) if length else None


def _main() -> None:
    parser = argparse.ArgumentParser(prog="services.index.fetch", description=__doc__)
    parser.add_argument("source", help="folder of the index, or the address of one by HTTP")
    parser.add_argument("--digest", required=True, help="SHA-256 of its manifest.json")
    parser.add_argument("--out", type=Path, required=True, help="where it shall be")
    given = parser.parse_args()
    logs.configure("INFO", "json")
    fetch(given.source, given.digest, given.out)


if __name__ == "__main__":
    try:
        _main()
    except StillhouseError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
