"""A drive: its medium, its tray and its lock; what it reads and writes."""

import contextlib
import enum
import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from qmpx.errors import (
    DeviceLocked,
    DeviceNotRemovable,
    GenericError,
    OpenFileFailed,
)
from qmpx.machine.happenings import BlockIOError, TrayMoved
from qmpx.machine.medium import Medium, MediumKey

if TYPE_CHECKING:  # formats are only loaded for machines that have real images
    from qmpx.machine.block.image import Image
    from qmpx.machine.block.storage import Statistics

SECTOR: Final[int] = 512
"""Bytes that a guest counts in."""

Operation = Literal["read", "write"]


class Policy(enum.StrEnum):
    """What is done when the host cannot do what a guest asks of a drive."""

    REPORT = "report"
    IGNORE = "ignore"
    STOP = "stop"
    ENOSPC = "enospc"
    """Stop if there is no room, else report."""


class Interface(enum.StrEnum):
    """What a drive is connected by."""

    IDE = "ide"
    SCSI = "scsi"
    FLOPPY = "floppy"
    VIRTIO = "virtio"
    SD = "sd"
    MTD = "mtd"
    PFLASH = "pflash"
    NONE = "none"


class Kind(enum.StrEnum):
    """What a drive is to its users."""

    DISK = "hd"
    CDROM = "cdrom"
    FLOPPY = "floppy"


