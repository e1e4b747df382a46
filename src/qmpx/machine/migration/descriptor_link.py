"""What links over a descriptor of the kernel's have in common: they send what it takes.

What it does not take at once waits in a queue, and goes when the event loop says that
it takes more.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from qmpx.machine.migration.links import LinkOwner


class DescriptorLink:
    """A link over a descriptor, on the running event loop."""

    end: ClassVar[str]
    """What is said when nothing more comes."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner: LinkOwner | None = None
        self._out: deque[memoryview] = deque()
        self._unsent = 0
        self._is_open = False
        self._is_finishing = False

    # what each kind of link does

    def _fileno(self) -> int:
        """Return the descriptor; -1 if it is closed."""
        raise NotImplementedError

    def _put(self, data: memoryview) -> int:
        """Let the kernel have data; return how many bytes it took."""
        raise NotImplementedError

    def _take(self) -> bytes:
        """Return what came; nothing at the end."""
        raise NotImplementedError

    # what all do

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken, or that were lost when it closed."""
        return self._unsent

    def write(self, data: bytes) -> None:
        """Send *data* behind what was written before."""
        if self._owner is None:
            return
        self._out.append(memoryview(data))
        self._unsent += len(data)
        if self._is_open and len(self._out) == 1:
            try:
                self._send()
            except OSError as error:  # its owner is told later, not while it writes
                self._loop.call_soon(self._break, str(error.strerror))
                return
            if self._out:
                self._loop.add_writer(self._fileno(), self._writable)

    def _send(self) -> None:
        while self._out:
            data = self._out[0]
            try:
                sent = self._put(data)
            except (BlockingIOError, InterruptedError):
                return
            self._unsent -= sent
            if sent == len(data):
                self._out.popleft()
            else:
                self._out[0] = data[sent:]

    def _writable(self) -> None:
        owner = self._owner
        if owner is None:
            return
        try:
            self._send()
        except OSError as error:
            self._break(str(error.strerror))
            return
        if self._out:
            return
        self._loop.remove_writer(self._fileno())
        if self._is_finishing:
            self._end()
        else:
            owner.link_drained()

    def _readable(self) -> None:
        owner = self._owner
        if owner is None:
            return
        try:
            data = self._take()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._break(str(error.strerror))
            return
        if data:
            owner.link_received(data)
        else:
            self._break(self.end)

    def finish(self) -> None:
        """Write no more; the owner is told when the kernel has taken all."""
        self._is_finishing = True
        if not self._out:
            self._loop.call_soon(self._end)

    def _end(self) -> None:
        owner = self._owner
        self.close()
        if owner is not None:
            owner.link_finished()

    def _break(self, reason: str) -> None:
        owner = self._owner
        self.close()
        if owner is not None:
            owner.link_broken(reason)

    def close(self) -> None:
        """Close it at once; what is not sent by then is lost."""
        self._owner = None
        self._out.clear()
