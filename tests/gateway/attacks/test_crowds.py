"""Very many clients: slow ones, hasty ones, and ones that die."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.gateway.attacks.conftest import MEGABYTE, attacked, connect_unix
from tests.programs import SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gateway.attacks.conftest import Target

pytestmark = pytest.mark.slow

SLOW = 1000
EACH = 256 * 1024
"""Bytes that a client may cost that reads nothing: a reply, events, what it sent."""


@pytest.mark.timeout(180)  # a thousand conversations, on a machine with other work
def test_a_thousand_slow_readers_cost_no_one_but_themselves(target: Target) -> None:
    asked = json.dumps({"execute": "query-commands"}).encode() * 40  # of 20 KB each
    before = target.memory()
    with contextlib.ExitStack() as stack:
        for _ in range(SLOW):
            peer = stack.enter_context(target.connect())
            peer.sock.settimeout(0)
            peer.send({"execute": "qmp_capabilities"})
            peer.try_to_send(asked)
        with target.connect() as busy:
            busy.greeted()
            for _ in range(20):
                assert busy.ask({"execute": "stop"}) == {"return": {}}
                assert busy.ask({"execute": "cont"}) == {"return": {}}
        grown = target.memory() - before
        assert grown < SLOW * EACH, f"{grown / SLOW / 1024:.0f} KB each"
        target.check(growth=SLOW * EACH)


@pytest.mark.parametrize("where", ["all", "low", "plain", "tls"])
def test_a_flood_of_connections_is_let_in_or_not_but_harms_nobody(
    target: Target, where: str
) -> None:
    before = target.descriptors()
    for _ in range(500):
        with contextlib.suppress(OSError):
            if where in ("plain", "tls"):
                port = target.plain if where == "plain" else target.tls
                sock = socket.create_connection(("127.0.0.1", port), SECONDS)
            else:
                sock = connect_unix(target.folder / where)
            sock.close()
    with target.connect("low") as peer:
        peer.greeted()
    target.wait_until(lambda: target.descriptors() <= before + 2)


FLOODING = """
import os, socket, sys
uid, path, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
os.setgid(uid); os.setuid(uid)
for _ in range(count):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(path)
    sock.recv(4096)
    sock.close()
"""


def flood_as(uid: int, path: Path, count: int) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", FLOODING, str(uid), str(path), str(count)]
    return subprocess.Popen(words, stderr=subprocess.PIPE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be many users")
def test_floods_of_many_users_are_held_to_the_limits_of_each() -> None:
    limits = "\n[limits]\nconnections = 20.0\nconnection-burst = 20\nclients = 4\n"
    listener = '[[listener]]\naddress = "unix:{folder}/open"\nmode = "0666"\n'
    audit = '[audit]\npath = "{folder}/audit.jsonl"\n'
    text = f'{listener}role = "observe"\n{audit}'
    with attacked(configuration=text, more=limits) as target:
        target.folder.chmod(0o755)
        path = target.folder / "open"
        users = [flood_as(uid, path, 200) for uid in (65534, 65533, 65532, 65534)]
        for each in users:
            _, said = each.communicate(timeout=SECONDS * 2)
            assert each.returncode == 0, said
        with target.connect("open") as peer:  # root is another user
            peer.greeted()
            assert peer.ask({"execute": "query-name"}) == {"return": {"name": "box"}}
        target.wait_for_audit(lambda it: "connections a second" in it.get("reason", ""))
        assert target.memory() - target.before < 24 * MEGABYTE
        target.verify()


DYING = """
import json, random, socket, sys
chance = random.Random(int(sys.argv[2]))
socks = []
while True:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(5)
    sock.connect(sys.argv[1])
    sock.send(b'{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}')
    for number in range(chance.randrange(30)):
        verb = chance.choice(["execute", "exec-oob"])
        name = chance.choice(["query-name", "query-commands", "query-qmp-schema"])
        text = json.dumps({verb: name, "id": number}).encode()
        sock.send(text[: chance.randrange(1, len(text) + 40)])
    socks = [*socks[-5:], sock]
    if chance.random() < 0.1:
        print("going on", flush=True)
"""


def test_clients_that_are_killed_in_the_middle_of_anything_leave_nothing(
    target: Target,
) -> None:
    before = target.descriptors()
    chance = random.Random(5)
    for seed in range(12):
        words = [sys.executable, "-c", DYING, str(target.folder / "all"), str(seed)]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(chance.randrange(1, 4)):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
    target.wait_until(lambda: target.descriptors() <= before)
