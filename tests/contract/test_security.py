"""TLS and tokens, over a real socket with certificates made here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.runtime import door
from services.runtime.settings import ServiceSettings
from stillhouse.cli import main
from stillhouse.errors import InvalidArgument, Unauthenticated, Unavailable
from stillhouse.index.client import AsyncIndexClient, IndexClient
from stillhouse.security import Tls, is_local
from stillhouse.transport import open_channel
from tests.support.papers import Papers, make_papers
from tests.support.service_process import launch, started
from tests.support.small_index import make_text_index

MODULE = "services.index"


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return make_papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_text_index(tmp_path_factory.mktemp("secured") / "words")


@pytest.fixture(scope="module")
def secured(
    folder: Path, papers: Papers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A server with a certificate and three tokens, two of them in a file."""
    tokens = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens.write_text("second\nthird\n")
    with started(
        MODULE,
        INDEXES=f"words={folder}",
        TLS_CERTIFICATE=str(papers.certificate),
        TLS_KEY=str(papers.key),
        TOKENS="first",
        TOKENS_FILE=str(tokens),
    ) as service:
        service.wait_for("index ready")
        yield f"localhost:{service.target.rpartition(':')[2]}"


def test_a_call_with_a_token_is_answered(secured: str, papers: Papers) -> None:
    for token in ("first", "second", "third"):
        with IndexClient(secured, tls=Tls(papers.ca), token=token) as client:
            assert client.count("the").count == 5
            assert [len(one.tokens) for one in client.score_text(["the still"])] == [2]
            assert [page.count for page in client.list_hits("the")] == [5]


@pytest.mark.parametrize("token", ["", "wrong", "first,second", "First"])
def test_a_call_without_one_is_unauthenticated(secured: str, papers: Papers, token: str) -> None:
    with IndexClient(secured, tls=Tls(papers.ca), token=token) as client:
        for ask in (
            lambda: client.count("the"),
            lambda: list(client.list_hits("the")),
            lambda: list(client.score_text(["the"])),
            client.list_indexes,
        ):
            with pytest.raises(Unauthenticated, match="no token of this server's"):
                ask()


async def test_so_it_is_for_asyncio(secured: str, papers: Papers) -> None:
    async def appended() -> AsyncIterator[str]:
        yield "the"

    async with AsyncIndexClient(secured, tls=Tls(papers.ca), token="first") as client:
        assert (await client.count("the")).count == 5
        assert [one.suffix_length async for one in client.decode(appended())] == [1]
    async with AsyncIndexClient(secured, tls=Tls(papers.ca)) as client:
        with pytest.raises(Unauthenticated):
            await client.count("the")
        with pytest.raises(Unauthenticated):
            _ = [one async for one in client.decode(appended())]


def test_health_needs_no_token(secured: str, papers: Papers) -> None:
    with open_channel(secured, Tls(papers.ca)) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service=""), timeout=5
        )
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        # Neither what there is nor what there isn't is told without one.
        unknown: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/a.B/Nothing")
        with pytest.raises(grpc.RpcError) as error:
            unknown(b"", timeout=5)
        assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_server_is_recognised_or_not_asked(secured: str, papers: Papers) -> None:
    by_address = secured.replace("localhost", "127.0.0.1")
    for target, tls in (
        (secured, Tls(papers.stranger)),
        (secured, Tls()),
        (by_address, Tls(papers.ca)),
        (secured, None),
    ):
        token = "first" if tls else ""
        with IndexClient(target, 5, tls=tls, token=token) as client, pytest.raises(Unavailable):
            client.count("the")
    named = Tls(papers.ca, server_name="localhost")
    with IndexClient(by_address, tls=named, token="first") as client:
        assert client.count("the").count == 5


def test_callers_show_a_certificate_where_one_is_asked(folder: Path, papers: Papers) -> None:
    with started(
        MODULE,
        INDEXES=f"words={folder}",
        TLS_CERTIFICATE=str(papers.certificate),
        TLS_KEY=str(papers.key),
        TLS_CLIENT_CA=str(papers.ca),
    ) as service:
        service.wait_for("index ready")
        target = f"localhost:{service.target.rpartition(':')[2]}"
        with IndexClient(target, tls=Tls(papers.ca, papers.caller, papers.caller_key)) as client:
            assert client.count("the").count == 5
        with IndexClient(target, 5, tls=Tls(papers.ca)) as client, pytest.raises(Unavailable):
            client.count("the")


def test_the_command_shows_a_token(secured: str, papers: Papers) -> None:
    asked = ["index", "query", "--target", secured, "--ca", str(papers.ca)]
    found = CliRunner().invoke(main, [*asked, "--token", "second", "count", "the"])
    assert found.exit_code == 0, found.output
    assert found.stdout.startswith("count   5")
    by_variable = CliRunner().invoke(
        main, [*asked, "count", "the"], env={"STILLHOUSE_TOKEN": "third"}
    )
    assert by_variable.exit_code == 0, by_variable.output
    refused = CliRunner().invoke(main, [*asked, "count", "the"])
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "token" in refused.stderr


