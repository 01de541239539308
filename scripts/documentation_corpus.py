"""Documentation text from Debian packages, split for measuring language models.

    python scripts/documentation_corpus.py OUT [--limit MEGABYTES] [--held-out N] [--per-package N]

Downloads the packages below with `apt-get download` (run `apt-get update` once before), takes
the text out of their HTML, reStructuredText and plain text files, removes near-duplicates, and
writes to the folder OUT

    corpus.jsonl                                what an index is built over
    validation-in.jsonl, test-in.jsonl          documents left out of the same packages
    validation-out.jsonl, test-out.jsonl        documents of packages that are not in the corpus
    manifest.json                               versions, checksums and counts

Each line has `id`, `text` and `domain`, the package. The same packages give the same files.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import html
import json
import re
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CORPUS = (
    "python3.11-doc", "python-scipy-doc", "python-pandas-doc", "python-sympy-doc",
    "python-astropy-doc", "python-django-doc", "python-sqlalchemy-doc", "sphinx-doc",
    "python-xarray-doc", "python-dask-doc", "python-mpmath-doc", "python-flask-doc",
    "python-tornado-doc", "python-cryptography-doc", "python-requests-doc", "python-scrapy-doc",
    "python-gevent-doc", "python-ipython-doc", "python-pytest-doc", "python-pyqtgraph-doc",
    "postgresql-doc-15", "sqlite3-doc", "perl-doc", "libboost1.81-doc", "git-doc", "octave-doc",
    "qtbase5-doc-html", "libgtk-3-doc", "libgtk-4-doc", "libglib2.0-doc", "cmake-doc",
    "nodejs-doc", "llvm-14-doc", "clang-14-doc", "r-doc-html", "bash-doc", "binutils-doc",
    "debian-policy", "developers-reference", "debian-reference-en", "debian-handbook",
    "bind9-doc", "postfix-doc", "exim4-doc-html", "krb5-doc", "racket-doc", "ghc-doc",
    "openjdk-17-doc",
)  # fmt: skip
OUTSIDE = ("erlang-doc", "apache2-doc", "rust-doc", "gimp-help-en", "grass-doc", "maxima-doc")
"""Packages of other ecosystems, for tests alone."""

SHORTEST, LONGEST = 600, 200_000  # characters of a document
SHARED_LINE = 0.02  # a line in more than this share of a package's documents is boilerplate
SIMILAR = 0.7  # Jaccard similarity of word 5-grams from which on documents are duplicates
HASHES, BANDS = 64, 16
SEED = 0

_CONTENT = (  # where generators of documentation put what a page is about: begin, end
    (re.compile(r'<(?:div|main|article)[^>]*\brole="main"[^>]*>', re.I),
     re.compile(r'<div[^>]*class="(?:sphinxsidebar|bd-sidebar|related|footer)|<footer\b', re.I)),
)  # fmt: skip
_DROPPED = re.compile(r"<(script|style|head|nav|footer|header|svg|math)\b.*?</\1\s*>|<!--.*?-->",
                      re.I | re.S)  # fmt: skip
_BLOCK = re.compile(r"</?(?:p|div|li|ul|ol|tr|table|h[1-6]|br|pre|dt|dd|dl|section|article|"
                    r"blockquote|hr)\b[^>]*>", re.I)  # fmt: skip
_PRE = re.compile(r"<pre\b[^>]*>.*?</pre\s*>", re.I | re.S)
_TAG = re.compile(r"<[^>]*>")
_SPACES = re.compile(r"[ \t\r\f\v\u00a0]+")
_BLANKS = re.compile(r"\n\s*\n+")
_NO_TEXT = re.compile(r"genindex|py-modindex|search\.html|/_sources/|copyright|changelog|"
                      r"allclasses|index-all|index-files|/src/|hierarchy|package-tree",
                      re.I)  # fmt: skip
_LANGUAGE = re.compile(r"[./](?:de|es|fr|it|ja|ko|nl|pt|ru|zh|tr|da|pl|id|ar|el|vi|cs|uk|sv)"
                       r"(?:[-_.][\w-]+)?(?:\.gz|\.utf8|\.html|/)", re.I)  # fmt: skip

Signature = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Document:
    """A text, the file it comes from and its package."""

    id: str
    text: str
    domain: str

    def line(self) -> str:
        """As a line of JSON."""
        return json.dumps({"id": self.id, "text": self.text, "domain": self.domain}) + "\n"


def html_text(page: str) -> str:
    """The text of an HTML page, a line for each block; code keeps its lines."""
    for begin, end in _CONTENT:
        if found := begin.search(page):
            behind = end.search(page, found.end())
            page = page[found.end() : behind.start() if behind else len(page)]
            break
    page = _DROPPED.sub(" ", page)
    parts, at = [], 0
    for code in _PRE.finditer(page):
        parts += [page[at : code.start()].replace("\n", " "), "\n", code.group(), "\n"]
        at = code.end()
    parts.append(page[at:].replace("\n", " "))
    return plain_text(html.unescape(_TAG.sub("", _BLOCK.sub("\n", "".join(parts)))))


def plain_text(text: str) -> str:
    """Text with single spaces, and single blank lines, at most."""
    lines = (_SPACES.sub(" ", line).strip() for line in text.splitlines())
    return _BLANKS.sub("\n", "\n".join(lines)).strip()


def without_shared_lines(texts: Sequence[str]) -> list[str]:
    """The texts without lines that a good share of them has: menus, headings, licences."""
    seen: Counter[str] = Counter()
    for text in texts:
        seen.update(set(text.split("\n")))
    most = max(4, SHARED_LINE * len(texts))
    return ["\n".join(one for one in text.split("\n") if seen[one] <= most) for text in texts]


_POWERS = np.cumprod(np.full(64, 0x100000001B3, np.uint64))
_RANDOM = np.random.default_rng(SEED)
_FACTORS = _RANDOM.integers(1, 2**63, (HASHES, 1), np.uint64) * np.uint64(2) + np.uint64(1)


def signature(text: str) -> Signature:
    """MinHash (HASHES,) of the word 5-grams (Broder 1997); of all words if there are fewer."""
    data = np.frombuffer(text.lower().encode(), np.uint8)
    inside = data > 32
    starts = np.flatnonzero(inside & ~np.concatenate([[False], inside[:-1]]))
    if not len(starts):
        return np.zeros(HASHES, np.uint64)
    place = np.arange(len(data)) - starts[np.maximum(np.cumsum(np.isin(
        np.arange(len(data)), starts, assume_unique=True)) - 1, 0)]  # fmt: skip
    values = np.where(inside, data * _POWERS[place % 64], np.uint64(0)).astype(np.uint64)
    words = np.add.reduceat(values, starts)
    grams = words[:1] if len(words) < 5 else words[: len(words) - 4].copy()
    for shift in range(1, 5):
        if len(words) >= 5:
            grams = grams * np.uint64(0x9E3779B97F4A7C15) + words[shift : len(words) - 4 + shift]
    mixed = grams ^ (grams >> np.uint64(29))
    hashed = mixed[None, :] * _FACTORS
    found: Signature = (hashed >> np.uint64(11)).min(axis=1)
    return found


class Distinct:
    """Tells near-duplicates of what it has seen: LSH proposes, the signatures decide."""

    def __init__(self) -> None:
        self._bands: dict[bytes, list[int]] = defaultdict(list)
        self._seen: list[Signature] = []

    def add(self, found: Signature) -> bool:
        """Whether no document before was alike; only then it is kept."""
        rows = HASHES // BANDS
        keys = [bytes([band]) + found[band * rows : (band + 1) * rows].tobytes()
                for band in range(BANDS)]  # fmt: skip
        for key in keys:
            for number in self._bands[key]:
                if np.mean(self._seen[number] == found) >= SIMILAR:
                    return False
        for key in keys:
            self._bands[key].append(len(self._seen))
        self._seen.append(found)
        return True


def fetch(package: str, folder: Path) -> Path:
    """The package's .deb, downloaded unless it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    for found in sorted(folder.glob(f"{package}_*.deb")):
        return found
    subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True)
    return next(iter(sorted(folder.glob(f"{package}_*.deb"))))


