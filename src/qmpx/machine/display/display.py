"""The display of a machine: screen, keyboard, pointers, and who looks from elsewhere.

Made when it is first asked for. Nothing is drawn until somebody looks, and then again
each second, for the clock, as long as somebody waits for a change.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from qmpx.machine.display.console import Console
from qmpx.machine.display.keys import Keyboard, parse_keys
from qmpx.machine.display.pictures import save
from qmpx.machine.display.pointers import Pointers
from qmpx.machine.display.screen import Screen
from qmpx.machine.display.vnc import VncServer

if TYPE_CHECKING:
    from qmpx.machine.clock import Timer
    from qmpx.machine.happenings import Happening
    from qmpx.machine.machine import Machine

_SECOND: Final = 1_000_000  # microseconds; then the clock on the screen moves


class Display:
    """What there is to see, to type on and to point with.

    Args:
        machine: Whose it is.

    Attributes:
        screen: What there is to see.
        keyboard: What there is to type on.
        pointers: What there is to point with.
        console: What is on the screen.
        vnc: Who looks from elsewhere.
    """

    def __init__(self, machine: "Machine") -> None:
        self.screen = Screen()
        self.keyboard = Keyboard(
            machine.clock, self._tell_guest, self._type, self._changed
        )
        self.pointers = Pointers(has_ps2=machine.has_ps2)
        self.console = Console(machine, self.screen, self.keyboard, self.pointers)
        self.vnc = VncServer(
            machine, self.screen, self.keyboard, self.pointers, self._changed
        )
        self._machine = machine
        self._is_due = False
        self._tick: Timer | None = None
        machine.listen(self._happened)

    def draw(self) -> None:
        """Bring the screen up to date."""
        viewers = [viewer.name["host"] for viewer in self.vnc.viewers]
        self.console.draw(viewers, self.vnc.address)

    def dump(self, filename: str, image_format: str = "ppm") -> None:
        """Write what there is to see to a file.

        Args:
            filename: Where to; what is there is replaced.
            image_format: ``ppm`` or ``png``.

        Raises:
            GenericError: There is no such format.
            OSError: The file could not be written.
        """
        self.draw()
        save(self.screen, filename, image_format, self._machine.files)

    def send_keys(self, keys: str, hold: int | None = None) -> None:
        """Press keys together, and let them go later.

        Args:
            keys: Their names, joined by hyphens.
            hold: For how long, in milliseconds; 100 unless told.

        Raises:
            GenericError: A name is unknown, or there are too many.
        """
        self.keyboard.send(parse_keys(keys), hold)

    def move_pointer(self, dx: int, dy: int, dz: int = 0) -> None:
        """Move the pointing device; see `Pointers.move`."""
        self.pointers.move(dx, dy, dz)
        self._changed()

    def point(self, *, x: int | None = None, y: int | None = None) -> None:
        """Point at a place, on one axis or both; see `Pointers.point`."""
        pointers = self.pointers
        pointers.point(pointers.x if x is None else x, pointers.y if y is None else y)
        self._changed()

    def hold_buttons(self, buttons: int) -> None:
        """Press buttons of the pointing device, and let the others go."""
        self.pointers.hold(buttons)
        self._changed()

    async def start_vnc(self, target: str) -> None:
        """Serve VNC there: see `VncServer.open`.

        Raises:
            VNCServerFailed: It cannot.
        """
        self.vnc.open(target)

    def resize(self, columns: int, rows: int) -> None:
        """Give the screen another size, in letters.

        Raises:
            ValueError: It cannot have that.
        """
        self.screen.resize(columns, rows)
        self._changed()

    def close(self) -> None:
        """Send all viewers away, and listen for no more."""
        self.keyboard.release_all()
        self.vnc.close()
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def reset(self) -> None:
        """Be as after power on, but for who looks: nothing was typed."""
        self.console.clear()
        self.keyboard.reset()
        self._changed()

    def state(self) -> dict[str, Any]:
        """Return what moves with the machine; viewers do not."""
        return {
            "columns": self.screen.columns,
            "rows": self.screen.rows,
            "console": self.console.state(),
            "keyboard": self.keyboard.state(),
            "pointers": self.pointers.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take on a state that `state` returned.

        Raises:
            ValueError: The screen cannot have its size.
        """
        size = (state["columns"], state["rows"])
        if size != (self.screen.columns, self.screen.rows):
            self.screen.resize(*size)
        self.console.restore(state["console"])
        self.keyboard.restore(state["keyboard"])
        self.pointers.restore(state["pointers"])
        self._changed()

    def _tell_guest(self, code: int) -> None:
        self._machine.chipset.keyboard.put(code)

    def _type(self, text: str) -> None:
        if text:
            self.console.type(text)

    def _happened(self, _: "Happening") -> None:
        self._changed()

    def _changed(self) -> None:
        """Show what there is to those who wait for it, once for all that is new."""
        if not self._is_due and self._is_awaited:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._show)

    @property
    def _is_awaited(self) -> bool:
        return any(viewer.session.updates.is_awaited for viewer in self.vnc.viewers)

    def _show(self) -> None:
        self._is_due = False
        self.draw()
        for viewer in list(self.vnc.viewers):
            viewer.show()
        if self._tick is None and self._is_awaited:
            clock = self._machine.clock
            rest = _SECOND - clock.microseconds() % _SECOND
            self._tick = clock.call_later(rest / _SECOND, self._next_second)

    def _next_second(self) -> None:
        self._tick = None
        self._changed()
