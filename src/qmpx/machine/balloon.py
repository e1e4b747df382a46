"""The memory balloon: how much of its memory a guest is to give back, and has.

The host sets a target and can do no more: a guest with a driver moves towards it, one
without never does.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import CommandError, DeviceNotActive, GenericError, KVMMissingCap
from qmpx.machine.happenings import (
    BalloonChanged,
    DeviceUnplugged,
    Exited,
    Happening,
    ShutDown,
)
from qmpx.machine.values import Value

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine

MODEL: Final = "virtio-balloon-pci"
MODELS: Final = (
    MODEL,
    "virtio-balloon-pci-transitional",
    "virtio-balloon-pci-non-transitional",
)
"""The device by its names today."""

"""The name of the model in the device tree that makes it work."""

_PAGE: Final[int] = 4096  # what a guest gives back, it gives back in these


class Accelerator(Value, frozen=True):
    """What runs the guest's code, in place of an emulator.

    Attributes:
        is_present: Whether the host has KVM.
        is_enabled: Whether it is used.
        translates: Whether the guest's code is translated if KVM is not used.
        has_synchronous_mmu: Whether it notices when memory is taken from a guest.
    """

    is_present: bool = False
    is_enabled: bool = False
    translates: bool = True
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
        # What the guest has given back stays that when memory is plugged in.
        self._wanted = self._given = 0
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def _everything(self) -> int:
        """Bytes of memory, those of modules that were plugged in among them."""
        machine = self._machine
        if "qom" not in machine.__dict__:
            return machine.memory_size
        from qmpx.machine.qom.memory_devices import size_of_modules

        return machine.memory_size + size_of_modules(machine)

    @property
    def target(self) -> int:
        """Bytes that the guest is to have."""
        return self._everything - self._wanted

    @target.setter
    def target(self, size: int) -> None:
        self._wanted = self._everything - size

    @property
    def actual(self) -> int:
        """Bytes that it has."""
        return self._everything - self._given

    @actual.setter
    def actual(self, size: int) -> None:
        self._given = self._everything - size

    def check(self) -> None:
        """Look whether it works.

        Raises:
            KVMMissingCap: KVM would not notice what the guest gives back.
            DeviceNotActive: There is no such device.
        """
        accelerator = self._machine.accelerator
        if accelerator.is_enabled and not accelerator.has_synchronous_mmu:
            raise KVMMissingCap(capability="synchronous MMU", feature="balloon")
        if not self._is_plugged_in:
            raise DeviceNotActive(device="balloon")

    @property
    def _is_plugged_in(self) -> bool:
        machine = self._machine
        if "qom" in vars(machine) and any(map(machine.qom.has, MODELS)):
            return True
        # A machine has one tree of devices or the other; a look would make the other.
        if "qom" in vars(machine) and "devices" not in vars(machine):
            return False
        return machine.devices.has(MODEL)

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
        everything = self._everything
        wanted = size if 0 < size < everything else everything
        target = everything - (everything - wanted) // _PAGE * _PAGE
        if target != self.target:
            self.target = target
            self._end_waiting(GenericError("another size was asked for meanwhile"))
        self._machine.guest.asked_for_memory(target)

    async def wait(self) -> None:
        """Wait until the guest has the size that it was last asked for.

        That may be never. Cancelling is safe, and changes nothing; several may wait.

        Raises:
            GenericError: Another size was asked for meanwhile, or the machine is off.
            DeviceNotActive: The device has gone meanwhile.
        """
        if self.actual == self.target:
            return
        if not self._waiting:
            self._machine.listen(self._look)
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            await future
        finally:
            if future in self._waiting:  # it was cancelled
                self._waiting.remove(future)
                if not self._waiting:
                    self._machine.unlisten(self._look)

    def _look(self, happening: Happening) -> None:
        if isinstance(happening, BalloonChanged) and self.actual == self.target:
            self._end_waiting()
        elif isinstance(happening, ShutDown | Exited):
            self._end_waiting(GenericError("the machine is off"))
        elif isinstance(happening, DeviceUnplugged) and not self._is_plugged_in:
            self._end_waiting(DeviceNotActive(device="balloon"))

    def _end_waiting(self, error: CommandError | None = None) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        self._machine.unlisten(self._look)
        for future in waiting:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

    def settle(self, size: int) -> None:
        """Take note that the guest has come to another size.

        Args:
            size: Bytes that it has now.
        """
        size = min(max(0, size), self._everything)
        if size != self.actual:
            self.actual = size
            self._machine.tell(BalloonChanged(size))

    def reset(self) -> None:
        """Let all memory be the guest's again: it begins anew."""
        self._given = 0

    def state(self) -> dict[str, Any]:
        """Return its state."""
        return {"target": self.target, "actual": self.actual}

    def restore(self, state: dict[str, Any]) -> None:
        """Take on a state that `state` returned."""
        self.target = state["target"]
        self.actual = state["actual"]