def documents_of(package: str, deb: Path) -> list[Document]:
    """The documents of a package, in order of their files."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-x", str(deb), folder], check=True)
        return documents_in(package, Path(folder))


def documents_in(package: str, folder: Path) -> list[Document]:
    """The documents in the files below a folder, without what many of them share."""
    paths = [one for one in sorted(folder.rglob("*")) if one.is_file() and not one.is_symlink()]
    found = [(path, text) for path in paths if (text := _text_of(path, folder))]
    kept = without_shared_lines([text for _, text in found])
    return [
        Document(f"{package}:{path.relative_to(folder)}", text[:LONGEST], package)
        for (path, _), text in zip(found, kept, strict=True)
        if len(text) >= SHORTEST
    ]


def _text_of(path: Path, root: Path) -> str:
    name = str(path.relative_to(root))
    plain = name.removesuffix(".gz")
    if _NO_TEXT.search(name) or _LANGUAGE.search(name):
        return ""
    if not plain.endswith((".html", ".htm", ".rst", ".txt", ".xhtml")):
        return ""
    data = path.read_bytes()
    if name.endswith(".gz"):
        data = gzip.decompress(data)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return ""
    return html_text(text) if "htm" in plain.rpartition(".")[2] else plain_text(text)


def rank(document: Document) -> bytes:
    """A fixed, arbitrary order of documents."""
    return hashlib.sha256(f"{SEED}\0{document.id}".encode()).digest()


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Documents in each validation and test file, and how many of them one package may give."""

    documents: int = 1000
    per_package: int = 100


