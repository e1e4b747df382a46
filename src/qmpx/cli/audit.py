"""``qmpx audit``: whether an audit is whole, and what it says."""

import argparse
import fnmatch
import os
import re
from collections.abc import Iterator

import msgspec
from msgspec import UNSET

from qmpx.cli.output import print_json, printable
from qmpx.errors import AddressError
from qmpx.gateway.audit.chain import (
    MAX_LINE,
    AuditError,
    Head,
    Line,
    Problem,
    decode,
    read_head,
)
from qmpx.gateway.audit.seal import Seal, read_key
from qmpx.gateway.audit.verifying import Verifier

_PASSED_OVER = re.compile(r"\.(head|torn-[0-9]+)$")
_PART = re.compile(r"\.[0-9]+$")


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked for.

    Returns:
        1 if an audit is not whole.

    Raises:
        AuditError: A file cannot be read.
    """
    if arguments.action == "verify":
        return _verify(arguments)
    _show(arguments)
    return 0


def ordered(paths: list[str]) -> list[str]:
    """Return the files of an audit in their order, by their first lines.

    Raises:
        AuditError: One cannot be read.
    """
    files = [path for path in paths if not _PASSED_OVER.search(path)]
    if not files:
        message = "no file of an audit is among these"
        raise AuditError(message)
    return sorted(files, key=_first_number)


def _first_number(path: str) -> int:
    first = next(_lines_of(path), b"")
    try:
        return decode(first).sequence
    except (ValueError, UnicodeDecodeError):
        return 0  # what it is will be told when it is read


def _lines_of(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            while line := file.readline(MAX_LINE):
                yield line
    except OSError as error:
        message = f"{path}: {error.strerror or error}"
        raise AuditError(message) from None


def _verify(arguments: argparse.Namespace) -> int:
    files = ordered(arguments.files)
    seal = Seal(read_key(arguments.key_file) if arguments.key_file else b"")
    verifier = Verifier(seal)
    if arguments.head:
        verifier.expect(_parse_head(arguments.head))
    problem = _look_at_head(
        files[-1], seal, verifier, is_needed=not arguments.head and bool(seal.key_name)
    )
    for path in files:
        if found := verifier.read(path, _lines_of(path)):
            problem = found
            break
    if problem is None and (missing := verifier.missing()):
        count = sum(1 for _ in _lines_of(files[-1]))
        problem = Problem(files[-1], count + 1, missing, "the end")
    if arguments.json:
        _tell_json(verifier, problem)
    elif problem is not None:
        print(printable(str(problem)))
    else:
        number, digest = verifier.head
        print(f"whole: {verifier.lines} lines, {verifier.first} to {number}:{digest}")
    return 0 if problem is None else 1


def _look_at_head(
    path: str, seal: Seal, verifier: Verifier, *, is_needed: bool
) -> Problem | None:
    """Let the chain have what the file of the head says.

    With a key it is the only proof of the end, unless a head was given.
    """
    beside = f"{_PART.sub('', path)}.head"
    text = b"".join(_lines_of(beside)) if os.path.exists(beside) else b""
    head = read_head(text)
    is_ours = head is not None and seal.vouches_for(head, text)
    if not is_ours and (is_needed or (text and seal.key_name)):
        found = "another one" if text else "none"
        return Problem(beside, 1, f"the head by the key {seal.key_name}", found)
    if head is not None and head.sequence:
        verifier.expect(head)
    return None


def _tell_json(verifier: Verifier, problem: Problem | None) -> None:
    told: dict[str, object] = {
        "whole": problem is None,
        "first": verifier.first,
        "lines": verifier.lines,
        "head": {"sequence": verifier.head.sequence, "sha256": verifier.head.digest},
    }
    if problem is not None:
        told["problem"] = problem._asdict()
    print_json(told)


def _parse_head(text: str) -> Head:
    found = re.fullmatch(r"([0-9]+):([0-9a-f]{64})", text)
    if found is None:
        message = f"--head {text}: expected N:SHA256, as verify prints it"
        raise AddressError(message)
    return Head(int(found[1]), found[2])


def _show(arguments: argparse.Namespace) -> None:
    for path in ordered(arguments.files):
        for number, raw in enumerate(_lines_of(path), 1):
            try:
                line = decode(raw)
            except (ValueError, UnicodeDecodeError) as error:
                message = f"{path}:{number}: this is no line of an audit: {error}"
                raise AuditError(message) from None
            if not _is_wanted(line, arguments):
                continue
            if arguments.json:
                print_json(msgspec.json.decode(raw))
            else:
                print(printable(text_of(line)))


def _is_wanted(line: Line, arguments: argparse.Namespace) -> bool:
    who = line.who
    identity, role, client = "", "", 0
    if who is not UNSET:
        identity, role, client = who.identity, who.role, who.client
    wanted = (
        (arguments.command, line.command),
        (arguments.who, identity),
        (arguments.role, role),
        (arguments.upstream, line.upstream),
        (arguments.kind, line.kind),
    )
    if not all(not patterns or _fits(text, patterns) for patterns, text in wanted):
        return False
    if arguments.client is not None and client != arguments.client:
        return False
    if arguments.refused and line.verdict != "deny":
        return False
    if arguments.failed and line.outcome in ("", "return"):
        return False
    if arguments.since and line.time < arguments.since:
        return False
    return not arguments.until or line.time < arguments.until


def _fits(text: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns)


def text_of(line: Line) -> str:
    """Return a line as a person reads it."""
    words = [line.time, str(line.sequence), line.kind]
    if line.upstream:
        words.append(line.upstream)
    if line.who is not UNSET:
        words.append(f"{line.who.identity}#{line.who.client} as {line.who.role}")
    if line.command:
        words.append(line.command)
    if line.arguments is not UNSET:
        words.append(msgspec.json.encode(line.arguments).decode())
    if line.verdict == "deny":
        words.append(f"refused by {line.rule}: {line.reason}")
    elif line.reason and not line.verdict:
        words.append(line.reason)
    if line.outcome:
        words.append(line.outcome)
    if line.seconds is not UNSET:
        words.append(f"{line.seconds * 1000:.1f} ms")
    if line.intent:
        words.append(f"of {line.intent}")
    if line.more is not UNSET:
        words.append(msgspec.json.encode(line.more).decode())
    return " ".join(words)