def test_the_command_recognises_a_server_at_another_address(secured: str, papers: Papers) -> None:
    """As one behind a forwarded port."""
    by_address = secured.replace("localhost", "127.0.0.1")
    asked = ["index", "query", "--target", by_address, "--ca", str(papers.ca), "--token", "first"]
    found = CliRunner().invoke(main, [*asked, "--server-name", "localhost", "count", "the"])
    assert found.exit_code == 0, found.output
    assert found.stdout.startswith("count   5")


def test_a_token_stays_where_nobody_can_read_it(folder: Path) -> None:
    with started(MODULE, INDEXES=f"words={folder}", TOKENS="first") as service:
        service.wait_for("index ready")
        with IndexClient(service.target, token="first") as client:  # loopback
            assert client.count("the").count == 5
    for target in (
        "index.example:50051",
        "10.0.0.1:1",
        "dns:///index:1",
        "ipv4:127.0.0.1:1,10.0.0.1:1",
    ):
        with pytest.raises(InvalidArgument, match="plain text") as error:
            IndexClient(target, token="first")
        assert error.value.field == "token"
    with pytest.raises(InvalidArgument, match="visible ASCII"):
        IndexClient("localhost:1", token="a b")


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("localhost:1", True),
        ("127.0.0.1:1", True),
        ("127.8.0.1:1", True),
        ("[::1]:1", True),
        ("dns:///localhost:1", True),
        ("dns:localhost:1", True),
        ("dns://8.8.8.8/localhost:1", True),
        ("ipv6:[::1]:1", True),
        ("unix:/tmp/socket", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("localhost.example:1", False),
        ("xds:///localhost:1", False),
        (":1", False),
    ],
)
def test_which_addresses_are_this_machines_own(address: str, local: bool) -> None:
    assert is_local(address) is local


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"TLS_CERTIFICATE": "certificate"}, "STILLHOUSE_TLS_KEY"),
        ({"TLS_KEY": "key"}, "STILLHOUSE_TLS_CERTIFICATE"),
        ({"TLS_CLIENT_CA": "ca"}, "STILLHOUSE_TLS_CERTIFICATE"),
        ({"TLS_CERTIFICATE": "ca", "TLS_KEY": "key"}, "STILLHOUSE_TLS_CERTIFICATE"),
        ({"TLS_CERTIFICATE": "key", "TLS_KEY": "key"}, "STILLHOUSE_TLS_CERTIFICATE"),
        ({"TLS_CERTIFICATE": "/nowhere", "TLS_KEY": "key"}, "STILLHOUSE_TLS_CERTIFICATE"),
        (
            {"TLS_CERTIFICATE": "certificate", "TLS_KEY": "key", "TLS_CLIENT_CA": "key"},
            "STILLHOUSE_TLS_CLIENT_CA",
        ),
        ({"TOKENS": "first", "LISTEN": "0.0.0.0:0"}, "STILLHOUSE_TOKENS"),
        ({"TOKENS_FILE": "/nowhere"}, "STILLHOUSE_TOKENS_FILE"),
        ({"TOKENS_FILE": "/dev/null"}, "STILLHOUSE_TOKENS_FILE"),
    ],
)
def test_settings_that_are_wrong_are_named(
    papers: Papers, given: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"STILLHOUSE_{name}", str(getattr(papers, value, value)))
    settings = ServiceSettings.from_environment()
    with pytest.raises(InvalidArgument) as error:
        _ = door.tokens(settings), door.credentials(settings)
    assert error.value.field == named


def test_a_server_with_a_wrong_certificate_says_so_in_one_line(
    papers: Papers, folder: Path
) -> None:
    process = launch(
        MODULE, INDEXES=f"words={folder}", TLS_CERTIFICATE=str(papers.ca), TLS_KEY=str(papers.key)
    )
    _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr.count("\n")) == (2, 1)
    assert stderr.startswith("error: STILLHOUSE_TLS_CERTIFICATE: ")


@pytest.mark.parametrize(
    ("tls", "field"),
    [
        (Tls("/nowhere"), "tls.ca"),
        (Tls(__file__), "tls.ca"),
        (Tls(certificate="x"), "tls.key"),
        (Tls(key="x"), "tls.certificate"),
        (Tls(certificate=__file__, key=__file__), "tls.certificate"),
    ],
)
def test_papers_that_are_wrong_are_named_before_a_call(tls: Tls, field: str) -> None:
    with pytest.raises(InvalidArgument) as error:
        IndexClient("localhost:1", tls=tls)
    assert error.value.field == field


def test_settings_do_not_print_tokens() -> None:
    settings = ServiceSettings(tokens=frozenset({"secret"}), peers_token="secret")
    assert "secret" not in repr(settings)
