"""The directory an index lives in: atomic to appear, refused when damaged."""

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from stillhouse_native import BuildError, FormatError, Index, build

from tests.unit.native.corpora import index_of

FILES = ["alphabet", "documents", "text", "suffixes", "buckets"]
TOKENS = [5, 6, 5, 6, 7, 5, 6, 9] * 40
OFFSETS = [0, 100, 100, 320]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    build(TOKENS, OFFSETS, tmp_path / "index")
    return tmp_path / "index"


def open_both(directory: Path) -> None:
    """Open mapped and preloaded; both must fail alike."""
    with pytest.raises(FormatError) as mapped:
        Index.open(directory)
    with pytest.raises(FormatError) as preloaded:
        Index.open(directory, preload=True)
    assert str(mapped.value) == str(preloaded.value)
    raise mapped.value


def flip(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 0xFF
    file.write_bytes(data)


def test_build_leaves_only_the_index(tmp_path: Path, directory: Path) -> None:
    assert [p.name for p in tmp_path.iterdir()] == ["index"]
    assert {p.name for p in directory.iterdir()} == {
        "manifest.json",
        *(f"segment-0.{f}" for f in FILES),
    }


def test_build_refuses_a_used_directory(tmp_path: Path, directory: Path) -> None:
    with pytest.raises(BuildError, match="not an empty directory"):
        build([1], [0, 1], directory)
    (tmp_path / "file").write_text("x")
    with pytest.raises(BuildError, match="not an empty directory"):
        build([1], [0, 1], tmp_path / "file")
    with pytest.raises(BuildError, match="create it first"):
        build([1], [0, 1], tmp_path / "missing" / "index")
    assert Index.open(directory).count([5, 6]) == 120
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "index"]


def test_build_takes_an_empty_directory_and_odd_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    build([1], [0, 1], tmp_path / "empty")
    monkeypatch.chdir(tmp_path)
    build([1], [0, 1], "relative/")
    build([1], [0, 1], "./x/../dots")
    build([1], [0, 1], os.fsdecode(b"bytes-\xff"))
    for name in ("empty", "relative", "dots", os.fsdecode(b"bytes-\xff")):
        assert Index.open(name).tokens == 1
    with pytest.raises(BuildError, match="empty"):
        build([1], [0, 1], os.fsdecode(b"bytes-\xff"))


def test_build_passes_a_stale_directory(tmp_path: Path) -> None:
    stale = tmp_path / f"index.tmp-{os.getpid()}-0"
    stale.mkdir()
    build([1], [0, 1], tmp_path / "index")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["index", stale.name]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a small file system")
def test_build_cleans_up_when_writing_fails(tmp_path: Path) -> None:
    import resource
    import signal

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        with pytest.raises(BuildError, match=r"segment-0.*could not write"):
            build(np.arange(10_000, dtype=np.uint32), [0, 10_000], tmp_path / "index")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir())


def test_same_input_same_bytes(tmp_path: Path, directory: Path) -> None:
    build(np.array(TOKENS, dtype=np.uint32), OFFSETS, tmp_path / "again")
    for file in directory.iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()
    manifest = (directory / "manifest.json").read_bytes()
    assert Index.open(directory).digest == hashlib.sha256(manifest).hexdigest()
    build(TOKENS, [0, 101, 101, 320], tmp_path / "other")
    assert Index.open(tmp_path / "other").digest != Index.open(directory).digest


def test_manifest_tells_sizes(directory: Path) -> None:
    manifest = json.loads((directory / "manifest.json").read_text())
    assert (manifest["tokens"], manifest["documents"], manifest["distinct_tokens"]) == (320, 3, 4)
    (segment,) = manifest["segments"]
    for file in segment["files"]:
        assert (directory / file["name"]).stat().st_size == file["bytes"]


def test_missing_directory_and_manifest(tmp_path: Path, directory: Path) -> None:
    with pytest.raises(FormatError, match="nowhere: no such directory"):
        open_both(tmp_path / "nowhere")
    with pytest.raises(FormatError, match=r"manifest\.json: not a directory"):
        open_both(directory / "manifest.json")
    (directory / "manifest.json").unlink()
    with pytest.raises(FormatError, match=r"manifest\.json: missing"):
        open_both(directory)


