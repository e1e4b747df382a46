"""Looks at files of this host before a command that names them goes on.

Where the machine runs on the gateway's host and sees the same files, its names can be
held against what is there: where symbolic links lead, and what the headers of images
name. It is looked in threads, for a disk may not answer.

What is looked at may be changed before QEMU opens it, by whoever can write there. So
this holds against what lies there, such as an image that a guest has prepared on its
disk; not against somebody with an account on the host who is fast.
"""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import msgspec

from qmpx.errors import CommandError
from qmpx.gateway.policy import Decision, Named
from qmpx.gateway.policy.host_paths import is_within
from qmpx.gateway.policy.named import HEADER_SIZE, has_data_file
from qmpx.gateway.policy.reach import FILE_DRIVERS
from qmpx.gateway.policy.telling import MALFORMED
from qmpx.gateway.upstreams.upstream import Upstream
from qmpx.monitor.deferred import Deferred

LOOK_TIMEOUT: Final = 5.0
"""Seconds for a look: a disk that takes longer is stuck, and the command is refused."""

MAX_LOOKING: Final = 4
"""Threads of a process that look: a look at a disk that answers takes microseconds."""

_QUESTION: Final = b'{"flat":true}'
_pool: Final = ThreadPoolExecutor(MAX_LOOKING, "qmpx-eyes")


class Eyes:
    """Looks for one shared monitor.

    Args:
        upstream: The monitor, which is asked which files its block nodes have.
    """

    __slots__ = ("_upstream",)

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def look(self, named: Named, directories: Sequence[str]) -> Deferred:
        """Return what will be decided: ``None``, or a refusal.

        Args:
            named: What is named.
            directories: Where files may lie.
        """
        answer = Deferred()
        loop = asyncio.get_running_loop()
        late = refused("they could not be looked at in time")
        timer = loop.call_later(LOOK_TIMEOUT, answer.set_result, late)

        def settle(fault: str) -> None:
            timer.cancel()
            answer.set_result(refused(fault) if fault else None)

        def seen(done: "Future[str]") -> None:
            loop.call_soon_threadsafe(settle, done.result())

        def look_at(images: Sequence[str]) -> None:
            asked = _pool.submit(fault_of_seen, named.files, images, directories)
            asked.add_done_callback(seen)

        def told(reply: Deferred) -> None:
            if reply.exception() is not None:
                settle("the monitor did not say which files its nodes have")
                return
            try:
                found = files_of(reply.result(), named.nodes)
            except MALFORMED:
                found = "what the monitor said of its nodes is not understood"
            if isinstance(found, str):
                settle(found)
            else:
                look_at([*named.images, *found])

        if not named.nodes:
            look_at(named.images)
            return answer
        try:
            reply = self._upstream.ask("query-named-block-nodes", _QUESTION)
        except CommandError as error:
            settle(str(error))
        else:
            reply.add_done_callback(told)
        return answer


def refused(fault: str) -> Decision:
    """Return the refusal of a command whose files were looked at."""
    return Decision("deny", "files of the host", fault)


def files_of(told: bytes, names: Sequence[str]) -> list[str] | str:
    """Return the files of some block nodes, or why they are not known.

    A node must be a file itself. Another has the name of the file below it, but may
    show what lies within: to what a guest has written on a qcow2 disk QEMU gives the
    name of that disk's image (observed on QEMU 7.2).

    Args:
        told: What ``query-named-block-nodes`` returned.
        names: Of the nodes.
    """
    nodes: Any = msgspec.json.decode(told)
    known = {node["node-name"]: node for node in nodes}
    found = []
    for name in names:
        node = known.get(name)
        if node is None or not node["file"].startswith("/"):
            return f"the file of the node {name[:40]!r} is not known"
        file: str = node["file"]
        if node["drv"] not in FILE_DRIVERS:
            what = f"the node {name[:40]!r} is no file"
            return f"{what}: what lies in it cannot be looked at"
        found.append(file)
    return found


def fault_of_seen(
    files: Sequence[str], images: Sequence[str], directories: Sequence[str]
) -> str:
    """Look at files; say what is wrong, empty if nothing is. It may take long.

    Args:
        files: Those that must lie in the directories, wherever links lead.
        images: Those that are read as qcow2.
        directories: Where files may lie.
    """
    allowed = [os.path.realpath(directory) for directory in directories]
    for path in files:
        real = os.path.realpath(path)
        if not any(is_within(real, directory) for directory in allowed):
            return f"{path[:80]!r} is a link that leads out of the role's directories"
    for path in images:
        try:
            header = _header_of(path)
        except FileNotFoundError:
            continue  # QEMU will say so
        except OSError as error:
            return f"{path[:80]!r} cannot be looked at: {error.strerror}"
        if has_data_file(header):
            return f"the header of {path[:80]!r} names a data file"
    return ""


def _header_of(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return os.pread(fd, HEADER_SIZE, 0)
    finally:
        os.close(fd)
