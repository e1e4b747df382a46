"""The memory balloon: how much of its memory a guest is to give back, and has.

The host sets a target and can do no more: a guest with a driver moves towards it, one
without never does.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import DeviceNotActive, KVMMissingCap
from qmpx.machine.happenings import BalloonChanged

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine

MODEL: Final = "virtio-balloon-pci"
"""The name of the model in the device tree that makes it work."""

_PAGE: Final[int] = 4096  # what a guest gives back, it gives back in these


@dataclass(slots=True)
class Accelerator:
    """What runs the guest's code, in place of an emulator.

    Attributes:
        is_present: Whether the host has KVM.
        is_enabled: Whether it is used.
        has_synchronous_mmu: Whether it notices when memory is taken from a guest.
    """

    is_present: bool = False
    is_enabled: bool = False
    has_synchronous_mmu: bool = True


class Balloon:
    """The balloon of a machine; it works while the device is plugged in.

    Args:
        machine: Whose memory it is.

    Attributes:
        target: Bytes that the guest is to have.
        actual: Bytes that it has.
    """

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine
        self.target = self.actual = machine.memory_size

    def check(self) -> None:
        """Look whether it works.

        Raises:
            KVMMissingCap: KVM would not notice what the guest gives back.
            DeviceNotActive: There is no such device.
        """
        accelerator = self._machine.accelerator
        if accelerator.is_enabled and not accelerator.has_synchronous_mmu:
            raise KVMMissingCap(capability="synchronous MMU", feature="balloon")
        if not self._machine.devices.has(MODEL):
            raise DeviceNotActive(device="balloon")

    def set_target(self, size: int) -> None:
        """Ask the guest to give memory back, or to take it.

        Args:
            size: Bytes that it is to have. More than there are means all; so does less
                than none, as in QEMU 0.13. Zero, which no guest could do with, changes
                nothing.

        Raises:
            KVMMissingCap: KVM would not notice what the guest gives back.
            DeviceNotActive: There is no such device.
        """
        self.check()
        if size == 0:
            return
        everything = self._machine.memory_size
        wanted = size if 0 < size < everything else everything
        self.target = everything - (everything - wanted) // _PAGE * _PAGE
        self._machine.guest.asked_for_memory(self.target)

    def settle(self, size: int) -> None:
        """Take note that the guest has come to another size.

        Args:
            size: Bytes that it has now.
        """
        size = min(max(0, size), self._machine.memory_size)
        if size != self.actual:
            self.actual = size
            self._machine.tell(BalloonChanged(size))

    def reset(self) -> None:
        """Let all memory be the guest's again: it begins anew."""
        self.actual = self._machine.memory_size

    def state(self) -> dict[str, Any]:
        """Return its state."""
        return {"target": self.target, "actual": self.actual}

    def restore(self, state: dict[str, Any]) -> None:
        """Take on a state that `state` returned."""
        self.target = state["target"]
        self.actual = state["actual"]
