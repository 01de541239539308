"""What a front of shards answers when a shard is away, slow, changed or unfit."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from services.index.build import build_index
from services.index.engine import Stop
from services.index.shards.address import Address
from services.index.shards.opening import ShardSet
from stillhouse.errors import DeadlineExceeded, FailedPrecondition, StillhouseError, Unavailable
from stillhouse.index.client import IndexClient
from stillhouse.local.stack import free_ports
from tests.support.service_process import launch, started
from tests.support.shards import MODULE, front_of
from tests.support.small_index import TEXTS, make_ids_index, make_tokenizer

_SECONDS = 30.0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("failures")
    tokenizer = make_tokenizer(folder / "tokenizer.json")
    for number, text in enumerate(TEXTS):
        build_index([text], tokenizer, folder / f"part-{number}")
    other = folder / "other.json"
    other.write_text(tokenizer.read_text() + "\n")
    build_index(TEXTS[:1], other, folder / "foreign")
    make_ids_index(folder / "ids")
    return folder


@pytest.fixture(scope="module")
def steady(root: Path) -> Iterator[str]:
    """A shard that stays."""
    with started(MODULE, INDEXES=f"part={root}/part-0") as service:
        yield service.target


def shard_at(port: int, folder: Path) -> subprocess.Popen[str]:
    process = launch(MODULE, LISTEN=f"127.0.0.1:{port}", INDEXES=f"part={folder}")
    assert process.stderr is not None
    for line in process.stderr:
        if "index ready" in line:
            return process
    raise AssertionError("the shard did not start")


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def until(client: IndexClient, count: int) -> None:
    """Return once the front counts that many; until then it may only say that it can't."""
    limit = time.monotonic() + _SECONDS
    while True:
        try:
            if client.count("the").count == count:
                return
        except Unavailable:
            pass
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_a_dead_shard_is_named_and_comes_back(root: Path, steady: str) -> None:
    [port] = free_ports(1)
    process = shard_at(port, root / "part-2")
    with front_of([steady, f"127.0.0.1:{port}"], root / "tokenizer.json") as front:
        front.wait_for("index ready")
        with IndexClient(front.target) as client:
            assert client.count("the").count == 4
            end(process)
            for ask in (
                lambda: client.count("the"),
                lambda: client.ntd("the", top=3),
                lambda: client.score("the still runs"),
                lambda: client.attribute("the still runs"),
                lambda: client.count_cnf([["the"], ["still"]]),
                lambda: client.search_docs("the"),
                lambda: list(client.list_hits("the")),
            ):
                with pytest.raises(Unavailable, match=f"shard 127.0.0.1:{port}/part: "):
                    ask()
            process = shard_at(port, root / "part-2")
            try:
                until(client, 4)
            finally:
                end(process)


def test_new_content_of_a_shard_is_followed_and_never_mixed(root: Path, steady: str) -> None:
    with (
        started(MODULE, INDEXES=f"part={root}/part-1", INDEX_ROOT=str(root)) as shard,
        front_of([steady, shard.target], root / "tokenizer.json") as front,
        IndexClient(shard.target) as its,
        IndexClient(front.target) as client,
    ):
        front.wait_for("index ready")
        assert client.count("the").count == 3
        digest = client.list_indexes()[0].digest
        its.load_index("part", "part-2")
        until(client, 4)
        assert client.list_indexes()[0].digest != digest
        with pytest.raises(FailedPrecondition, match="has the digest"):
            client.count("the", f"words@{digest}")