def held_out(documents: Sequence[Document], size: HeldOut) -> tuple[set[str], set[str]]:
    """Ids of the documents for validation and for testing, no package more than its share."""
    taken: list[str] = []
    each: Counter[str] = Counter()
    for one in sorted(documents, key=rank):
        if len(taken) == 2 * size.documents:
            break
        if each[one.domain] < 2 * size.per_package:
            each[one.domain] += 1
            taken.append(one.id)
    return set(taken[::2]), set(taken[1::2])


def split(
    inside: Sequence[Document], outside: Sequence[Document], size: HeldOut
) -> dict[str, list[Document]]:
    """The documents of each file; what is like a document before, corpus first, is left out."""
    validation, test = held_out(inside, size)
    validation_out, test_out = held_out(outside, size)
    files = {
        "corpus": [one for one in inside if one.id not in validation | test],
        "validation-in": [one for one in inside if one.id in validation],
        "test-in": [one for one in inside if one.id in test],
        "validation-out": [one for one in outside if one.id in validation_out],
        "test-out": [one for one in outside if one.id in test_out],
    }
    distinct = Distinct()
    with ProcessPoolExecutor() as pool:
        return {
            name: [
                one
                for one, found in zip(
                    rows, pool.map(signature, (one.text for one in rows), chunksize=64), strict=True
                )
                if distinct.add(found)
            ]
            for name, rows in files.items()
        }


def capped(documents: Iterable[Document], characters: int) -> Iterator[Document]:
    """Documents, in a fixed arbitrary order, up to a number of characters."""
    for one in sorted(documents, key=rank):
        characters -= len(one.text)
        if characters < 0:
            return
        yield one


def main() -> None:
    """Download, extract, split, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--limit", type=int, default=20, help="megabytes of text taken of one package"
    )
    parser.add_argument(
        "--held-out",
        type=int,
        default=HeldOut().documents,
        help="documents in each file but corpus",
    )
    parser.add_argument(
        "--per-package", type=int, default=HeldOut().per_package, help="of them from one package"
    )
    given = parser.parse_args()
    size = HeldOut(given.held_out, given.per_package)
    given.out.mkdir(parents=True, exist_ok=True)
    manifest: dict[str, Any] = {"seed": SEED, "packages": {}, "files": {}}
    found: dict[str, list[Document]] = {}
    for package in (*CORPUS, *OUTSIDE):
        deb = fetch(package, given.out / "debs")
        kept = given.out / "text" / f"{package}.jsonl"
        if not kept.exists():
            documents = documents_of(package, deb)
            kept.parent.mkdir(exist_ok=True)
            part = kept.with_suffix(".part")
            part.write_text("".join(map(Document.line, documents)))
            part.rename(kept)
        documents = [Document(**json.loads(line)) for line in kept.read_text().splitlines()]
        found[package] = sorted(capped(documents, given.limit * 10**6), key=lambda one: one.id)
        characters = sum(len(one.text) for one in found[package])
        manifest["packages"][package] = {
            "file": deb.name.replace("%3a", ":"),
            "sha256": hashlib.sha256(deb.read_bytes()).hexdigest(),
            "documents": len(found[package]),
            "characters": characters,
        }
        print(f"{package}: {len(found[package])} documents, {characters / 1e6:.1f} MB", flush=True)
    inside = [one for package in CORPUS for one in found[package]]
    outside = [one for package in OUTSIDE for one in found[package]]
    for name, documents in split(inside, outside, size).items():
        (given.out / f"{name}.jsonl").write_text("".join(map(Document.line, documents)))
        characters = sum(len(one.text) for one in documents)
        manifest["files"][name] = {"documents": len(documents), "characters": characters}
        print(f"{name}.jsonl: {len(documents)} documents, {characters / 1e6:.1f} MB", flush=True)
    (given.out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
