"""File descriptors that come with messages."""

from typing import Any

from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry, Session
from qmpx.transport.channel import close_fds

commands = CommandRegistry()


@commands.command("getfd")
def getfd(session: Session, *, fdname: str) -> None:
    """Keep the descriptor that came along under a name."""
    session.frontend.named.add(fdname, session.pending.take())


@commands.command("closefd")
def closefd(session: Session, *, fdname: str) -> None:
    """Close a named descriptor."""
    close_fds([session.frontend.named.take(fdname)])


@commands.command("add-fd")
def add_fd(
    session: Session, *, fdset_id: int | None = None, opaque: str | None = None
) -> dict[str, int]:
    """Put the descriptor that came along into a set."""
    fd = session.pending.take()
    set_id = session.monitor.descriptor_sets.add(fd, fdset_id, opaque)
    return {"fdset-id": set_id, "fd": fd}


@commands.command("remove-fd")
def remove_fd(
    machine: Machine, session: Session, *, fdset_id: int, fd: int | None = None
) -> None:
    """Remove a descriptor from a set, or all of them."""
    session.monitor.descriptor_sets.remove(
        fdset_id, fd, running=machine.state.is_running
    )


@commands.command("query-fdsets")
def query_fdsets(session: Session) -> list[dict[str, Any]]:
    """Tell of all sets of descriptors."""
    return [
        {
            "fdset-id": set_id,
            "fds": [
                {"fd": member.fd}
                | ({} if member.opaque is None else {"opaque": member.opaque})
                for member in members
            ],
        }
        for set_id, members in session.monitor.descriptor_sets.sets.items()
    ]