@pytest.mark.parametrize("file", FILES)
def test_missing_truncated_or_longer_file(file: str, directory: Path) -> None:
    path = directory / f"segment-0.{file}"
    data = path.read_bytes()
    for size in (0, 10, 64, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(FormatError, match=f"segment-0.{file}: .*truncated"):
            open_both(directory)
    path.write_bytes(data + b"\0")
    with pytest.raises(FormatError, match=f"segment-0.{file}: .*too long"):
        open_both(directory)
    path.unlink()
    with pytest.raises(FormatError, match=f"segment-0.{file}: missing"):
        open_both(directory)
    path.mkdir()
    with pytest.raises(FormatError, match=f"segment-0.{file}: "):
        open_both(directory)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (0, "magic"),
        (8, "version"),
        (12, "byte order"),
        (16, "does not hold"),
        (20, "counts"),
        (24, "counts"),
        (32, "another index"),
    ],
)
def test_damaged_header(file: str, at: int, reason: str, directory: Path) -> None:
    flip(directory / f"segment-0.{file}", at)
    with pytest.raises(FormatError, match=f"segment-0.{file}: .*{reason}"):
        open_both(directory)


def test_newer_file_version(directory: Path) -> None:
    path = directory / "segment-0.text"
    data = bytearray(path.read_bytes())
    data[8] = 2
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"version 2 is newer .*upgrade"):
        open_both(directory)


def test_wrong_tokenizer(tmp_path: Path, directory: Path) -> None:
    ours, theirs = "ab" * 32, "cd" * 32
    build([1], [0, 1], tmp_path / "ours", tokenizer_sha256=ours)
    for preload in (False, True):
        assert Index.open(tmp_path / "ours", preload=preload, tokenizer_sha256=ours).tokens == 1
        with pytest.raises(FormatError, match=rf"manifest\.json: .*tokenizer {ours}, not {theirs}"):
            Index.open(tmp_path / "ours", preload=preload, tokenizer_sha256=theirs)
    with pytest.raises(FormatError, match="tokenizer none"):
        Index.open(directory, tokenizer_sha256=ours)


def test_swapped_files(tmp_path: Path, directory: Path) -> None:
    build(TOKENS[::-1], OFFSETS, tmp_path / "other")
    for file in FILES:
        copy = tmp_path / f"swapped-{file}"
        shutil.copytree(directory, copy)
        shutil.copy(tmp_path / "other" / f"segment-0.{file}", copy)
        with pytest.raises(FormatError, match=f"segment-0.{file}: belongs to another index"):
            open_both(copy)
    shutil.copy(tmp_path / "other" / "manifest.json", directory)
    with pytest.raises(FormatError, match="belongs to another index"):
        open_both(directory)


@pytest.mark.parametrize("file", ["alphabet", "documents", "buckets"])
def test_damaged_table(file: str, directory: Path) -> None:
    flip(directory / f"segment-0.{file}", 64)
    with pytest.raises(FormatError, match=f"segment-0.{file}: .*corrupt"):
        open_both(directory)


@pytest.mark.parametrize("file", FILES)
def test_verify_sees_every_byte(file: str, directory: Path) -> None:
    Index.open(directory).verify()
    Index.open(directory, preload=True).verify()
    path = directory / f"segment-0.{file}"
    data = path.read_bytes()
    seen = 0
    for at in range(40, len(data), 7):
        flip(path, at)
        try:
            index = Index.open(directory)
        except FormatError:
            seen += 1
        else:
            with pytest.raises(FormatError, match=f"segment-0.{file}: checksum"):
                index.verify()
            seen += 1
        path.write_bytes(data)
    assert seen == len(range(40, len(data), 7))


def rewrite(directory: Path, change: Callable[[str], str]) -> None:
    path = directory / "manifest.json"
    path.write_text(change(path.read_text()))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _: "", "expected a value"),
        (lambda text: text[:-20], "manifest.json: "),
        (lambda text: text[: len(text) // 2], "manifest.json: "),
        (lambda text: text + "x", "text after the end"),
        (lambda _: "[" * 100_000, "nested too deeply"),
        (lambda _: "{}", '"format" is missing'),
        (lambda _: '{"format": 3}', '"format" is not a string'),
        (lambda text: text.replace("stillhouse-index", "other"), "not a manifest"),
        (
            lambda text: text.replace('"format_version": 1', '"format_version": 2'),
            "version 2 is newer",
        ),
        (
            lambda text: text.replace('"format_version": 1', '"format_version": 0'),
            "unknown format version",
        ),
        (lambda text: text.replace('"tokens": 320', '"tokens": 321'), "checksum"),
        (lambda text: text.replace('"metadata": {}', '"metadata": {"a": "b"}'), "checksum"),
        (lambda text: text.replace('"format"', '"format": 1, "format"'), "duplicate key"),
        (lambda _: "\udcff", "manifest.json: "),
    ],
)
def test_damaged_manifest(change: Callable[[str], str], reason: str, directory: Path) -> None:
    path = directory / "manifest.json"
    path.write_bytes(change(path.read_text()).encode(errors="surrogateescape"))
    with pytest.raises(FormatError, match=reason):
        open_both(directory)


