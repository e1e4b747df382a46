"""``qmpx serve``: where it listens, what it refuses, how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

import qmpx
from tests.loops import short_directory
from tests.programs import qmpx as run
from tests.programs import serving

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow  # each starts a program: 0.2 s

SILENCE = 0.2  # seconds in which a client that is not served hears nothing


def test_it_says_where_it_serves() -> None:
    with serving(sockets=2) as server:
        assert server.addresses == [f"unix:{path}" for path in server.paths]
        for path in server.paths:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            with qmpx.connect(path) as client:
                assert client.execute("query-status")["running"] is True


def test_all_its_sockets_are_one_machine() -> None:
    with (
        serving(sockets=2) as server,
        qmpx.connect(server.paths[0]) as one,
        qmpx.connect(server.paths[1]) as two,
    ):
        events = one.events(), two.events()
        one.execute("stop")
        two.execute("cont")
        seen = [[each.get(5), each.get(5)] for each in events]
    assert [event.name for event in seen[0]] == ["STOP", "RESUME"]
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("address", "pattern"),
    [
        ("tcp:127.0.0.1:0", r"tcp:127\.0\.0\.1:[1-9]\d+"),
        ("localhost:0", r"tcp:localhost:[1-9]\d+"),
        ("[::1]:0", r"tcp:\[::1\]:[1-9]\d+"),
        ("tcp:127.0.0.1:0,server=on,wait=off", r"tcp:127\.0\.0\.1:[1-9]\d+.*"),
        ("unix:@qmpx-test-of-serve", r"unix:qmpx-test-of-serve,abstract=on"),
    ],
)
def test_it_serves_there_too(address: str, pattern: str) -> None:
    if "::1" in address and not has_ipv6():
        pytest.skip("no IPv6 here")
    with serving("--qmp", address) as server:
        assert re.fullmatch(pattern, server.addresses[1])
        with qmpx.connect(server.addresses[1]) as client:
            assert client.execute("query-name") == {}


def has_ipv6() -> bool:
    """Tell whether this system has a loopback with IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_the_machine_is_the_one_that_was_asked_for() -> None:
    uuid = "01234567-89ab-cdef-0123-456789abcdef"
    with (
        serving("-S", "--name", "thé box", "--uuid", uuid) as server,
        qmpx.connect(server.path) as client,
    ):
        assert client.execute("query-status")["status"] == "prelaunch"
        assert client.execute("query-name") == {"name": "thé box"}
        assert client.execute("query-uuid") == {"UUID": uuid}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_well(number: signal.Signals) -> None:
    with serving() as server, qmpx.connect(server.path) as client:
        events = client.events()
        assert server.end(number) == (0, "")
        event = events.get(5)
        assert (event.name, event.data) == (
            "SHUTDOWN",
            {"guest": False, "reason": "host-signal"},
        )
        with pytest.raises(qmpx.ConnectionLost):
            events.get(5)
        assert not server.path.exists()


def test_quit_ends_it_well() -> None:
    with serving(sockets=2) as server, qmpx.connect(server.paths[1]) as other:
        with qmpx.connect(server.path) as client:
            events = client.events()
            assert client.execute("quit") == {}
            event = events.get(5)
            assert (event.name, event.data["reason"]) == ("SHUTDOWN", "host-qmp-quit")
            with pytest.raises(qmpx.ConnectionLost):
                client.execute("query-status")
        with pytest.raises(qmpx.ConnectionLost):
            other.execute("query-status")
        assert server.ended() == (0, "")
        assert not any(path.exists() for path in server.paths)


def test_what_the_machine_made_outside_goes_with_it() -> None:
    with short_directory() as directory:
        vnc = directory / "vnc"
        with serving("--dialect", "2010", "--", "-vnc", f"unix:{vnc}") as server:
            assert vnc.is_socket()
            assert server.end() == (0, "")
            assert not vnc.exists()


def test_a_command_that_waits_does_not_keep_it_for_ever(tmp_path: Path) -> None:
    fifo = tmp_path / "secret"
    os.mkfifo(fifo)
    with serving() as server, qmpx.connect(server.path) as client:
        secret = {"qom-type": "secret", "id": "s", "file": str(fifo)}
        with pytest.raises(qmpx.DeadlineExceeded):
            client.execute("object-add", secret, timeout=0.1)
        server.process.terminate()
        fifo.write_bytes(b"letmein")
        assert server.ended() == (0, "")


