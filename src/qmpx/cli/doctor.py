"""``qmpx doctor``: looks at a monitor from outside and inside, and says what to do.

Each step finds something out; the first that fails is mostly the reason for those that
follow. Latency is measured in band and, where that is offered, out of band: if only the
first is bad, QEMU's main loop is busy, and not the way to it.
"""

import argparse
import os
import stat
import time
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct, to_builtins

from qmpx.cli.output import print_json, printable
from qmpx.client import Client, connect
from qmpx.errors import ConnectError, DeadlineExceeded, GreetingTimeout, QmpxError
from qmpx.transport.address import Address, UnixAddress, parse_address
from qmpx.transport.holders import Holder, Occupancy, occupancy
from qmpx.transport.permissions import explain_permission

ROUNDS: Final = 5
"""How often latency is measured; the best and the worst are told."""

SLOW: Final = 0.25
"""Seconds from which an answer is told to be late: an idle QEMU needs less than one
thousandth of that."""

_STATES: Final = {
    "R": "running",
    "S": "sleeping, as it should",
    "D": "waiting for a disk or a file system, and cannot be interrupted",
    "T": "stopped by a signal: kill -CONT wakes it",
    "t": "stopped by a debugger",
    "Z": "dead; its parent has not taken notice",
}


class Finding(Struct):
    """What a step found.

    Attributes:
        step: The step.
        ok: Whether it is as it should be.
        found: What was found.
        advice: What to do, if anything.
    """

    step: str
    ok: bool
    found: str
    advice: str = ""


def run(arguments: argparse.Namespace) -> int:
    """Examine a monitor; the exit status is 0 if all is well.

    Raises:
        AddressError: That is no address.
    """
    address = parse_address(arguments.address)
    findings: list[Finding] = []
    for finding in examine(address, arguments.timeout):
        findings.append(finding)
        if not arguments.json:
            _print(finding)
    if arguments.json:
        print_json([to_builtins(each) for each in findings])
    return 0 if all(each.ok for each in findings) else 3


def _print(finding: Finding) -> None:
    mark = "ok  " if finding.ok else "BAD "
    print(printable(f"{mark} {finding.step + ':':13} {finding.found}"), flush=True)
    if finding.advice:
        print(printable(f"     {'':13} -> {finding.advice}"), flush=True)


def examine(address: Address, timeout: float) -> Iterator[Finding]:
    """Yield what is found, step by step.

    Args:
        address: Where the monitor is.
        timeout: Seconds for each step.
    """
    if isinstance(address, UnixAddress) and not address.abstract:
        found = list(_file(address.path))
        yield from found
        if not all(each.ok for each in found):
            yield from _from_inside(address, timeout)
            return
    now = occupancy(address)
    yield from _from_outside(now)
    yield from _from_inside(address, timeout)


def _file(path: str) -> Iterator[Finding]:
    try:
        status = os.stat(path)
    except OSError as error:
        yield Finding("socket", ok=False, found=f"{path}: {error.strerror}")
        return
    if not stat.S_ISSOCK(status.st_mode):
        yield Finding("socket", ok=False, found=f"{path} is no socket")
        return
    mode = stat.filemode(status.st_mode)
    found = f"{path} is there: {mode}, user {status.st_uid}, group {status.st_gid}"
    yield Finding("socket", ok=True, found=found)
    if os.access(path, os.W_OK):
        yield Finding("permission", ok=True, found="this user may connect")
    else:
        reason, hint = explain_permission(path)
        yield Finding("permission", ok=False, found=reason, advice=hint)


def _from_outside(now: Occupancy) -> Iterator[Finding]:
    server = now.server
    if server is None:
        found = "no process that this user can see"
        yield Finding("listener", ok=True, found=found)
    else:
        yield Finding("listener", ok=True, found=str(server))
        yield from _process(server)
    held = [str(each) for each in now.holders]
    if now.hidden:
        held.append(f"{now.hidden} that this user cannot see")
    if held:
        yield Finding(
            "held by",
            ok=True,
            found=", ".join(held),
            advice="a monitor of QEMU serves one client; the next one waits unseen",
        )
    else:
        yield Finding("held by", ok=True, found="nobody")
    if now.others_waiting:
        found = f"{now.others_waiting} clients wait to be served"
        yield Finding("queue", ok=False, found=found, advice="end one that is stuck")


def _process(server: Holder) -> Iterator[Finding]:
    try:
        with open(f"/proc/{server.pid}/stat", errors="replace") as file:
            letter = file.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        yield Finding("process", ok=False, found="it has ended")
        return
    state = _STATES.get(letter, letter)
    advice = f"kill -CONT {server.pid}" if letter == "T" else ""
    yield Finding("process", ok=letter in "RS", found=state, advice=advice)


def _from_inside(address: Address, timeout: float) -> Iterator[Finding]:
    begin = time.monotonic()
    try:
        client = connect(address, connect_timeout=timeout, timeout=timeout)
    except GreetingTimeout as error:
        yield Finding("greeting", ok=False, found=error.reason, advice=error.hint)
        return
    except ConnectError as error:
        yield Finding("connection", ok=False, found=error.reason, advice=error.hint)
        return
    except QmpxError as error:
        yield Finding("greeting", ok=False, found=str(error))
        return
    with client:
        spent = _milliseconds(time.monotonic() - begin)
        greeting = client.greeting
        offered = ", ".join(greeting.capabilities) or "no capabilities"
        found = f"{_version(greeting.version)} after {spent}; offers {offered}"
        yield Finding("greeting", ok=True, found=found)
        if "oob" in greeting.capabilities:
            yield _latency(client, "out of band", out_of_band=True)
        yield _latency(client, "in band", out_of_band=False)
        yield from _status(client)


def _version(version: Any) -> str:
    qemu = version.get("qemu") if isinstance(version, dict) else None
    if not isinstance(qemu, dict):
        return "a monitor of unknown version"
    numbers = (str(qemu.get(part, "?")) for part in ("major", "minor", "micro"))
    return f"QEMU {'.'.join(numbers)}"


def _latency(client: Client, step: str, *, out_of_band: bool) -> Finding:
    spent = []
    for _ in range(ROUNDS):
        begin = time.monotonic()
        try:
            if out_of_band:
                client.exec_oob("query-yank")
            else:
                client.execute("query-version")
        except DeadlineExceeded as error:
            advice = (
                ""
                if out_of_band
                else "QEMU's main loop is busy: a slow command of another monitor, or "
                "storage that does not answer"
            )
            return Finding(step, ok=False, found=str(error), advice=advice)
        except QmpxError as error:
            return Finding(step, ok=False, found=str(error))
        spent.append(time.monotonic() - begin)
    found = f"{_milliseconds(min(spent))} to {_milliseconds(max(spent))}"
    return Finding(step, ok=max(spent) < SLOW, found=found)


def _status(client: Client) -> Iterator[Finding]:
    try:
        status = client.execute("query-status")
    except QmpxError as error:
        yield Finding("machine", ok=True, found=f"it does not tell: {error}")
        return
    name = str(status.get("status", "?")) if isinstance(status, dict) else "?"
    is_well = name not in ("io-error", "internal-error", "guest-panicked")
    yield Finding("machine", ok=is_well, found=name)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"
