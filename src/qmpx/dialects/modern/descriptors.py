"""File descriptors that come with messages."""

from qmpx.dialects.modern.replies import AddfdInfo, FdsetFdInfo, FdsetInfo
from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry, Session
from qmpx.transport.channel import close_fds

commands = CommandRegistry(reads_late=True)


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
) -> AddfdInfo:
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
def query_fdsets(session: Session) -> list[FdsetInfo]:
    """Tell of all sets of descriptors."""
    return [
        {
            "fdset-id": set_id,
            "fds": [_member(member.fd, member.opaque) for member in members],
        }
        for set_id, members in reversed(session.monitor.descriptor_sets.sets.items())
    ]


def _member(fd: int, opaque: str | None) -> FdsetFdInfo:
    return {"fd": fd} if opaque is None else {"fd": fd, "opaque": opaque}
