"""``qmpx record``, ``replay`` and ``transcript``, as a person uses them."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.cli.record import TranscriptFile
from qmpx.transcript import Entry, read_transcript
from tests.loops import short_directory
from tests.programs import ENVIRONMENT, QMPX, SECONDS, qmpx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Served

pytestmark = pytest.mark.slow

TALK = [
    {"t": 1.0, "conn": 1, "note": "connected"},
    {"t": 1.0, "dir": "->", "conn": 1, "msg": {"execute": "qmp_capabilities"}},
    {"t": 1.5, "dir": "<-", "conn": 1, "msg": {"return": {}}},
    {
        "t": 2.0,
        "dir": "->",
        "conn": 1,
        "msg": {
            "execute": "set_password",
            "arguments": {"protocol": "vnc", "password": "secret1"},
            "id": 1,
        },
    },
    {"t": 2.25, "dir": "<-", "conn": 1, "msg": {"return": {}, "id": 1}},
    {"t": 3.0, "dir": "<-", "conn": 1, "msg": {"event": "STOP"}},
    {"t": 3.0, "dir": "<-", "conn": 1, "raw": "\x1b]0;x"},
]

REDACTED = (
    '{"execute":"set_password","arguments":{"protocol":"vnc",'
    '"password":"[redacted]"},"id":1}'
)


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in TALK))
    return path


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [QMPX, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("qmpx: re")
            yield process
        finally:
            process.kill()


def recorded(box: Served, folder: Path, *options: str) -> Path:
    """Record a conversation with the machine, and return the file."""
    output, mine = folder / "out.jsonl", f"unix:{folder}/mine"
    words = ("record", box.address, "--listen", mine, "-o", str(output), *options)
    with running(*words) as process:
        assert qmpx("run", mine, "query-name").stdout == '{"name": "box"}\n'
        assert qmpx("run", mine, "eject", "device=x").returncode == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    return output


def test_what_is_recorded_is_replayed(box: Served) -> None:
    with short_directory() as folder:
        output = recorded(box, folder)
        assert output.stat().st_mode & 0o777 == 0o600
        lines = [json.loads(line) for line in output.read_text().splitlines()]
        assert {line["conn"] for line in lines} == {1, 2}
        asked = [x["msg"]["execute"] for x in lines if x.get("dir") == "->"]
        assert asked == ["qmp_capabilities", "query-name", "qmp_capabilities", "eject"]
        again = f"unix:{folder}/again"
        with running("replay", str(output), "--listen", again) as process:
            assert qmpx("run", again, "query-name").stdout == '{"name": "box"}\n'
            ejected = qmpx("run", again, "eject", "device=x")
            assert ejected.stderr == "qmpx: DeviceNotFound: Device 'x' not found\n"
            assert process.wait(SECONDS) == 0


def test_a_full_disk_ends_the_recording_and_not_the_conversation(box: Served) -> None:
    full = "qmpx: cannot write /dev/full: No space left on device"
    with short_directory() as folder:
        mine = f"unix:{folder}/mine"
        words = ("record", box.address, "--listen", mine, "-o", "/dev/full")
        with running(*words) as process:
            for _ in range(2):
                assert qmpx("run", mine, "query-name").stdout == '{"name": "box"}\n'
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 2
    assert errors == f"{full}; nothing more is recorded\n{full}\n"


def test_what_was_recorded_before_the_disk_was_full_can_be_read(
    tmp_path: Path,
) -> None:
    soft = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = tmp_path / "talk"
    transcript = TranscriptFile(str(path))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, soft[1]))
    try:
        for number in range(50):
            transcript.write(Entry(note=f"note {number}"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft)
    assert transcript.failure == f"cannot write {path}: File too large"
    entries = list(read_transcript(path.read_bytes().splitlines(keepends=True)))
    assert [entry.note for entry in entries] == [
        f"note {number}" for number in range(len(entries))
    ]
    assert 10 < len(entries) < 50


def test_a_message_too_deep_to_be_written_is_noted(tmp_path: Path) -> None:
    deep: object = "x"
    for _ in range(5000):
        deep = [deep]
    path = tmp_path / "talk"
    TranscriptFile(str(path)).write(Entry(1.0, "->", 7, {"execute": "x", "id": deep}))
    [entry] = read_transcript([path.read_bytes()])
    note = "a message that is too deep to be written"
    assert entry == Entry(1.0, connection=7, note=note)


def test_a_difference_ends_the_replay_with_a_diff_and_status_1(box: Served) -> None:
    with short_directory() as folder:
        output = recorded(box, folder)
        again = f"unix:{folder}/again"
        with running("replay", str(output), "--listen", again) as process:
            assert qmpx("run", again, "query-status").returncode == 1
            said, _ = process.communicate(timeout=SECONDS)
            assert process.returncode == 1
    assert said == (
        "qmpx: command 2 of connection 1 is another\n"
        "--- recorded\n+++ sent\n@@ -1,3 +1,3 @@\n"
        " -> {\n"
        '-     "execute": "query-name"\n'
        '+     "execute": "query-status"\n'
        "    }\n"
    )


def test_loosely_only_some_is_asked_for_and_in_any_order(box: Served) -> None:
    with short_directory() as folder:
        output = recorded(box, folder)
        again = f"unix:{folder}/again"
        with running("replay", str(output), "--listen", again, "--loose") as process:
            for _ in range(2):
                qmpx("run", again, "query-name")
            process.communicate(timeout=SECONDS)
            assert process.returncode in (0, 1)


def test_a_recording_is_shown(talk: Path) -> None:
    shown = qmpx("transcript", "show", str(talk))
    assert shown.stdout.splitlines() == [
        "    0.000 1 -- connected",
        '    0.000 1 -> {"execute":"qmp_capabilities"}',
        '    0.500 1 <- {"return":{}}',
        f"    1.000 1 -> {REDACTED}",
        '    1.250 1 <- {"return":{},"id":1}',
        '    2.000 1 <- {"event":"STOP"}',
        "    2.000 1 <- '\\x1b]0;x'",
    ]


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (("--only", "event"), 1),
        (("--only", "command", "--only", "reply"), 4),
        (("--name", "set_*"), 1),
        (("--conn", "2"), 0),
        (("--only", "raw", "--secrets"), 1),
    ],
)
def test_what_is_shown_is_chosen(
    talk: Path, options: tuple[str, ...], count: int
) -> None:
    shown = qmpx("transcript", "show", *options, str(talk))
    assert (shown.returncode, len(shown.stdout.splitlines())) == (0, count)


def test_secrets_are_shown_only_on_demand(talk: Path) -> None:
    for action in ("show", "convert"):
        assert "secret1" not in qmpx("transcript", action, str(talk)).stdout
        assert "secret1" in qmpx("transcript", action, "--secrets", str(talk)).stdout


def test_a_recording_is_converted_there_and_back(talk: Path, tmp_path: Path) -> None:
    arrows = tmp_path / "talk.txt"
    done = qmpx("transcript", "convert", str(talk), "--to", "arrows", "-o", str(arrows))
    assert (done.returncode, done.stdout) == (0, "")
    assert arrows.read_text().startswith('-> {"execute":"qmp_capabilities"}\n')
    same = qmpx("transcript", "diff", str(talk), str(arrows))
    assert (same.returncode, same.stdout) == (0, "")


def test_two_recordings_are_compared(talk: Path) -> None:
    text = talk.read_text().replace('"STOP"', '"RESUME"')
    differ = qmpx("transcript", "diff", str(talk), "-", stdin=text)
    assert differ.returncode == 1
    assert '-     "event": "STOP"\n+     "event": "RESUME"\n' in differ.stdout
    same = qmpx("transcript", "diff", "--no-events", str(talk), "-", stdin=text)
    assert (same.returncode, same.stdout) == (0, "")


def test_a_recording_is_counted(talk: Path) -> None:
    counted = qmpx("transcript", "stats", str(talk))
    assert counted.stdout.splitlines() == [
        "6 messages, 1 connection, 2.000 s",
        "command                           count errors  mean ms   max ms",
        "qmp_capabilities                      1      0   500.00   500.00",
        "set_password                          1      0   250.00   250.00",
        "STOP                                  1 events",
    ]
    as_json: dict[str, Any] = json.loads(
        qmpx("transcript", "stats", "--json", str(talk)).stdout
    )
    assert as_json["events"] == {"STOP": 1}
    assert as_json["commands"]["set_password"]["longest"] == 0.25


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("transcript", "show", "/none"), "qmpx: /none: No such file or directory\n"),
        (("replay", "/none", "--listen", "unix:x"), "qmpx: /none: No such file or"),
        (
            ("record", "unix:x", "--listen", "unix:y", "-o", "/none/x"),
            "qmpx: cannot write /none/x: No such file or directory\n",
        ),
        (
            ("serve", "--qmp", "unix:x", "--scenario", "/none"),
            "qmpx: /none: No such file or directory\n",
        ),
    ],
)
def test_a_file_that_is_not_there_is_named(
    words: tuple[str, ...], message: str
) -> None:
    ended = qmpx(*words)
    assert ended.returncode == 2
    assert ended.stderr.startswith(message)


def test_what_is_no_recording_is_said_with_its_line() -> None:
    ended = qmpx("transcript", "show", "-", stdin='{"t": 1, "note": "a"}\n{\n')
    assert ended.returncode == 2
    assert ended.stderr.startswith("qmpx: <stdin>:2: expected ")
