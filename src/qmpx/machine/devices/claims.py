"""What the properties of a device have taken: drives, back ends, character devices."""

from typing import TYPE_CHECKING, Any

from qmpx.machine.devices.properties import InUse, NoSuchThing

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine


class Claims:
    """What one device holds; nothing else can have it meanwhile.

    Args:
        machine: Where the things are.
        taken: The drives that devices of this machine hold; shared by all devices.
    """

    __slots__ = ("_characters", "_drives", "_machine", "_taken")

    def __init__(self, machine: "Machine", taken: set[str]) -> None:
        self._machine = machine
        self._taken = taken
        self._drives: list[str] = []
        self._characters: list[str] = []

    @property
    def drives(self) -> tuple[str, ...]:
        """The names of the drives that are held."""
        return tuple(self._drives)

    def claim(self, kind: str, name: str) -> Any:
        """Take something, as `qmpx.machine.devices.properties.Surroundings` tells.

        A network back end is taken only when the adapter is made; a vlan never is.
        """
        return getattr(self, f"_claim_{kind}")(name)

    def release(self) -> None:
        """Give everything back."""
        self._taken.difference_update(self._drives)
        self._drives.clear()
        for name in self._characters:
            self._machine.characters.release(name)
        self._characters.clear()

    def _claim_drive(self, name: str) -> str:
        if name not in self._machine.drives:
            raise NoSuchThing(name)
        if name in self._taken:
            raise InUse(name)
        self._taken.add(name)
        self._drives.append(name)
        return name

    def _claim_netdev(self, name: str) -> str:
        back_end = self._machine.network.back_end(name)
        if back_end is None:
            raise NoSuchThing(name)
        if back_end.peer is not None:
            raise InUse(name)
        return name

    def _claim_vlan(self, name: str) -> int:
        number = int(name)
        self._machine.network.vlan(number)
        return number

    def _claim_chr(self, name: str) -> str:
        if name not in self._machine.characters:
            raise NoSuchThing(name)
        if not self._machine.characters.take(name):
            raise InUse(name)
        self._characters.append(name)
        return name
