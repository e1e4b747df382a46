"""Why a connection to a monitor stands, and nothing comes from it.

Either another client has the monitor, or the process at its other end does not run, or
is busy, or it is no monitor at all; most of this can be seen from here (Linux).
"""

import os
import shlex
from typing import NamedTuple

from qmpx.transport.address import Address, TcpAddress, UnixAddress, is_loopback
from qmpx.transport.holders import Holder, Occupancy, occupancy, visible

SHOWN = 5  # holders of a monitor that a message names

STATES = {
    "T": "is stopped",
    "t": "is stopped by a debugger",
    "D": "is stuck in the kernel (state D), mostly on a disk or a network file system",
    "Z": "has ended",
    "X": "has ended",
}
"""States of a process, as in proc_pid_stat(5), in which it answers nobody."""


class Diagnosis(NamedTuple):
    """A failure explained.

    Args:
        reason: What happened.
        hint: What to do next.
    """

    reason: str
    hint: str


def explain_silence(address: Address, *, server: Holder | None = None) -> Diagnosis:
    """Say why nothing comes from a connection to *address* that stands.

    Call it while the connection is still open: it tells a connection that waits in the
    queue from one that was accepted.

    Args:
        address: Where we are connected to.
        server: Who is at the other end, if that is known, as from `peer`; what is found
            out here has precedence.
    """
    local = not isinstance(address, TcpAddress) or is_loopback(address)
    now = occupancy(address) if local else Occupancy([], [])
    found = explain_occupancy(address, now, now.server or server)
    return Diagnosis(visible(found.reason), visible(found.hint))


def explain_occupancy(
    address: Address, now: Occupancy, server: Holder | None
) -> Diagnosis:
    """Say what keeps *server* from answering, given who is at its socket."""
    name = str(server) if server else "the server"
    reasons, hints = [], []
    if server and (state := _state(server.pid)) in STATES:
        reasons.append(f"{name} {STATES[state]}")
        hints.append(_wake(server.pid, state))
    # Once we are accepted, others are no reason: this server takes several.
    if not now.ours or now.ours_waiting:
        reason, hint = _held(address, now)
        reasons += reason
        hints += hint
    if reasons:
        return Diagnosis(", and ".join(reasons), "; then ".join(hints))
    look = f": ps -o pid,stat,wchan:20,args -p {server.pid}" if server else ""
    if now.ours:
        return Diagnosis(
            f"{name} accepted the connection but sends no greeting",
            "check that this is a QMP monitor, not a human monitor, a serial console "
            f"or a guest agent, and that its process is alive and well{look}",
        )
    if now.ours_waiting:
        return Diagnosis(
            f"{name} has not accepted the connection",
            "if it is still starting, wait longer; if not, its main loop is stuck, "
            f"look at it{look}",
        )
    return Diagnosis(
        "it was connected to, but sends no greeting",
        "check that no other client is connected, for QEMU serves one per monitor and "
        "lets the next wait; that this is a QMP monitor; and that QEMU is not stopped",
    )


def _held(address: Address, now: Occupancy) -> tuple[list[str], list[str]]:
    """Say who holds the monitor, if somebody does."""
    second = f"give QEMU one more monitor: {qemu_option(_sibling(address))}"
    if now.holders:
        names = _listed([str(holder) for holder in now.holders])
        return [f"the monitor is held by {names}"], [
            f"QEMU serves one client per monitor: disconnect that one, or {second}"
        ]
    if now.hidden:
        find = "sudo ss -xp" if isinstance(address, UnixAddress) else "sudo ss -tp"
        hint = f"find it with {find} and disconnect it, or {second}"
        return ["the monitor is held by a process that this user may not see"], [hint]
    if now.ours and now.ours_waiting:
        hint = f"use that connection, close it first, or {second}"
        return ["the monitor is held by this process, through another connection"], [
            f"QEMU serves one client per monitor: {hint}"
        ]
    return [], []


def _wake(pid: int, state: str) -> str:
    match state:
        case "T":
            return f"resume it with: kill -CONT {pid}"
        case "t":
            return "let the debugger continue it, or detach"
        case "D":
            return f"see what it waits for: sudo cat /proc/{pid}/stack"
    return "start QEMU again"


def _state(pid: int) -> str:
    """Return the letter of the state of a process; empty when it cannot be read."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name before it may hold anything, brackets and spaces included.
            return file.read().rpartition(b")")[2].split()[0].decode()
    except (OSError, IndexError):
        return ""


def explain_standstill(server: Holder | None) -> Diagnosis | None:
    """Say why a process answers nobody, if it is seen from here.

    Args:
        server: The process, if it is known.
    """
    if server is None or (state := _state(server.pid)) not in STATES:
        return None
    reason, hint = f"{server} {STATES[state]}", _wake(server.pid, state)
    return Diagnosis(visible(reason), visible(hint))


def qemu_option(address: Address) -> str:
    """Return the option of QEMU that makes the monitor, ready for a shell."""
    return f"-qmp {shlex.quote(f'{address},server=on,wait=off')}"


def _sibling(address: Address) -> Address:
    """Return an address next to this one, for a second monitor."""
    if isinstance(address, TcpAddress):
        return address._replace(port=address.port + 1 if address.port < 65535 else 1024)
    if isinstance(address, UnixAddress):
        stem, suffix = os.path.splitext(address.path)
        return address._replace(path=f"{stem}-2{suffix}")
    return UnixAddress("/run/vm/qmp-2.sock")


def _listed(names: list[str]) -> str:
    """Join *names*, the many cut down to a few."""
    if len(names) > SHOWN:
        names = [*names[:SHOWN], f"{len(names) - SHOWN} more"]
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
