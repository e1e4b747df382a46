"""A gateway that runs as a program, what it is attacked with, and who is not disturbed.

Every test here ends with `Target.check`: a client that worked all the while got all its
answers, and right ones, the gateway serves new clients, its memory is bounded. In
the end the audit is whole.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from qmpx.gateway.access.tokens import new_token
from tests.certificates import Authority, make_authority
from tests.programs import ENVIRONMENT, QMPX, SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEGABYTE = 1 << 20

MAX_GROWTH = 320 * MEGABYTE
"""Bytes of resident memory that a gateway may have more after any attack than before:
what the slowest thousand clients held, which the allocator keeps for later."""

TOKENS = {name: new_token() for name in ("good", "expired", "revoked", "idle")}
"""Tokens and their digests; ``idle`` has no role."""

CONFIGURATION = """
[[listener]]
address = "unix:{folder}/all"
role = "everything"

[[listener]]
address = "unix:{folder}/low"
role = "low"

[[listener]]
address = "unix:{folder}/tokens"
tokens = true

[[listener]]
address = "unix:{folder}/nobody"

[[listener]]
address = "tcp:127.0.0.1:{plain}"
plain-tcp = true
role = "low"

[[listener]]
address = "tcp:127.0.0.1:{tls}"
tls = {{ directory = "{ca}" }}

[role.low]
profile = "observe"
allow = ["transaction", "human-monitor-command"]
lines = ["info status"]

[[grant]]
role = "low"
token = "good"

[[grant]]
role = "low"
token = "expired"

[[grant]]
role = "low"
token = "revoked"

[[grant]]
role = "low"
certificate = "alice"

[[token]]
name = "good"
sha256 = "{good}"

[[token]]
name = "expired"
sha256 = "{expired}"
expires = 2020-01-01T00:00:00Z

[[token]]
name = "revoked"
sha256 = "{revoked}"
revoked = true

[[token]]
name = "idle"
sha256 = "{idle}"

[audit]
path = "{folder}/audit.jsonl"

[journal]
path = "{folder}/events"

[lease]
"""


class Peer:
    """A client that sends any bytes at all.

    Args:
        sock: A connected socket.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(SECONDS)
        self.sock = sock
        self.rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.sock.close()

    def send(self, *messages: Any) -> None:
        """Send bytes as they are, and objects as JSON."""
        parts = [
            m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages
        ]
        self.sock.sendall(b"".join(parts))

    def try_to_send(self, data: bytes) -> bool:
        """Send; tell whether the gateway took it."""
        try:
            self.sock.sendall(data)
        except OSError:
            return False
        return True

    def receive(self) -> Any:
        """Return the next message; ``None`` if the connection is over."""
        while b"\r\n" not in self.rest:
            try:
                data = self.sock.recv(1 << 16)
            except ConnectionError:
                data = b""
            if not data:
                return None
            self.rest += data
        line, _, self.rest = self.rest.partition(b"\r\n")
        return json.loads(line)

    def reply(self) -> Any:
        """Return the next message that is no event."""
        while (message := self.receive()) is not None and "event" in message:
            pass
        return message

    def ask(self, *messages: Any) -> Any:
        """Send, and return the reply."""
        self.send(*messages)
        return self.reply()

    def greeted(self) -> Peer:
        """Take the greeting, and negotiate."""
        assert "QMP" in self.receive()
        assert self.ask({"execute": "qmp_capabilities"}) == {"return": {}}
        return self

    def is_over(self) -> bool:
        """Wait for the end of the connection, whatever comes before."""
        with contextlib.suppress(ConnectionError):
            while self.sock.recv(1 << 16):
                pass
        return True


