"""Clients say who they are: by TLS with a certificate, and by a token."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.gateway.access.tokens import new_token
from qmpx.transport.bearer import Token, token_of
from qmpx.transport.tls import server_context
from tests.certificates import Authority, make_authority
from tests.peers.faces import FACES
from tests.programs import QMPX, running, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.peers.faces import Face

TOKEN, DIGEST = new_token()

CONFIGURATION = f"""
[[listener]]
address = "tcp:*"
tls = {{ directory = "%s" }}
tokens = true

[[listener]]
address = "unix:*"
tokens = true

[[token]]
name = "ci"
sha256 = "{DIGEST}"

[[grant]]
role = "operate"
certificate = "alice"

[[grant]]
role = "read"
token = "ci"
"""


class Gateway:
    """A gateway that runs.

    Attributes:
        unix: Its address for this host.
        port: Its port for TLS.
        authority: Who has signed its certificate.
    """

    def __init__(self, unix: str, port: int, authority: Authority) -> None:
        self.unix = unix
        self.port = port
        self.authority = authority

    def tls(self, directory: Path, host: str = "localhost", more: str = "") -> str:
        """Return its address by TLS, with the credentials of a client."""
        return f"tls:{host}:{self.port},dir={directory}{more}"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Run a gateway that wants to know who its clients are."""
    folder = tmp_path_factory.mktemp("identity")
    authority = make_authority(folder / "ca")
    config = folder / "share.toml"
    config.write_text(CONFIGURATION % authority.directory)
    with serving("--clients", "1") as box:
        unix = f"unix:{box.path}-shared"
        listen = ["--listen", unix, "--listen", "tcp:127.0.0.1:0"]
        words = ["share", box.address, *listen, "--config", str(config)]
        with running(*words) as process:
            assert process.stderr is not None
            said = [process.stderr.readline() for _ in range(2)]
            assert "sharing" in said[0], said
            yield Gateway(unix, int(said[1].rpartition(":")[2]), authority)


