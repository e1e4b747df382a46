"""The pointing devices of the machine, and where they point.

Source: QEMU 0.13. A device that was chosen with `choose` is listed first from then on;
indices are never used twice.
"""

from typing import Any, Final

from qmpx.errors import GenericError
from qmpx.machine.values import Value

PS2_MOUSE: Final = "QEMU PS/2 Mouse"
"""The mouse that a PC has."""
FULL_SCALE: Final[int] = 0x7FFF
"""Where the right and the lower edge of the screen are for an absolute device."""
MAX_WHEEL: Final = 1_000_000
"""Notches of the wheel that are counted, up or down: nobody scrolls that far."""


class Mouse(Value, frozen=True):
    """A pointing device.

    Attributes:
        index: Its number, for `Pointers.choose`.
        name: Such as ``QEMU USB Tablet``.
        is_absolute: Whether it tells places, not movements.
    """

    index: int
    name: str
    is_absolute: bool


class Pointers:
    """The pointing devices, the chosen one first.

    Args:
        has_ps2: Whether there is a PS/2 mouse, which has index 0, and behind it a
            keyboard; without them the next device has the keyboard's, -1.

    Attributes:
        mice: The devices.
        x: Where it points, 0 (left) to `FULL_SCALE`.
        y: Where it points, 0 (top) to `FULL_SCALE`.
        wheel: How far the wheel was turned, in notches.
        buttons: A bit for each button that is down: 1 left, 2 middle, 4 right.
    """

    def __init__(self, *, has_ps2: bool = True) -> None:
        self.mice: list[Mouse] = []
        self.x = self.y = (FULL_SCALE + 1) // 2
        self.wheel = 0
        self.buttons = 0
        self._next_index = 0 if has_ps2 else -1
        if has_ps2:
            self.add(PS2_MOUSE, is_absolute=False)

    @property
    def current(self) -> Mouse | None:
        """The device that movements go to, if there is any."""
        return self.mice[0] if self.mice else None

    def add(self, name: str, *, is_absolute: bool) -> Mouse:
        """Plug in a device, and return it; the chosen one stays chosen."""
        mouse = Mouse(self._next_index, name, is_absolute)
        self._next_index += 1
        self.mice.append(mouse)
        return mouse

    def remove(self, mouse: Mouse) -> None:
        """Unplug a device; nothing happens if it is not there."""
        if mouse in self.mice:
            self.mice.remove(mouse)

    def choose(self, index: int) -> None:
        """Let a device have the movements from now on.

        Raises:
            GenericError: There is none of that index, or none at all.
        """
        if not self.mice:
            message = "No mouse devices connected"
            raise GenericError(message)
        for mouse in self.mice:
            if mouse.index == index:
                self.mice.remove(mouse)
                self.mice.insert(0, mouse)
                return
        message = "Mouse at given index not found"
        raise GenericError(message)

    def move(self, dx: int, dy: int, dz: int = 0) -> None:
        """Move the chosen device; without one nothing moves.

        Args:
            dx: To the right; for an absolute device the place, up to `FULL_SCALE`.
            dy: Down, likewise.
            dz: The wheel, in notches.
        """
        if self.current is None:
            return
        if self.current.is_absolute:
            self.point(dx, dy)
        else:
            # A pixel of the 640 that relative devices are made for.
            self.point(self.x + dx * FULL_SCALE // 640, self.y + dy * FULL_SCALE // 640)
        self.turn(dz)

    def point(self, x: int, y: int) -> None:
        """Point at a place; what is outside the screen is its edge."""
        self.x = min(max(x, 0), FULL_SCALE)
        self.y = min(max(y, 0), FULL_SCALE)

    def turn(self, notches: int) -> None:
        """Turn the wheel: towards the user if *notches* is above 0."""
        self.wheel = min(max(self.wheel + notches, -MAX_WHEEL), MAX_WHEEL)

    def hold(self, buttons: int) -> None:
        """Press these buttons, and let the others go."""
        self.buttons = buttons & 0xFF

    def state(self) -> dict[str, Any]:
        """Return where it points; the devices are the device tree's."""
        return {"x": self.x, "y": self.y, "wheel": self.wheel, "buttons": self.buttons}

    def restore(self, state: dict[str, Any]) -> None:
        """Take on a state that `state` returned."""
        self.point(state["x"], state["y"])
        self.wheel = state["wheel"]
        self.hold(state["buttons"])
