"""The drives of a machine: how they come and go, and how they are found."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from qmpx.errors import DeviceEncrypted, DeviceNotFound, DuplicateId
from qmpx.machine.drive import Drive, Interface, Kind
from qmpx.machine.medium import Medium

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine


class Drives(dict[str, Drive]):
    """The drives of a machine, by the names of their back ends.

    Args:
        machine: The machine.
    """

    def __init__(self, machine: "Machine") -> None:
        super().__init__()
        self._machine = machine

    def add(
        self,
        device: str,
        *,
        id: str,  # noqa: A002 - its name in QEMU
        medium: Medium | None = None,
        removable: bool = False,
        has_tray: bool = False,
    ) -> Drive:
        """Plug in a drive, and return it."""
        drive = Drive(
            device,
            id=id,
            medium=medium,
            removable=removable,
            has_tray=has_tray,
            tell=self._machine.tell,
        )
        self[device] = drive
        return drive

    def plug(
        self,
        options: Mapping[str, str],
        *,
        interface: Interface = Interface.IDE,
        units: Mapping[Interface, int] | None = None,
    ) -> Drive | None:
        """Plug in a drive as ``-drive`` does; return it.

        Args:
            options: What ``-drive`` has, by name: ``file``, ``if``, ``media``, ...
            interface: What it is connected by if the options do not tell.
            units: How many there are on one bus; those of a PC of 2010 unless given.

        Returns:
            The drive; ``None`` if there is one at that place, which then stays.

        Raises:
            ValueError: The options make no sense; the message tells why.
            DuplicateId: There is a drive of that name.
            OpenFileFailed: The image cannot be opened.
        """
        from qmpx.machine.block.drives import UNITS, plan  # most machines have none
        from qmpx.machine.block.opening import FORMATS

        taken = {(d.interface, d.bus, d.unit) for d in self.values()}
        planned = plan(
            options,
            taken,
            interface=interface,
            formats=FORMATS,
            units=units or UNITS,
        )
        if planned is None:
            return None
        if planned.name in self:
            raise DuplicateId(id=planned.name, object="drive")
        is_disk = planned.kind is Kind.DISK
        drive = Drive(
            planned.name,
            id=planned.name,
            removable=not is_disk or planned.interface is Interface.SD,
            has_tray=planned.kind is Kind.CDROM,
            tell=self._machine.tell,
        )
        drive.interface, drive.kind = planned.interface, planned.kind
        drive.bus, drive.unit = planned.bus, planned.unit
        drive.serial = planned.serial
        drive.on_read_error = planned.on_read_error
        drive.on_write_error = planned.on_write_error
        if planned.file:
            drive.open_file(
                planned.file,
                planned.format,
                read_only=planned.read_only,
                is_temporary=planned.is_temporary,
            )
        self[planned.name] = drive
        if "chipset" in self._machine.__dict__:
            self._machine.chipset.disks.reset()  # which then find it
        if planned.file and is_disk:
            _ = self._machine.boot
        return drive

    def unplug(self, name: str) -> None:
        """Take a drive out of the machine, and close its image.

        Raises:
            DeviceNotFound: There is none of that name.
        """
        drive = self.pop(name, None)
        if drive is None:
            raise DeviceNotFound(device=name)
        drive.close()

    def require_keys(self) -> None:
        """Make sure that all encrypted drives have their keys.

        Raises:
            DeviceEncrypted: The first that lacks it.
        """
        for drive in self.values():
            if drive.key.is_lacking:
                raise DeviceEncrypted(device=drive.device)

    def find(self, name: str) -> Drive:
        """Return a drive by the name of its back end or its id.

        Raises:
            DeviceNotFound: There is none.
        """
        for drive in self.values():
            if name in (drive.device, drive.id):
                return drive
        raise DeviceNotFound(device=name)
