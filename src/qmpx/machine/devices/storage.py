"""IDE and SCSI: which unit or target of a bus a disk is."""

from typing import Final

from qmpx.machine.devices.device import ANY, Bus, Device, Refusal

IDE_UNITS: Final = 2
"""Drives on an IDE bus: master and slave."""

SCSI_TARGETS: Final = 7
"""Disks on a SCSI bus: eight targets, one of which is the controller itself."""


class IdeBus(Bus):
    """An IDE bus.

    Attributes:
        units: The drives on it.
    """

    def prepare(self) -> None:
        """Begin with an empty bus."""
        self.units: dict[int, Device] = {}

    def admit(self, device: Device) -> None:
        """Make a drive the master, or the slave if there is a master."""
        unit = device.values["unit"]
        if unit == ANY:
            unit = 1 if 0 in self.units else 0
        if unit >= IDE_UNITS:
            message = f"Invalid IDE unit {unit}"
            raise Refusal(message)
        if unit in self.units:
            message = f"IDE unit {unit} is in use"
            raise Refusal(message)
        device.values["unit"] = unit
        self.units[unit] = device

    def dismiss(self, device: Device) -> None:
        """Free the unit."""
        if self.units.get(device.values["unit"]) is device:
            del self.units[device.values["unit"]]

    def place(self, device: Device) -> str:
        """Return the unit."""
        return str(device.values["unit"])


class ScsiBus(Bus):
    """A SCSI bus.

    Attributes:
        targets: The disks on it.
    """

    def prepare(self) -> None:
        """Begin with an empty bus."""
        self.targets: dict[int, Device] = {}

    def admit(self, device: Device) -> None:
        """Give a disk the target it asks for, or the first that is free."""
        target = device.values["scsi-id"]
        if target == ANY:
            free = range(SCSI_TARGETS)
            target = next((at for at in free if at not in self.targets), SCSI_TARGETS)
        if target >= SCSI_TARGETS:
            message = f"bad scsi device id: {target}"
            raise Refusal(message)
        if target in self.targets:
            message = f"scsi device id {target} is in use"
            raise Refusal(message)
        device.values["scsi-id"] = target
        self.targets[target] = device

    def dismiss(self, device: Device) -> None:
        """Free the target."""
        if self.targets.get(device.values["scsi-id"]) is device:
            del self.targets[device.values["scsi-id"]]

    def place(self, device: Device) -> str:
        """Return the target."""
        return str(device.values["scsi-id"])