def first_bytes(client: socket.socket) -> bytes:
    """Return what a client hears at once; nothing if it hears nothing."""
    client.settimeout(SILENCE)
    try:
        return client.recv(7)
    except TimeoutError:
        return b""


def test_clients_limits_each_address_by_itself() -> None:
    with serving("--clients", "1", sockets=2) as server:
        clients = [socket.socket(socket.AF_UNIX) for _ in range(4)]
        with closing(clients[0]), closing(clients[1]), closing(clients[2]), clients[3]:
            for client, path in zip(clients, server.paths * 2, strict=True):
                client.connect(str(path))
            heard = [first_bytes(client) for client in clients]
            assert heard == [b'{"QMP":', b'{"QMP":', b"", b""]
            clients[0].close()
            assert first_bytes(clients[2]) == b'{"QMP":'
            assert first_bytes(clients[3]) == b""


def test_without_a_limit_many_are_served() -> None:
    with serving() as server:
        clients = [socket.socket(socket.AF_UNIX) for _ in range(50)]
        try:
            for client in clients:
                client.connect(str(server.path))
            assert {first_bytes(client) for client in clients} == {b'{"QMP":'}
        finally:
            for client in clients:
                client.close()


def test_it_takes_the_place_of_a_socket_that_was_left_behind() -> None:
    with serving() as server:
        server.process.kill()
        server.process.wait()
        assert server.path.exists()
        with serving("--qmp", str(server.path)) as again:
            assert again.addresses[1] == f"unix:{server.path}"


def test_an_address_that_others_can_reach_has_to_be_allowed() -> None:
    outcome = run("serve", "--qmp", "tcp:0.0.0.0:0")
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert (
        "refusing to listen on tcp:0.0.0.0:0: others could reach it" in outcome.stderr
    )
    assert "--allow-remote" in outcome.stderr
    with serving("--allow-remote", "--qmp", "tcp:0.0.0.0:0") as server:
        port = server.addresses[1].rpartition(":")[2]
        with qmpx.connect(f"127.0.0.1:{port}") as client:
            assert client.execute("query-name") == {}


def test_a_place_that_is_taken_is_refused() -> None:
    with serving() as server:
        outcome = run("serve", "--qmp", server.address)
        assert (outcome.returncode, outcome.stdout) == (2, "")
        assert "another program listens there already" in outcome.stderr
        with qmpx.connect(server.path) as client:  # the first one is none the worse
            assert client.execute("query-name") == {}


def test_a_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    outcome = run("serve", "--qmp", str(path))
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert "it exists and is no socket" in outcome.stderr
    assert path.read_text() == "data"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nobody could come: give --qmp ADDRESS, or --hmp ADDRESS"),
        (["--qmp", "unix:"], "address 'unix:' has no path"),
        (["--qmp", "unix:/nowhere/qmp"], "cannot listen on unix:/nowhere/qmp: No such"),
        (["--qmp", "unix:q", "--dialect", "1999"], "invalid choice: '1999'"),
        (["--qmp", "unix:q", "--uuid", "none"], "'none' is no UUID"),
        (
            ["--qmp", "unix:q", "--dialect", "2010", "--check"],
            "--check is for --dialect modern: that of 2010 declares no types",
        ),
        (["--qmp", "unix:q", "--clients", "0"], "'0' is no number above zero"),
        (
            ["--qmp", "unix:q", "more"],
            "options of QEMU are taken with --dialect 2010 only",
        ),
    ],
)
def test_what_cannot_be_understood_is_status_2(words: list[str], message: str) -> None:
    outcome = run("serve", *words)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert message in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_stdio_is_an_address_to_serve() -> None:
    commands = '{"execute": "qmp_capabilities"} {"execute": "quit", "id": 1}'
    outcome = run("serve", "--qmp", "stdio", stdin=commands)
    assert (outcome.returncode, outcome.stderr) == (0, "qmpx: serving stdio\n")
    greeting, negotiated, event, reply = map(json.loads, outcome.stdout.splitlines())
    assert greeting.keys() == {"QMP"}
    assert negotiated == {"return": {}}
    assert event["event"] == "SHUTDOWN"
    assert reply == {"return": {}, "id": 1}
