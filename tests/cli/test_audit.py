"""``qmpx audit``: what is wrong with an audit, and what is in it."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from qmpx.cli.main import main
from qmpx.gateway.audit.chain import Line, Who
from qmpx.gateway.audit.file import AuditFile

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.gateway.audit.chain import Head

ONCE_THERE = "which was there once: see the file of the head"
KINDS = [
    ("connected", "", "", ""),
    ("refused", "quit", "deny", ""),
    ("intent", "stop", "allow", ""),
    ("outcome", "stop", "", "return"),
    ("answered", "query-block", "allow", "GenericError"),
]


def write(path: Path, *, max_size: int = 1 << 20, rounds: int = 1) -> Head:
    """Write an audit of two clients, and return its head."""
    clock = iter(range(10**18, 10**19, 10**9))
    audit = AuditFile(path, max_size=max_size, clock=lambda: next(clock))
    with closing(audit):
        for number in range(rounds):
            who = Who(f"unix:user{number % 2}", "operate", number + 1, "unix:x")
            for kind, command, verdict, outcome in KINDS:
                line = Line(0, "", "", kind, "vm", who, command, verdict=verdict)
                line.outcome = outcome
                line.rule, line.reason = ("rule 1", "why") if verdict else ("", "")
                if command == "quit":
                    line.arguments = {"text": "\x1b[2J"}
                if outcome:
                    line.seconds = 0.0125
                audit.announce(line)
    return audit.head


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out.splitlines()


def test_a_whole_audit_is_whole(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = write(path)
    assert main(["audit", "verify", str(path)]) == 0
    assert said(capsys) == [f"whole: 6 lines, 1 to 6:{head.digest}"]
    assert main(["audit", "verify", "--json", str(path)]) == 0
    assert json.loads(said(capsys)[0]) == {
        "whole": True,
        "first": 1,
        "lines": 6,
        "head": {"sequence": 6, "sha256": head.digest},
    }


def test_files_are_taken_in_their_order_and_what_is_no_audit_passed_over(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = write(path, max_size=600, rounds=20)
    path.with_name("audit.jsonl.torn-7").write_bytes(b"{")
    files = sorted(map(str, path.parent.iterdir()), reverse=True)
    assert len(files) > 12
    assert main(["audit", "verify", *files]) == 0
    count = head.sequence
    assert said(capsys) == [f"whole: {count} lines, 1 to {count}:{head.digest}"]


@pytest.mark.parametrize(
    ("gone", "problem"),
    [
        (0, "1: expected the beginning of a file, found line 2"),
        (2, "3: expected line 3 of the chain, found line 4"),
        (5, f"6: expected line 6, {ONCE_THERE}, found the end"),
    ],
)
def test_the_first_gap_is_told(
    path: Path, capsys: pytest.CaptureFixture[str], gone: int, problem: str
) -> None:
    write(path)
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[gone]
    path.write_bytes(b"".join(lines))
    assert main(["audit", "verify", str(path)]) == 1
    assert said(capsys) == [f"{path}:{problem}"]
    assert main(["audit", "verify", "--json", str(path)]) == 1
    told = json.loads(said(capsys)[0])
    assert (told["whole"], told["problem"]["line"]) == (False, gone + 1)


def test_a_hash_that_was_kept_elsewhere_shows_another_history(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = write(path)
    kept = f"{head.sequence}:{head.digest}"
    assert main(["audit", "verify", "--head", kept, str(path)]) == 0
    for each in path.parent.iterdir():
        each.unlink()
    other = write(path, rounds=2)
    capsys.readouterr()
    assert main(["audit", "verify", str(path)]) == 0
    assert said(capsys) == [f"whole: 11 lines, 1 to 11:{other.digest}"]
    assert main(["audit", "verify", "--head", f"6:{'0' * 64}", str(path)]) == 1
    assert said(capsys)[0].startswith(
        f"{path}:6: expected the line of SHA-256 {'0' * 64}, as the head says, found "
    )


@pytest.mark.parametrize("action", ["verify", "show"])
def test_a_file_that_cannot_be_read_is_an_error(
    path: Path, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    assert main(["audit", action, str(path)]) == 2
    assert capsys.readouterr().err == f"qmpx: {path}: No such file or directory\n"
    assert main(["audit", action, f"{path}.head"]) == 2
    assert capsys.readouterr().err == "qmpx: no file of an audit is among these\n"


def test_a_head_that_is_none_is_an_error(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(path)
    assert main(["audit", "verify", "--head", "12", str(path)]) == 2
    assert "expected N:SHA256" in capsys.readouterr().err


def test_lines_are_shown_as_a_person_reads_them(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(path)
    assert main(["audit", "show", str(path)]) == 0
    day, who = "2001-09-09T01:46:", "vm unix:user0#1 as operate"
    refused = 'quit {"text":"\\u001b[2J"} refused by rule 1: why'
    genesis, *rest = said(capsys)
    assert genesis.startswith(f"{day}40.000000Z 1 genesis {{")
    assert rest == [
        f"{day}41.000000Z 2 connected {who}",
        f"{day}42.000000Z 3 refused {who} {refused}",
        f"{day}43.000000Z 4 intent {who} stop",
        f"{day}44.000000Z 5 outcome {who} stop return 12.5 ms",
        f"{day}45.000000Z 6 answered {who} query-block GenericError 12.5 ms",
    ]


@pytest.mark.parametrize(
    ("options", "sequences"),
    [
        (["--command", "st*"], [4, 5, 9, 10]),
        (["--command", "stop", "--command", "quit"], [3, 4, 5, 8, 9, 10]),
        (["--who", "unix:user1"], [7, 8, 9, 10, 11]),
        (["--role", "admin"], []),
        (["--upstream", "vm", "--kind", "connected"], [2, 7]),
        (["--client", "2", "--failed"], [11]),
        (["--refused"], [3, 8]),
        (["--since", "2001-09-09T01:46:49"], [10, 11]),
        (["--until", "2001-09-09T01:46:42"], [1, 2]),
        (["--since", "2001-09-10"], []),
    ],
)
def test_only_what_is_asked_for_is_shown(
    path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    sequences: list[int],
) -> None:
    write(path, rounds=2)
    assert main(["audit", "show", "--json", str(path), *options]) == 0
    lines = [json.loads(line) for line in said(capsys)]
    assert [line["sequence"] for line in lines] == sequences
    whole = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert lines == [line for line in whole if line["sequence"] in sequences]


def test_what_is_no_line_is_an_error(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_bytes(b"[]\n")
    assert main(["audit", "show", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"qmpx: {path}:1: this is no line of an audit: Expected `object`, got `array`\n"
    )


def test_an_audit_by_a_key_is_verified_with_its_file(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32 + b"\n")
    key.chmod(0o600)
    with closing(AuditFile(path, key=b"k" * 32)) as audit:
        audit.announce(Line(0, "", "", "intent", command="stop"))
    number, digest = audit.head
    verify = ["audit", "verify", "--key-file", str(key), str(path)]
    assert main(verify) == 0
    assert said(capsys) == [f"whole: 2 lines, 1 to {number}:{digest}"]
    # Without the key nothing can be told.
    assert main(["audit", "verify", str(path)]) == 1
    (told,) = said(capsys)
    assert told.startswith(f"{path}:1: expected a file without a key, found one by")
    # Nor without a head, unless one was kept elsewhere.
    path.with_name("audit.jsonl.head").unlink()
    assert main(verify) == 1
    assert said(capsys)[0].endswith(", found none")
    assert main([*verify, "--head", f"{number}:{digest}"]) == 0
