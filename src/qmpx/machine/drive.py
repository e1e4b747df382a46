"""A drive: its medium, its tray and its lock."""

from collections.abc import Callable
from dataclasses import dataclass

from qmpx.errors import DeviceLocked, DeviceNotRemovable, GenericError
from qmpx.machine.happenings import TrayMoved


@dataclass(slots=True)
class Medium:
    """What is in a drive.

    Attributes:
        file: The file name of the image.
        format: Of the image, such as ``raw``.
        size: In bytes.
        read_only: Whether it can't be written.
        node_name: Of the block node that stands for it.
    """

    file: str
    format: str = "raw"
    size: int = 0
    read_only: bool = False
    node_name: str = ""


class Drive:
    """A block device of the machine.

    Args:
        device: The name of its back end, such as ``ide1-cd0``.
        id: The device's path or id in the machine.
        medium: What is in it.
        removable: Whether the medium can be taken out.
        has_tray: Whether there is a tray.
        tell: Told when the tray moves.

    Attributes:
        is_locked: Whether the guest holds the medium.
        is_tray_open: Where the tray is.
    """

    def __init__(
        self,
        device: str,
        *,
        id: str,  # noqa: A002 - its name in QEMU
        medium: Medium | None = None,
        removable: bool = False,
        has_tray: bool = False,
        tell: Callable[[TrayMoved], None],
    ) -> None:
        self.device = device
        self.id = id
        self.medium = medium
        self.removable = removable
        self.has_tray = has_tray
        self.is_locked = False
        self.is_tray_open = False
        self.wants_eject = False
        self._tell = tell

    def eject(self, *, force: bool = False) -> None:
        """Open the tray and take the medium out.

        Args:
            force: Whether to pay no heed to the guest's lock.

        Raises:
            DeviceNotRemovable: The medium is built in.
            DeviceLocked: The guest has locked the tray; it has been asked to let go.
        """
        self.open_tray(force=force)
        self.medium = None

    def open_tray(self, *, force: bool = False) -> None:
        """Open the tray; nothing happens if it is open or if there is none.

        Raises:
            DeviceNotRemovable: The medium is built in.
            DeviceLocked: The guest has locked the tray; it has been asked to let go.
        """
        if not self.removable:
            raise DeviceNotRemovable(device=self.device)
        if self.is_locked and not self.is_tray_open and not force:
            self.wants_eject = True
            raise DeviceLocked(device=self.device)
        self._move_tray(is_open=True)

    def close_tray(self) -> None:
        """Close the tray; nothing happens if it is closed or if there is none.

        Raises:
            DeviceNotRemovable: The medium is built in.
        """
        if not self.removable:
            raise DeviceNotRemovable(device=self.device)
        self._move_tray(is_open=False)

    def insert(self, medium: Medium) -> None:
        """Put a medium into the open tray.

        Raises:
            DeviceNotRemovable: The medium is built in.
            GenericError: The tray is closed, or not empty.
        """
        if not self.removable:
            raise DeviceNotRemovable(device=self.device)
        if self.has_tray and not self.is_tray_open:
            message = f"Tray of device '{self.id}' is not open"
            raise GenericError(message)
        if self.medium is not None:
            message = f"There already is a medium in device '{self.id}'"
            raise GenericError(message)
        self.medium = medium

    def _move_tray(self, *, is_open: bool) -> None:
        if self.has_tray and self.is_tray_open is not is_open:
            self.is_tray_open = is_open
            self._tell(TrayMoved(self.device, self.id, is_open))
