"""The writes of a guest that goes on while it is moved."""

from typing import TYPE_CHECKING

from qmpx.machine.memory import PAGE_SIZE

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine


class GuestWrites:
    """Lets a guest write page after page, as fast as it does.

    Args:
        machine: The machine that it is in.
    """

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine
        self._next_page = 0  # that the guest writes
        self._written = 0.0  # of a page that it has begun to write

    def go_on(self, seconds: float) -> None:
        """Count the pages as written that the guest writes in *seconds* of running."""
        guest, memory = self._machine.guest, self._machine.memory
        pages = min(guest.working_set or memory.size, memory.size) // PAGE_SIZE
        self._written += guest.dirty_rate * seconds / PAGE_SIZE
        count = min(int(self._written), pages)
        self._written -= int(self._written)
        while count > 0:
            part = min(count, pages - self._next_page)
            memory.touch(self._next_page, part)
            self._next_page = (self._next_page + part) % pages
            count -= part