@pytest.fixture(scope="module")
def credentials(
    gateway: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Give directories with the credentials of clients; of nobody for ``""``."""

    def give(stem: str, authority: Authority | None = None) -> Path:
        theirs = authority or gateway.authority
        folder = tmp_path_factory.mktemp("pki")
        trusted = (gateway.authority.directory / "ca-cert.pem").read_bytes()
        (folder / "ca-cert.pem").write_bytes(trusted)
        for kind in ("cert", "key") if stem else ():
            path = folder / f"client-{kind}.pem"
            path.write_bytes((theirs.directory / f"{stem}-{kind}.pem").read_bytes())
            path.chmod(0o600)
        return folder

    return give


@pytest.fixture(params=sorted(FACES))
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[..., Face]]:
    """Connect one of the two clients; each test is run with either."""
    with contextlib.ExitStack() as clients:

        def connect(address: str, **options: Any) -> Face:
            face = FACES[request.param](address, **options)
            return clients.enter_context(contextlib.closing(face))

        yield connect


def test_a_client_with_a_certificate_has_its_role(
    connect: Callable[..., Face], gateway: Gateway, credentials: Callable[[str], Path]
) -> None:
    vm = connect(gateway.tls(credentials("alice")))
    assert vm.execute("stop") == {}
    assert vm.execute("query-status")["status"] == "paused"
    with pytest.raises(qmpx.CommandError, match="role operate does not allow quit"):
        vm.execute("quit")
    schema = vm.execute("query-qmp-schema")  # of many records of TLS
    assert len(schema) > 400
    assert vm.call("execute_many", ["query-status"] * 3000)[-1]["status"] == "paused"


def test_events_come_by_tls(
    connect: Callable[..., Face], gateway: Gateway, credentials: Callable[[str], Path]
) -> None:
    vm = connect(gateway.tls(credentials("alice")))
    vm.execute("stop")
    events = vm.events("RESUME")
    vm.execute("cont")
    assert events.get().name == "RESUME"


@pytest.mark.parametrize(
    ("stem", "host", "more", "message"),
    [
        ("alice", "127.0.0.1", "", ""),
        ("alice", "127.0.0.1", ",name=localhost", ""),
        (
            "alice",
            "localhost",
            ",name=other",
            "does not count: Host",
        ),
        ("late", "localhost", "", "(?i)certificate.expired|closed|broke"),
        (
            "",
            "localhost",
            "",
            "(?i)certificate required|handshake|broke",
        ),
    ],
)
def test_both_ends_are_held_to_their_certificates(
    connect: Callable[..., Face],
    gateway: Gateway,
    credentials: Callable[[str], Path],
    stem: str,
    host: str,
    more: str,
    message: str,
) -> None:
    address = gateway.tls(credentials(stem), host, more)
    if not message:
        assert connect(address).execute("query-name") == {}
        return
    with pytest.raises((qmpx.ConnectError, qmpx.ConnectionLost), match=message):
        connect(address)


def test_a_server_of_another_authority_is_not_trusted(
    connect: Callable[..., Face], gateway: Gateway, tmp_path: Path
) -> None:
    other = make_authority(tmp_path / "other")
    message = "no handshake in TLS: the certificate does not count: .*\ndir= names"
    with pytest.raises(qmpx.ConnectError, match=message):
        connect(gateway.tls(other.directory))
    # The authorities of this system do not know it either.
    with pytest.raises(qmpx.ConnectError, match="does not count"):
        connect(f"tls:localhost:{gateway.port}")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "ca-cert.pem cannot be used: No such file"),
        ({"ca-cert.pem": "no certificate"}, "cannot be used"),
        ({"client-cert.pem": ""}, "client-key.pem cannot be used: No such"),
    ],
)
def test_credentials_that_cannot_be_used_are_named(
    connect: Callable[..., Face],
    gateway: Gateway,
    tmp_path: Path,
    files: dict[str, str],
    message: str,
) -> None:
    if "client-cert.pem" in files:
        authority = gateway.authority.directory / "ca-cert.pem"
        (tmp_path / "ca-cert.pem").write_bytes(authority.read_bytes())
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(qmpx.ConnectError, match=message):
        connect(gateway.tls(tmp_path))


def test_a_key_that_others_can_read_is_not_used(
    connect: Callable[..., Face], gateway: Gateway, credentials: Callable[[str], Path]
) -> None:
    folder = credentials("alice")
    (folder / "client-key.pem").chmod(0o640)
    with pytest.raises(qmpx.ConnectError, match="others can use the key"):
        connect(gateway.tls(folder))


def test_a_server_without_tls_is_told_from_others(
    connect: Callable[..., Face], credentials: Callable[[str], Path]
) -> None:
    import threading

    def greet(listening: socket.socket) -> None:
        sock, _ = listening.accept()
        with sock:
            sock.sendall(b'{"QMP": {"version": {}, "capabilities": []}}\r\n')
            sock.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=greet, args=(listening,))
        thread.start()
        port = listening.getsockname()[1]
        try:
            message = (
                "no handshake in TLS: .*\nit may speak without TLS: tcp:127.0.0.1:"
            )
            with pytest.raises(qmpx.ConnectError, match=message):
                connect(f"tls:127.0.0.1:{port},dir={credentials('')}")
        finally:
            thread.join(10)


@pytest.mark.parametrize("way", ["argument", "variable", "file"])
def test_a_token_is_shown_when_the_conversation_begins(
    connect: Callable[..., Face],
    gateway: Gateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    options = {}
    if way == "argument":
        options["token"] = TOKEN
    elif way == "variable":
        monkeypatch.setenv("QMPX_TOKEN", TOKEN)
    else:
        path = tmp_path / "token"
        path.write_text(f"{TOKEN}\n")
        path.chmod(0o600)
        monkeypatch.setenv("QMPX_TOKEN_FILE", str(path))
    vm = connect(gateway.unix, **options)
    assert vm.execute("query-name") == {}
    with pytest.raises(qmpx.CommandError, match="The role read does not allow stop"):
        vm.execute("stop")


def test_a_token_goes_before_a_certificate(
    connect: Callable[..., Face], gateway: Gateway, credentials: Callable[[str], Path]
) -> None:
    vm = connect(gateway.tls(credentials("alice")), token=TOKEN)
    with pytest.raises(qmpx.CommandError, match="The role read does not allow stop"):
        vm.execute("stop")


def test_a_wrong_token_is_refused_and_repeated_nowhere(
    connect: Callable[..., Face],
    gateway: Gateway,
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrong, _ = new_token()
    with caplog.at_level(logging.DEBUG), pytest.raises(qmpx.ConnectError) as caught:
        connect(gateway.unix, token=wrong)
    error: BaseException | None = caught.value
    assert "the token was not taken: the token does not count here" in str(error)
    while error is not None:
        assert wrong not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    assert wrong not in caplog.text


def test_a_server_that_knows_no_tokens_gets_by_with_the_environments(
    connect: Callable[..., Face], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as box:
        with pytest.raises(qmpx.ConnectError, match="the server takes none"):
            connect(box.address, token=TOKEN)
        monkeypatch.setenv("QMPX_TOKEN", TOKEN)
        assert connect(box.address).execute("query-name") == {}


def test_a_token_is_not_sent_where_others_can_read_it(
    connect: Callable[..., Face],
) -> None:
    message = "for everybody to read\nuse tls:192.0.2.1:4444"
    with pytest.raises(qmpx.ConnectError, match=message):
        connect("tcp:192.0.2.1:4444", token=TOKEN)
    address = qmpx.transport.parse_address("tcp:192.0.2.1:4444")
    assert not Token(TOKEN, "QMPX_TOKEN").may_go_to(address)
    assert Token(TOKEN).may_go_to(qmpx.transport.parse_address("tls:192.0.2.1:4444"))


@pytest.mark.parametrize("text", ["\t", "secret\n", "s\u00e9cret", "x" * 257])
def test_what_can_be_no_token_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(qmpx.LocalProtocolError, match="expected 1 to 256") as caught:
        Token(text)
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    ("mode", "message"), [(0o644, "mode 0600"), (None, "No such file")]
)
def test_a_file_that_others_can_read_is_no_place_for_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int | None, message: str
) -> None:
    path = tmp_path / "token"
    if mode is not None:
        path.write_text(TOKEN)
        path.chmod(mode)
    monkeypatch.setenv("QMPX_TOKEN_FILE", str(path))
    with pytest.raises(qmpx.LocalProtocolError, match=message):
        token_of(None)


def test_a_pipe_for_a_token_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "token", 0o600)
    monkeypatch.setenv("QMPX_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(qmpx.LocalProtocolError, match="no regular file"):
        token_of(None)


def test_a_token_hides_itself() -> None:
    token = Token(TOKEN)
    assert TOKEN not in f"{token} {token!r} {vars(type(token))}"
    with pytest.raises(TypeError, match="secret"):
        pickle.dumps(token)


@pytest.mark.slow
def test_the_programs_show_who_they_are(
    gateway: Gateway, credentials: Callable[[str], Path]
) -> None:
    def told(*words: str, **environment: str) -> str:
        ended = subprocess.run(
            [QMPX, *words],
            env={**os.environ, **environment},
            input="query-name\n",
            capture_output=True,
            text=True,
            timeout=20,
        )
        return ended.stdout + ended.stderr

    alice = gateway.tls(credentials("alice"))
    assert told("run", alice, "query-name") == "{}\n"
    assert told("run", gateway.unix, "query-name", QMPX_TOKEN=TOKEN) == "{}\n"
    assert "not allow query-name" in told("run", gateway.unix, "query-name")
    wrong, _ = new_token()
    refused = told("run", gateway.unix, "query-name", QMPX_TOKEN=wrong)
    assert "the token of QMPX_TOKEN was not taken" in refused
    assert wrong not in refused
    shell = told("shell", gateway.unix, "--json", QMPX_TOKEN=TOKEN)
    assert "{}" in shell
    assert TOKEN not in shell
    assert "status" in told("schema", "show", alice, "query-status")


@pytest.mark.filterwarnings("ignore:.*TLSv1:DeprecationWarning")
def test_old_versions_of_tls_are_not_spoken(
    connect: Callable[..., Face], gateway: Gateway, credentials: Callable[[str], Path]
) -> None:
    import ssl
    import threading

    context = server_context(str(gateway.authority.directory), verify=False)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")

    def serve(listening: socket.socket) -> None:
        sock, _ = listening.accept()
        with sock, contextlib.suppress(OSError):
            context.wrap_socket(sock, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        port = listening.getsockname()[1]
        try:
            with pytest.raises(qmpx.ConnectError, match="no handshake in TLS"):
                connect(f"tls:localhost:{port},dir={credentials('')}")
        finally:
            thread.join(10)
