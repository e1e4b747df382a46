"""``qmpx events``: a JSON line for each, and how it ends."""

from __future__ import annotations

import json
import re
import select
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from tests.cli.conftest import by_hand
from tests.programs import ENVIRONMENT, QMPX, SECONDS
from tests.programs import qmpx as run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Talk
    from tests.programs import Served

pytestmark = pytest.mark.slow  # each starts a program: 0.1 s


@contextmanager
def watching(address: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``qmpx events`` beside the block, and kill it at its end."""
    with subprocess.Popen(
        [QMPX, "events", address, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def stir(box: Served, process: subprocess.Popen[str]) -> None:
    """Stop and continue the machine, over and over, until the watcher has ended."""
    deadline = time.monotonic() + SECONDS
    with qmpx.connect(box.address) as client:
        while process.poll() is None:
            assert time.monotonic() < deadline
            client.execute("stop")
            client.execute("cont")
            time.sleep(0.01)


def ended(process: subprocess.Popen[str]) -> tuple[int, list[Any], str]:
    """Return the status, the events and the complaints of a watcher."""
    stdout, stderr = process.communicate(timeout=SECONDS)
    return process.returncode, [json.loads(x) for x in stdout.splitlines()], stderr


def test_count_ends_it(box: Served) -> None:
    with watching(box.address, "--count", "4") as process:
        stir(box, process)
        status, events, stderr = ended(process)
    assert (status, stderr) == (0, "")
    names = [event["event"] for event in events]
    assert names in (["STOP", "RESUME"] * 2, ["RESUME", "STOP"] * 2)
    for event in events:
        assert event.keys() == {"timestamp", "event", "data"}
        seconds = event["timestamp"]["seconds"]
        assert abs(seconds - time.time()) < 60
        assert 0 <= event["timestamp"]["microseconds"] < 1_000_000


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["STOP"], {"STOP"}),
        (["R*"], {"RESUME"}),
        (["S?OP", "NOTHING"], {"STOP"}),
        (["STOP", "RESUME"], {"STOP", "RESUME"}),
        (["--timeout", "9", "R?SUME"], {"RESUME"}),
    ],
)
def test_patterns_choose(box: Served, patterns: list[str], names: set[str]) -> None:
    with watching(box.address, "--count", "4", *patterns) as process:
        stir(box, process)
        status, events, _ = ended(process)
    assert status == 0
    assert {event["event"] for event in events} == names


def test_it_goes_on_behind_a_number_at_a_gateway_with_a_journal() -> None:
    asked: list[Any] = []
    early = b'{"event": "STOP"}\r\n'
    lost = b'{"event": "X_QMPX_EVENTS_LOST", "data": {"first": 5, "last": 7}}\r\n'
    numbered = b'{"event": "STOP", "x-qmpx-sequence": 8}\r\n'

    def gateway(talk: Talk) -> None:
        talk.negotiate()
        talk.send(early)
        asked.append(json.loads(talk.line()))
        reply = b'{"return": {"sequence": 4}, "id": %d}\r\n' % asked[0]["id"]
        talk.send(reply + early + lost + numbered)
        talk.line()

    with by_hand(gateway) as address:
        words = ("STOP", "--since", "4", "--count", "2")
        ended = run("events", address, *words)
    assert (ended.returncode, ended.stderr) == (0, "")
    stamp = {"seconds": -1, "microseconds": 0}
    assert [json.loads(line) for line in ended.stdout.splitlines()] == [
        {
            "timestamp": stamp,
            "event": "X_QMPX_EVENTS_LOST",
            "data": {"first": 5, "last": 7},
        },
        {"timestamp": stamp, "event": "STOP", "data": {}, "x-qmpx-sequence": 8},
    ]
    assert asked[0]["execute"] == "x-qmpx-subscribe"
    assert asked[0]["arguments"] == {"since": 4, "events": ["STOP"]}


def test_a_time_without_a_count_is_a_good_end(box: Served) -> None:
    outcome = run("events", box.address, "--timeout", "0.1")
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")


def test_a_count_that_is_not_reached_in_time_is_status_4(box: Served) -> None:
    outcome = run("events", box.address, "--timeout", "0.1", "--count", "2")
    assert (outcome.returncode, outcome.stdout) == (4, "")
    assert "no event 1 of 2 within 0.1 s" in outcome.stderr


def once_it_watches(process: subprocess.Popen[str], box: Served) -> None:
    """Return as soon as the watcher has shown an event."""
    with qmpx.connect(box.address) as client:
        assert process.stdout is not None
        client.execute("stop")
        while not select.select([process.stdout], [], [], 0.01)[0]:
            client.execute("cont")
            client.execute("stop")


def test_interrupted_is_status_130_without_a_word(box: Served) -> None:
    with watching(box.address) as process:
        once_it_watches(process, box)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=SECONDS)
    assert (process.returncode, stderr) == (130, "")


def test_a_reader_that_goes_is_no_error(box: Served) -> None:
    script = '"$0" events "$1" | head -1; echo ${PIPESTATUS[*]}'
    with subprocess.Popen(
        ["bash", "-c", script, QMPX, box.address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        stir(box, process)
        stdout, stderr = process.communicate(timeout=SECONDS)
    assert re.fullmatch(r"\{.*\}\n0 0\n", stdout)
    assert stderr == ""


def test_a_machine_that_ends_is_status_6() -> None:
    def talk(peer: Talk) -> None:
        peer.negotiate()

    with by_hand(talk) as address:
        outcome = run("events", address)
    assert (outcome.returncode, outcome.stdout) == (6, "")
    assert outcome.stderr == "qmpx: the peer closed the connection\n"


def test_no_monitor_is_status_3() -> None:
    outcome = run("events", "unix:nowhere")
    assert (outcome.returncode, outcome.stdout) == (3, "")
    assert "there is no socket 'nowhere'" in outcome.stderr


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (r"A\u001b[2J", r"A\u001b[2J"),
        ("A\x9b2J\x7f", r"A\u009b2J\u007f"),
        ("\u202eA", r"\u202eA"),
        ("\U000e0001", r"\udb40\udc01"),
        ("Ü", r"\u00dc"),
    ],
)
def test_an_event_s_name_is_harmless_on_a_terminal(name: str, shown: str) -> None:
    event = f'{{"event": "{name}", "data": {{"x": "{name}"}}}}\r\n'.encode()

    def talk(peer: Talk) -> None:
        peer.negotiate()
        while not peer.is_over.wait(0.01):
            peer.send(event)

    with by_hand(talk) as address:
        outcome = run("events", address, "--count", "1")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert f'"event": "{shown}"' in outcome.stdout
    assert f'"data": {{"x": "{shown}"}}' in outcome.stdout
    assert "\x1b" not in outcome.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: ADDRESS"),
        (["a.sock", "--count", "0"], "'0' is no number above zero"),
        (["a.sock", "--count", "few"], "'few' is no number above zero"),
        (["a.sock", "--timeout", "-1"], "'-1' is no number of seconds above zero"),
        (["a.sock", "STOP", "--nope"], "unrecognized arguments: --nope"),
    ],
)
def test_what_cannot_be_understood_is_status_2(words: list[str], message: str) -> None:
    outcome = run("events", *words)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert message in outcome.stderr
