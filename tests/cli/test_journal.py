"""``qmpx journal``: the events that a gateway has kept, as a program reads them."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.cli.main import main
from qmpx.gateway.journal.file import JournalFile, Recorded
from tests.programs import ENVIRONMENT, QMPX, SECONDS

if TYPE_CHECKING:
    from pathlib import Path


def an_event(number: int) -> dict[str, Any]:
    return {
        "timestamp": {"seconds": number, "microseconds": 0},
        "event": ("STOP", "RESUME")[number % 2],
        "x-qmpx-sequence": number,
    }


def add(file: JournalFile, monitor: int, *numbers: int) -> None:
    batch = []
    for number in numbers:
        event = an_event(number)
        del event["x-qmpx-sequence"]
        message = json.dumps(event).encode() + b"\r\n"
        batch.append((monitor, Recorded(number, event["event"], message)))
    file.write(batch, 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a journal with five events of one monitor."""
    with closing(JournalFile(tmp_path / "events")) as file:
        file.place_of("web1")
        add(file, 1, *range(1, 6))
    return tmp_path / "events"


def shown(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    captured = capsys.readouterr()
    assert captured.err == ""
    return [json.loads(line) for line in captured.out.splitlines()]


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ([], [1, 2, 3, 4, 5]),
        (["--since", "3"], [4, 5]),
        (["--since", "5"], []),
        (["--since", "0", "--count", "2"], [1, 2]),
        (["RES*"], [1, 3, 5]),
        (["--upstream", "web1", "STOP"], [2, 4]),
    ],
)
def test_events_are_shown_with_their_numbers(
    path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    numbers: list[int],
) -> None:
    assert main(["journal", "show", str(path), *options]) == 0
    assert shown(capsys) == [an_event(number) for number in numbers]


def test_there_is_a_list_of_what_is_kept(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(JournalFile(path)) as file:
        file.place_of("web2")
        file.forget(0, 1 << 30, 2)
    assert main(["journal", "list", str(path)]) == 0
    assert capsys.readouterr().out == "web1: 4 to 5\nweb2: none; the next is 1\n"
    assert main(["journal", "list", "--json", str(path)]) == 0
    assert shown(capsys) == [
        {"upstream": "web1", "oldest": 4, "last": 5},
        {"upstream": "web2", "oldest": 1, "last": 0},
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "say which with --upstream: there are web1, web2"),
        (["--upstream", "x"], "'x' is not among its monitors: web1, web2"),
        (
            ["--upstream", "web1", "--since", "1"],
            "events after 1 are no longer kept: the oldest is 4",
        ),
    ],
)
def test_what_cannot_be_shown_is_an_error(
    path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    with closing(JournalFile(path)) as file:
        file.place_of("web2")
        file.forget(0, 1 << 30, 2)
    assert main(["journal", "show", str(path), *options]) == 2
    assert capsys.readouterr().err == f"qmpx: {path}: {message}\n"


def test_a_file_that_is_not_there_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["journal", "list", str(tmp_path / "none")]) == 2
    assert "there is no such file" in capsys.readouterr().err


@pytest.mark.slow
def test_it_goes_on_with_those_that_come_while_another_process_writes(
    path: Path,
) -> None:
    with (
        closing(JournalFile(path)) as file,
        subprocess.Popen(
            [QMPX, "journal", "show", path, "--since", "4", "--follow"],
            stdout=subprocess.PIPE,
            env=ENVIRONMENT,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            assert json.loads(process.stdout.readline()) == an_event(5)
            add(file, 1, 6, 7)
            assert json.loads(process.stdout.readline()) == an_event(6)
            assert json.loads(process.stdout.readline()) == an_event(7)
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS) == 130
        finally:
            process.kill()