class Bystander(threading.Thread):
    """A client that works all the while, and looks at every answer.

    Args:
        path: Where.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.answers = 0
        self.slowest = 0.0
        self._is_over = threading.Event()
        self._failure: BaseException | None = None
        self._peer = Peer(connect_unix(path)).greeted()

    def run(self) -> None:
        try:
            for number in itertools.count():
                if self._is_over.is_set():
                    break
                id_ = [f"bystander-{number}", {"n": number}]
                asked = {"execute": "query-name", "id": id_}
                assert self._peer.ask(asked) == {"return": {"name": "box"}, "id": id_}
                self.answers += 1
                time.sleep(0.001)
        except BaseException as failure:  # noqa: BLE001 - told by `end`
            self._failure = failure

    def end(self) -> None:
        """Stop; all answers were there and right."""
        seen = self.answers
        deadline = time.monotonic() + SECONDS
        while self.answers < seen + 3 and self._failure is None:  # it goes on still
            assert time.monotonic() < deadline, "a client got no more answers"
            time.sleep(0.001)
        self._is_over.set()
        self.join(SECONDS)
        self._peer.sock.close()
        assert self._failure is None, self._failure


class Target:
    """A gateway that is attacked.

    Attributes:
        folder: Where its sockets and files are.
        process: The gateway.
        plain: Its port without TLS.
        tls: Its port with.
        authority: Who signs certificates.
    """

    def __init__(
        self, folder: Path, process: subprocess.Popen[str], authority: Authority | None
    ) -> None:
        self.folder = folder
        self.process = process
        self.authority = authority
        self.plain = self.tls = 0
        self.before = self.memory()

    def memory(self) -> int:
        """Return its resident bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def descriptors(self) -> int:
        """Return how many descriptors it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def connect(self, name: str = "all") -> Peer:
        """Connect to one of its unix sockets."""
        return Peer(connect_unix(self.folder / name))

    def connect_tcp(self, port: int) -> Peer:
        """Connect to one of its ports."""
        return Peer(socket.create_connection(("127.0.0.1", port), SECONDS))

    def audit(self) -> list[dict[str, Any]]:
        """Return the lines of the audit that are whole; the next may be under way."""
        lines = (self.folder / "audit.jsonl").read_bytes().split(b"\n")
        return [json.loads(line) for line in lines[:-1]]

    def wait_for_audit(
        self, fits: Callable[[dict[str, Any]], bool], since: int = 0
    ) -> dict[str, Any]:
        """Wait for a line in the audit, and return it."""
        deadline = time.monotonic() + SECONDS
        while True:
            for line in self.audit()[since:]:
                if fits(line):
                    return line
            assert time.monotonic() < deadline, self.audit()[since:]
            time.sleep(0.02)

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def check(self, growth: int = MAX_GROWTH) -> None:
        """See that it is as well as before.

        Args:
            growth: Bytes that its memory may have grown by since the start.
        """
        assert self.process.poll() is None
        with self.connect() as peer:
            asked = {"execute": "query-name", "id": "after"}
            assert peer.greeted().ask(asked) == {
                "return": {"name": "box"},
                "id": "after",
            }
        grown = self.memory() - self.before
        assert grown < growth, f"{grown / MEGABYTE:.1f} MB more than at the start"

    def verify(self) -> None:
        """See that the audit is whole."""
        verified = subprocess.run(
            [QMPX, "audit", "verify", self.folder / "audit.jsonl"],
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            timeout=SECONDS,
        )
        assert verified.stdout.startswith("whole: "), verified


def connect_unix(path: Path) -> socket.socket:
    """Connect to a unix socket; wait while its queue is full."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(str(path))  # blocks while the queue is full, without a time-out
    except BaseException:
        sock.close()
        raise
    sock.settimeout(SECONDS)
    return sock