def test_manifest_truncated_anywhere(directory: Path) -> None:
    path = directory / "manifest.json"
    text = path.read_bytes()
    for size in range(len(text.rstrip())):
        path.write_bytes(text[:size])
        with pytest.raises(FormatError, match=r"manifest\.json"):
            Index.open(directory)


def test_corrupt_arrays_never_crash(directory: Path) -> None:
    """Wrong text and suffixes give wrong answers or errors, nothing worse."""
    random = np.random.default_rng(3)
    originals = {f: (directory / f"segment-0.{f}").read_bytes() for f in ("text", "suffixes")}
    calls: list[Callable[[Index], object]] = [
        lambda i: i.count(TOKENS[:9]),
        lambda i: i.count_batch(TOKENS, range(321)),
        lambda i: i.match_lengths(TOKENS),
        lambda i: i.positions(0, 320),
        lambda i: i.ntd_batch(TOKENS, range(0, 321, 2)),
        lambda i: i.infgram_ntd(TOKENS[:50], top=3),
        lambda i: [i.infgram_prob(TOKENS[:n], 5) for n in range(60)],
        lambda i: i.prob_batch(TOKENS, range(0, 321, 4), TOKENS[:80]),
        lambda i: i.score(TOKENS),
        lambda i: i.find_cnf([[[5, 6]], [[7], [9]]], max_diff_tokens=9),
        lambda i: i.attribute(TOKENS[:60], min_length=2),
        lambda i: i.search_docs([5], limit=5),
        lambda i: [i.doc_by_rank(rank) for rank in range(320)],
        lambda i: i.document(2),
        lambda i: i.verify(),
    ]
    messages: list[str] = []
    for _ in range(150):
        for file, data in originals.items():
            damaged = np.frombuffer(data, dtype=np.uint8).copy()
            places = random.integers(64, len(damaged), random.integers(1, 200))
            damaged[places] = random.integers(0, 256, len(places))
            (directory / f"segment-0.{file}").write_bytes(damaged.tobytes())
        try:
            index = Index.open(directory, preload=bool(random.integers(2)))
        except FormatError as error:  # the tables of preloaded indexes
            messages.append(str(error))
            continue
        for call in calls:
            try:
                call(index)
            except FormatError as error:
                messages.append(str(error))
    assert len(messages) > 150
    assert all("corrupt" in message for message in messages)


def test_preloaded_equals_mapped(tmp_path: Path) -> None:
    random = np.random.default_rng(9)
    documents = [random.integers(0, 30, size).tolist() for size in random.integers(0, 300, 40)]
    mapped = index_of(documents, tmp_path / "index")
    preloaded = Index.open(tmp_path / "index", preload=True)
    query = random.integers(0, 31, 2_000)
    lengths, counts = mapped.match_lengths(query)
    preloaded_lengths, preloaded_counts = preloaded.match_lengths(query)
    assert lengths.tolist() == preloaded_lengths.tolist()
    assert counts.tolist() == preloaded_counts.tolist()
    every = (0, mapped.tokens)
    assert mapped.positions(*every).tolist() == preloaded.positions(*every).tolist()
    assert mapped.digest == preloaded.digest
    # A preloaded index needs its files no more.
    shutil.rmtree(tmp_path / "index")
    assert preloaded.count([]) == mapped.tokens
    preloaded.verify()


def test_threads_share_an_index(tmp_path: Path) -> None:
    random = np.random.default_rng(17)
    tokens = random.integers(0, 50, 20_000)
    index = index_of([tokens.tolist()], tmp_path / "index")
    queries = [tokens[i : i + 400] for i in range(0, 16_000, 1_000)]
    offsets = list(range(0, 401, 4))
    expected = [
        (index.match_lengths(q)[0].tolist(), index.count_batch(q, offsets).tolist())
        for q in queries
    ]
    failures: list[object] = []

    def work(seed: int) -> None:
        for i in np.random.default_rng(seed).integers(0, len(queries), 60):
            found = (
                index.match_lengths(queries[i])[0].tolist(),
                index.count_batch(queries[i], offsets).tolist(),
            )
            if found != expected[i] or index.count(queries[i][:2]) < 1:
                failures.append(i)
        build(queries[seed], [0, 400], tmp_path / f"by-{seed}")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert Index.open(tmp_path / "by-7").tokens == 400


def test_close_while_queries_run(tmp_path: Path) -> None:
    """A running call keeps the index alive; later ones are told."""
    tokens = np.random.default_rng(1).integers(0, 5, 50_000)
    index = index_of([tokens.tolist()], tmp_path / "index")
    lengths: list[int] = []
    thread = threading.Thread(target=lambda: lengths.append(len(index.match_lengths(tokens)[0])))
    thread.start()
    while index.count([1]) < 1:
        pass
    thread.join(0.01)
    index.close()
    thread.join()
    assert lengths == [50_000]