def test_replicas_of_mixed_content_answer_for_the_one_that_was_opened(root: Path) -> None:
    """A rollout of a shard: whichever replica is asked first, and no change before its end."""
    query, offsets = np.array([], np.uint32), np.array([0, 0], np.uint64)
    with (
        started(MODULE, INDEXES=f"part={root}/part-1") as one,
        started(MODULE, INDEXES=f"part={root}/part-2") as other,
    ):
        for replica in (one, other):
            replica.wait_for("index ready")
        address = Address(f"ipv4:{one.target},{other.target}", "part")
        shards = ShardSet("words", [address], root / "tokenizer.json")
        try:
            index = shards.open()
            tokens, digest = index.engine.tokens, index.engine.digest
            for _ in range(30):
                assert index.engine.count(query, offsets, Stop(_SECONDS)).tolist() == [tokens]
                assert not shards.stale()
            with IndexClient(one.target) as client:
                first = client.count([]).count == tokens
            gone = (one if first else other).process
            gone.kill()
            gone.wait()
            assert shards.stale()
            index = shards.open()
            assert index.engine.digest != digest
            tokens = index.engine.tokens
            assert index.engine.count(query, offsets, Stop(_SECONDS)).tolist() == [tokens]
            assert not shards.stale()
        finally:
            shards.close()


def test_a_silent_shard_ends_the_call_at_its_deadline(root: Path, steady: str) -> None:
    with (
        started(MODULE, INDEXES=f"part={root}/part-2") as shard,
        front_of([steady, shard.target], root / "tokenizer.json") as front,
        IndexClient(front.target) as client,
    ):
        front.wait_for("index ready")
        shard.process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(DeadlineExceeded):
                client.count("the", timeout=0.5)
            # The front's threads are free again: more calls than it has all end.
            for _ in range(3):
                with pytest.raises(DeadlineExceeded):
                    client.count("the", timeout=0.2)
        finally:
            shard.process.send_signal(signal.SIGCONT)
        until(client, 4)


def test_a_front_waits_for_its_shards(root: Path, steady: str) -> None:
    [port] = free_ports(1)
    with (
        front_of([steady, f"127.0.0.1:{port}"], root / "tokenizer.json") as front,
        IndexClient(front.target) as client,
    ):
        front.wait_for(f"waiting for shards: shard 127.0.0.1:{port}/part: ")
        with pytest.raises(Unavailable, match="loading"):
            client.count("the")
        process = shard_at(port, root / "part-2")
        try:
            until(client, 4)
        finally:
            end(process)


@pytest.mark.parametrize(
    ("other", "tokenizer", "said"),
    [
        ("foreign", "tokenizer.json", "cut by different tokenizers"),
        ("ids", "tokenizer.json", "cut by different tokenizers"),
        ("part-0", "tokenizer.json", "the same content"),
        ("part-1", "other.json", "is not the file its shards were cut with"),
        ("part-1", "", "STILLHOUSE_SHARD_TOKENIZERS=words=FILE"),
        ("part-1", "nowhere.json", "cannot read"),
    ],
)
def test_shards_that_do_not_fit_together_are_refused(
    root: Path, steady: str, other: str, tokenizer: str, said: str
) -> None:
    with started(MODULE, INDEXES=f"part={root}/{other}") as shard:
        shard.wait_for("index ready")
        targets = f"{steady}/part,{shard.target}/part"
        settings = {"SHARDS": f"words={targets}", "LOG_LEVEL": "ERROR"}
        if tokenizer:
            settings["SHARD_TOKENIZERS"] = f"words={root}/{tokenizer}"
        process = launch(MODULE, **settings)
        _, stderr = process.communicate(timeout=_SECONDS)
    assert process.returncode == 2
    assert stderr.startswith("error: ")
    assert said in stderr


def test_a_shard_at_its_limit_is_named(root: Path, steady: str) -> None:
    """A shard whose limits are lower than the front's never makes an answer smaller."""
    with (
        started(MODULE, INDEXES=f"part={root}/part-2", MAX_QUERY_TOKENS="2") as shard,
        front_of([steady, shard.target], root / "tokenizer.json") as front,
        IndexClient(front.target) as client,
    ):
        front.wait_for("index ready")
        assert client.count("the still").count == 3
        with pytest.raises(StillhouseError, match=f"shard {shard.target}/part: ") as error:
            client.count("the still runs")
        assert isinstance(error.value, Unavailable)