@contextlib.contextmanager
def program(*words: str | Path, says: int = 1) -> Iterator[subprocess.Popen[str]]:
    """Run ``qmpx``; what it says goes to a file, from when it has said enough."""
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            [QMPX, *words],
            stdin=subprocess.DEVNULL,
            stderr=said,
            env=ENVIRONMENT,
            text=True,
        ) as process,
    ):
        try:
            deadline = time.monotonic() + SECONDS
            while os.pread(said.fileno(), 1 << 16, 0).count(b"\n") < says:
                assert process.poll() is None, os.pread(said.fileno(), 1 << 16, 0)
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.said = os.pread(said.fileno(), 1 << 16, 0).decode()  # type: ignore[attr-defined]
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def attacked(
    upstream: str = "",
    *options: str,
    configuration: str = CONFIGURATION,
    authority: Authority | None = None,
    more: str = "",
    daemon: bool = False,
) -> Iterator[Target]:
    """Run a gateway in front of a machine of ours, or of another upstream.

    Args:
        upstream: The other.
        options: More words of the command line, for ``qmpx share``.
        configuration: What is configured.
        authority: Who signs certificates, if there is to be a listener with TLS.
        more: What is configured, too.
        daemon: Whether it is ``qmpx gateway`` with one upstream, not ``qmpx share``.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qmpx-")))
        if not upstream:
            upstream = f"unix:{folder}/up"
            words = ["serve", "--qmp", upstream, "--clients", "1", "--name", "box"]
            stack.enter_context(program(*words))
        ports = free_ports(2) if authority is not None else [0, 0]
        text = configuration.format(
            folder=folder,
            plain=ports[0],
            tls=ports[1],
            ca=authority.directory if authority else "",
            **{name: digest for name, (_, digest) in TOKENS.items()},
        )
        if authority is None:
            text = without_tcp(text)
        words = ["share", upstream]
        says = text.count("[[listener]]")
        if daemon:
            words, options, says = ["gateway"], (), 1
            more += upstream_section(upstream, text)
        (folder / "share.toml").write_text(text + more)
        words += ["--config", str(folder / "share.toml"), *options]
        process = stack.enter_context(program(*words, says=says))
        wait_for_places(folder, text)
        target = Target(folder, process, authority)
        target.plain, target.tls = ports
        yield target


def upstream_section(upstream: str, text: str) -> str:
    """Return what shares an upstream at all listeners of a configuration."""
    places = json.dumps(re.findall(r'^address = "(.*)"', text, re.MULTILINE))
    return (
        f'\n[[upstream]]\nname = "box"\naddress = "{upstream}"\nlisten = {places}\n'
        "clients = 1400\n"
    )


def wait_for_places(folder: Path, text: str) -> None:
    """Wait until the gateway serves: a daemon does when its monitor is found."""
    deadline = time.monotonic() + SECONDS
    for name in re.findall(rf'^address = "unix:{folder}/(.*)"', text, re.MULTILINE):
        while not (folder / name).exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)


def without_tcp(text: str) -> str:
    """Return a configuration without the listeners on TCP."""
    parts = re.split(r"\n(?=\[)", text)
    return "\n".join(p for p in parts if 'address = "tcp:' not in p)


def free_ports(count: int) -> list[int]:
    """Return ports that are free now."""
    with contextlib.ExitStack() as stack:
        socks = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            for _ in range(count)
        ]
        return [sock.getsockname()[1] for sock in socks]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make an authority with a server, and clients that it knows."""
    authority = make_authority(tmp_path_factory.mktemp("attacks") / "ca")
    authority.sign("bob", "bob")
    authority.revoke("bob")
    return authority


@pytest.fixture(scope="module", params=["share", "gateway"])
def running(authority: Authority, request: pytest.FixtureRequest) -> Iterator[Target]:
    """Run a gateway for the attacks of a module: of one monitor, and as a daemon."""
    daemon = request.param == "gateway"
    clients = () if daemon else ("--clients", "1400")
    with attacked("", *clients, authority=authority, daemon=daemon) as target:
        yield target
        target.verify()


@pytest.fixture
def target(running: Target) -> Iterator[Target]:
    """Give the gateway; another client works all the while and is not disturbed."""
    bystander = Bystander(running.folder / "all")
    bystander.start()
    yield running
    bystander.end()
    running.check()
