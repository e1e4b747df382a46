"""Descriptors that clients hand over.

Source: QEMU 0.13.0, section 2 of the notes.
"""

from qmpx.monitor.human import CommandTable
from qmpx.monitor.registry import SessionLike
from qmpx.transport.channel import close_fds

commands = CommandTable()


@commands.command("getfd", "fdname:s", "getfd name", help="keep a descriptor by name")
def getfd(session: SessionLike, *, fdname: str) -> None:
    """Keep the descriptor that came along under a name.

    Raises:
        FdNotSupplied: None came.
        InvalidParameterValue: The name begins with a digit; the descriptor is closed.
    """
    session.frontend.named.add(fdname, session.pending.take())


@commands.command("closefd", "fdname:s", "closefd name", help="close a kept descriptor")
def closefd(session: SessionLike, *, fdname: str) -> None:
    """Close a named descriptor.

    Raises:
        FdNotFound: There is none of that name.
    """
    close_fds([session.frontend.named.take(fdname)])
