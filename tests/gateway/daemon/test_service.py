"""A gateway that is run by a file: SIGHUP changes what it does, and loses nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.gateway.test_equipment import Resuming, Talk, count_of, monitor_that_ticks
from tests.gateway.test_equipment_reload import audit_of
from tests.loops import short_directory
from tests.programs import ENVIRONMENT, QMPX, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

RELOADS = 12

ALWAYS = """
[gateway]
drain = 1
[[upstream]]
name = "box"
address = "unix:DIR/up"
listen = "unix:DIR/shared"
"""

SECTIONS = (
    """
    [audit]
    path = "DIR/a.jsonl"
    [journal]
    path = "DIR/events"
    """,
    """
    [audit]
    path = "DIR/a.jsonl"
    sync = "always"
    [journal]
    path = "DIR/events"
    synchronous = "normal"
    [limits]
    in-flight = 4
    [lease]
    """,
    """
    [audit]
    path = "DIR/NUMBER.jsonl"
    reads = false
    [journal]
    path = "DIR/events"
    max-age = 1000
    [limits]
    rate = 100000
    [lease]
    max-seconds = 10
    """,
)


def configure(folder: Path, number: int) -> Path:
    path = folder / "gateway.toml"
    text = ALWAYS + SECTIONS[number % len(SECTIONS)]
    text = text.replace("NUMBER", str(number)).replace("DIR", str(folder))
    path.write_text(text.replace("\n    ", "\n"))
    return path


@contextlib.contextmanager
def running(config: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [str(QMPX), "gateway", "--config", str(config)],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=ENVIRONMENT,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            assert "gateway of 1 upstream" in process.stderr.readline()
            yield process
        finally:
            process.kill()


def reload(process: subprocess.Popen[str]) -> None:
    """Send SIGHUP, and wait until it has read its file anew."""
    assert process.stderr is not None
    process.send_signal(signal.SIGHUP)
    while "is in force" not in (said := process.stderr.readline()):
        assert "stays in force" not in said
        assert said, "the gateway has ended"


def ask(talk: Talk, count: int, answers: list[Any]) -> None:
    """Ask so often, with a few commands on their way at once; take every reply."""
    with talk.sock:
        messages = talk.messages()
        talk.send(*[{"execute": "tick"}] * 8)
        for number in range(count):
            reply = next(it for it in messages if "event" not in it)
            answers.append(reply)
            if number < count - 8:
                talk.send({"execute": "tick"})


@pytest.mark.timeout(120)
def test_reloads_under_load_lose_no_reply_no_event_and_no_line() -> None:
    count = 3000
    answers: list[list[Any]] = [[], []]
    with (
        short_directory() as folder,
        monitor_that_ticks().serve_in_thread(
            f"unix:{folder}/up", max_sessions=1, grace=0
        ),
        running(configure(folder, 0)) as process,
    ):
        follower, enough = Resuming(count_of), threading.Event()
        follow = threading.Thread(
            target=follower.follow, args=(folder / "shared", 2 * count, enough)
        )
        follow.start()
        threads = [
            threading.Thread(
                target=ask, args=(Talk(folder / "shared"), count, answers[number])
            )
            for number in range(2)
        ]
        for thread in threads:
            thread.start()
        for number in range(1, RELOADS + 1):
            configure(folder, number)
            reload(process)
        for thread in threads:
            thread.join(SECONDS)
        # Each command had its reply, and each reply its event, once and in order.
        returned = sorted(reply["return"] for each in answers for reply in each)
        assert returned == list(range(1, 2 * count + 1))
        assert enough.wait(SECONDS)
        process.terminate()
        assert process.wait(SECONDS) == 0
        follow.join(SECONDS)
        assert list(follower.seen.values())[-1] == 2 * count
        files = {*folder.glob("*.jsonl")}
        lines = [line for file in files for line in audit_of(file)]
    told = [line.kind for line in lines if line.command == "tick"]
    assert told.count("intent") == told.count("outcome") == 2 * count
    assert len(files) == 1 + sum(n % 3 == 2 for n in range(RELOADS + 1))


def test_a_section_that_is_wrong_leaves_all_as_it_was() -> None:
    with (
        short_directory() as folder,
        monitor_that_ticks().serve_in_thread(
            f"unix:{folder}/up", max_sessions=1, grace=0
        ),
        running(configure(folder, 0)) as process,
    ):
        talk = Talk(folder / "shared")
        with talk.sock:
            configure(folder, 1)
            (folder / "a.jsonl").rename(folder / "b.jsonl")
            os.mkdir(folder / "c.jsonl")
            config = folder / "gateway.toml"
            config.write_text(config.read_text().replace("a.jsonl", "c.jsonl"))
            process.send_signal(signal.SIGHUP)
            assert process.stderr is not None
            said = process.stderr.readline()
            assert "the old configuration stays in force" in said
            assert "c.jsonl" in said
            talk.send({"execute": "tick"})
            replies = (it for it in talk.messages() if "event" not in it)
            assert next(replies) == {"return": 1}
        deadline = time.monotonic() + SECONDS
        while b'"outcome":"return"' not in (folder / "b.jsonl").read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.02)
