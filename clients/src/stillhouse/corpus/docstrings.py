"""Documents with human references on every machine: the docstrings of this installation.

By PEP 257 a docstring's first line sums up the rest. The prose of the rest is the
document, the first line its reference. Nothing is imported: the sources are parsed.
"""

from __future__ import annotations

import ast
import inspect
import re
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from stillhouse.corpus.document import SourceDocument
from stillhouse.corpus.prose import prose, without_markup
from stillhouse.corpus.sentences import sentences

# Opening quotes at the start of a line, a first line that ends in a full stop, a blank one.
_OPENING = re.compile(
    rb"^[ \t]*[rRuU]?(\"\"\"|''')(?:\\?[ \t]*\r?\n)?[^\n]*\S[^\n]*\.[ \t]*\r?\n[ \t]*\r?\n",
    re.MULTILINE,
)
_PASSED_OVER = frozenset(
    {"test", "tests", "testing", "site-packages", "dist-packages", "__pycache__", "_vendor"}
)
_LONGEST_SUMMARY = 200  # characters

_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def docstrings(min_sentences: int = 3) -> list[SourceDocument]:
    """Documents of the public names of the standard library and installed packages, by id.

    Bodies shorter than `min_sentences` are left out; of equal bodies the first id
    stays. The same installation gives the same documents.
    """
    found: dict[str, SourceDocument] = {}
    for label, folder in _roots():
        for document in from_folder(folder, label, min_sentences):
            found.setdefault(document.id, document)
    return _distinct(found.values())


def from_folder(folder: Path, label: str, min_sentences: int) -> Iterator[SourceDocument]:
    """Documents of the modules below `folder`, where its packages and modules lie.

    Ids are `label:module.name`; an empty label stands for each module's own package.
    """
    for path in _sources(folder):
        module = _module_name(path.relative_to(folder))
        prefix = label or module.partition(".")[0]
        for name, docstring in _docstrings_of(path, module, min_sentences):
            document = _document(f"{prefix}:{name}", docstring, min_sentences)
            if document is not None:
                yield document


def _roots() -> list[tuple[str, Path]]:
    paths = sysconfig.get_paths()
    roots = [("stdlib", Path(paths["stdlib"]))]
    packages = dict.fromkeys(Path(paths[key]) for key in ("purelib", "platlib"))
    return roots + [("", path) for path in packages]


def _sources(folder: Path) -> Iterator[Path]:
    """The public modules below a folder, in a fixed order, tests and vendored code left out."""
    for path in sorted(folder.iterdir() if folder.is_dir() else ()):
        if path.name in _PASSED_OVER or path.name.startswith(".") or _is_private(path.stem):
            continue
        if path.suffix == ".py":
            yield path
        elif path.is_dir() and not path.is_symlink():
            yield from _sources(path)


def _is_private(name: str) -> bool:
    """True of what its authors keep to themselves: notes there are seldom prose for others."""
    return name.startswith("_") and name != "__init__"


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _docstrings_of(path: Path, module: str, min_sentences: int) -> Iterator[tuple[str, str]]:
    """Full name and docstring of a module and of what it defines, functions' insides aside."""
    try:
        source = path.read_bytes()
        if not _is_promising(source, min_sentences):
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a package's odd escapes are not ours to report
            tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return  # templates and code for other versions are no sources of this one
    yield from _walk(tree, module)


def _is_promising(source: bytes, min_sentences: int) -> bool:
    """True if parsing may find a document: parsing all files takes three times as long."""
    for opening in _OPENING.finditer(source):
        start = opening.end(1)
        end = source.find(opening.group(1), start)
        if _parts(source[start:end].decode("utf-8", "replace"), min_sentences):
            return True
    return False


def _walk(node: _Documented, name: str) -> Iterator[tuple[str, str]]:
    docstring = ast.get_docstring(node, clean=False)
    if docstring:
        yield name, docstring
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    for child in node.body:
        if isinstance(
            child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and not _is_private(child.name):
            yield from _walk(child, f"{name}.{child.name}")


def _document(name: str, docstring: str, min_sentences: int) -> SourceDocument | None:
    parts = _parts(docstring, min_sentences)
    if parts is None or not _is_unicode("".join(parts)):
        return None
    summary, body = parts
    return SourceDocument(name, body, summary)


def _parts(docstring: str, min_sentences: int) -> tuple[str, str] | None:
    parts = split_docstring(docstring)
    return parts if parts and len(sentences(parts[1])) >= min_sentences else None


def split_docstring(docstring: str) -> tuple[str, str] | None:
    """Summary and prose of the body; None unless a one-sentence line and a blank one lead."""
    lines = inspect.cleandoc(docstring).splitlines()
    if len(lines) < 3 or lines[1].strip():
        return None
    summary = lines[0].strip()
    if not is_summary(summary):
        return None
    return without_markup(summary), prose("\n".join(lines[2:]))


def is_summary(line: str) -> bool:
    """True of one sentence of at least three words that ends in a full stop."""
    return (
        line.endswith(".")
        and not line.endswith("..")
        and len(line.split()) >= 3
        and len(line) <= _LONGEST_SUMMARY
        and len(sentences(line)) == 1
    )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _distinct(documents: Iterable[SourceDocument]) -> list[SourceDocument]:
    first: dict[str, SourceDocument] = {}
    for document in sorted(documents, key=lambda one: one.id):
        first.setdefault(document.text, document)
    return list(first.values())