class Drive:
    """A block device of the machine.

    Args:
        device: The name of its back end, such as ``ide1-cd0``.
        id: The device's path or id in the machine.
        medium: What is in it.
        removable: Whether the medium can be taken out.
        has_tray: Whether there is a tray.
        tell: Told when the tray moves, and of errors.

    Attributes:
        is_locked: Whether the guest holds the medium.
        is_tray_open: Where the tray is.
        wants_eject: Whether the guest was asked to let go of the medium.
        interface: What it is connected by.
        bus: The number of its bus.
        unit: Its place on the bus.
        kind: What it is to its users.
        is_read_only: Whether media in it are read only; what the last one was.
        key: What is known of the medium's key.
        serial: The serial number that the guest sees; may be empty.
        on_read_error: What is done if the host cannot read.
        on_write_error: What is done if the host cannot write.
        io_status: ``ok``, or why the machine was stopped last: ``failed``, ``nospace``;
            empty if that is not kept any more.
        statistics: What the guest has read and written, since the drive is there.
        shares_writes: Whether others may write to what is in it.
        writes_through: Whether each write reaches the host's disk before the guest
            hears of it; ``None`` if its device does not say.
        histograms: The boundaries of times by which requests are counted, by kind.
    """

    def __init__(
        self,
        device: str,
        *,
        id: str,  # noqa: A002 - its name in QEMU
        medium: Medium | None = None,
        removable: bool = False,
        has_tray: bool = False,
        tell: Callable[[TrayMoved | BlockIOError], None],
    ) -> None:
        self.device = device
        self.id = id
        self.medium = medium
        self.removable = removable
        self.has_tray = has_tray
        self.is_locked = False
        self.histograms: dict[str, list[int]] = {}
        self.shares_writes = False
        self.writes_through: bool | None = None
        self.is_tray_open = False
        self.wants_eject = False
        self.interface = Interface.NONE
        self.bus = 0
        self.unit = 0
        self.kind = Kind.CDROM if has_tray else Kind.DISK
        self.is_read_only = has_tray if medium is None else medium.read_only
        self.serial = ""
        self.on_read_error = Policy.REPORT
        self.on_write_error = Policy.ENOSPC
        self.io_status = "ok"
        self._statistics: Statistics | None = None
        self.key = MediumKey(device)
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
        self._drop()

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
        self._take(medium)

    def eject_2010(self, *, force: bool = False) -> None:
        """Take the medium out as QEMU 0.13 did: with *force* out of any drive.

        Raises:
            DeviceNotRemovable: The medium is built in.
            DeviceLocked: The guest has locked the tray.
        """
        if not force:
            if not self.removable:
                raise DeviceNotRemovable(device=self.device)
            if self.is_locked:
                raise DeviceLocked(device=self.device)
        self._move_tray(is_open=True)
        self._drop()

    def change(self, filename: str, format_: str | None = None) -> None:
        """Take the medium out, put another one in, and close the tray.

        Args:
            filename: Of the image.
            format_: Of the image; ``None`` to find it out.

        Raises:
            DeviceNotRemovable: The medium is built in.
            DeviceLocked: The guest has locked the tray.
            OpenFileFailed: The image cannot be opened; the drive is empty now.
        """
        self.eject_2010()
        self.open_file(filename, format_, read_only=self.is_read_only)
        self._move_tray(is_open=False)

    def open_file(
        self,
        filename: str,
        format_: str | None = None,
        *,
        read_only: bool = False,
        is_temporary: bool = False,
        node_name: str = "",
    ) -> Medium:
        """Let an image file be the medium, wherever the tray is; return it.

        Args:
            filename: Of the image.
            format_: Of the image; ``None`` to find it out.
            read_only: Whether the guest can't write it.
            is_temporary: Whether what the guest writes is lost when the image is
                closed; `commit` keeps it.
            node_name: Of the block node that stands for it.

        Raises:
            OpenFileFailed: The image cannot be opened.
        """
        from qmpx.machine.block import opening  # most machines have no files

        try:
            if is_temporary:
                image = opening.open_overlay(filename, format=format_)
            else:
                image = opening.open_image(
                    filename, format=format_, read_only=read_only
                )
        except OSError as error:
            raise OpenFileFailed(filename=filename) from error
        medium = Medium(
            image.filename, image.format, image.size, read_only, node_name, image
        )
        self._drop()
        self._take(medium)
        return medium

    def take(self, medium: Medium | None) -> None:
        """Let something else be the medium, or nothing, wherever the tray is."""
        self._drop()
        if medium is not None:
            self._take(medium)

    def close(self) -> None:
        """Close the image file, as when the drive is unplugged."""
        self._drop()

    @property
    def image(self) -> "Image | None":
        """The real image in the drive, or ``None``."""
        return None if self.medium is None else self.medium.image

    @property
    def statistics(self) -> "Statistics":
        """What the guest has read and written, since the drive is there."""
        if self._statistics is None:
            from qmpx.machine.block.storage import Statistics

            self._statistics = Statistics()
        return self._statistics

    @property
    def sectors(self) -> int:
        """Sectors of the medium; 0 if there is none."""
        return 0 if self.medium is None else self.medium.size // SECTOR

    def read(self, sector: int, count: int) -> bytes:
        """Read for the guest.

        Args:
            sector: The first one.
            count: How many.

        Raises:
            OSError: They cannot be read; see `on_error`.
        """
        self.statistics.count_read(count * SECTOR)
        return self._image().read(sector * SECTOR, count * SECTOR)

    def write(self, sector: int, data: bytes) -> None:
        """Write for the guest.

        Args:
            sector: The first one.
            data: Whole sectors.

        Raises:
            OSError: They cannot be written; see `on_error`.
        """
        self.statistics.count_write(sector * SECTOR, len(data))
        self._image().write(sector * SECTOR, data)

    def flush(self) -> None:
        """Let the host write down what the guest has written.

        Raises:
            OSError: It could not.
        """
        if (image := self.image) is not None and not image.read_only:
            image.flush()

    def on_error(self, operation: Operation, error: OSError) -> Policy:
        """Return what is to be done about an error: report, ignore or stop.

        The device then tells with `tell_error`: after the guest knows of a reported
        error, before anything else is done about another.
        """
        is_read = operation == "read"
        policy = self.on_read_error if is_read else self.on_write_error
        if policy is Policy.ENOSPC:
            return Policy.STOP if error.errno == errno.ENOSPC else Policy.REPORT
        return policy

    def tell_error(self, operation: Operation, error: OSError, action: Policy) -> None:
        """Tell that an error happened, and what is done about it."""
        is_full = error.errno == errno.ENOSPC
        if action is Policy.STOP:
            self.io_status = "nospace" if is_full else "failed"
        reason = error.strerror or str(error)
        told = BlockIOError(self.device, operation, action.value, reason, is_full)
        self._tell(told)

    def resize(self, size: int) -> None:
        """Change the size of the medium.

        Args:
            size: In bytes.

        Raises:
            GenericError: There is none, or the image cannot have that size.
        """
        if self.medium is None:
            message = f"Device '{self.device}' has no medium"
            raise GenericError(message)
        if (image := self.medium.image) is not None:
            try:
                image.resize(size)
            except OSError as error:
                raise GenericError(error.strerror or str(error)) from error
        self.medium.size = size

    def commit(self) -> None:
        """Write what the image has of its own into the image behind it.

        Raises:
            OSError: There is no image, none behind it, or one cannot do it.
        """
        from qmpx.machine.block import opening

        opening.commit(self._image())

    def _image(self) -> "Image":
        if (image := self.image) is None:
            raise OSError(errno.ENOMEDIUM, os.strerror(errno.ENOMEDIUM), self.device)
        return image

    def _take(self, medium: Medium) -> None:
        self.medium = medium
        self.is_read_only = medium.read_only
        self.key.take(medium)

    def _drop(self) -> None:
        """Close the medium; whether it was encrypted and read only stays known."""
        if (image := self.image) is not None:
            if not image.read_only:
                with contextlib.suppress(OSError):  # nobody is left to be told
                    image.flush()
            image.close()
        self.medium = None

    def _move_tray(self, *, is_open: bool) -> None:
        if self.has_tray and self.is_tray_open is not is_open:
            self.is_tray_open = is_open
            self._tell(TrayMoved(self.device, self.id, is_open))
