"""What is in a drive, and the key that it needs if it is encrypted.

The medium may be a real image file (`Medium.image`); then guest data can be read and
written. It need not be: a `Medium` without one has a name and a size, and no data.
"""

from typing import TYPE_CHECKING

from qmpx.errors import DeviceNotEncrypted, InvalidPassword
from qmpx.machine.values import Changeable

if TYPE_CHECKING:  # formats are only loaded for machines that have real images
    from qmpx.machine.block.image import Image


class Medium(Changeable):
    """What is in a drive.

    Attributes:
        file: The file name of the image.
        format: Of the image, such as ``raw``.
        size: In bytes.
        read_only: Whether it can't be written.
        node_name: Of the block node that stands for it.
        image: The real image; ``None`` if there are no data.
    """

    file: str
    format: str = "raw"
    size: int = 0
    read_only: bool = False
    node_name: str = ""
    image: "Image | None" = None

    @property
    def backing_file(self) -> str | None:
        """The name of the file behind the image, as the image has it."""
        return None if self.image is None else self.image.backing_file

    @property
    def is_encrypted(self) -> bool:
        """Whether the image itself, or what is behind it, is encrypted."""
        image = self.image
        while image is not None and not image.is_encrypted:
            image = image.backing
        return image is not None


class MediumKey:
    """What a drive knows of the key of its medium; it survives that, as in 0.13.

    Args:
        device: The name of the drive's back end, for errors.

    Attributes:
        is_lacking: Whether the machine must not run until the drive has its key.
        file: The name of the file that a key is for, or was; empty if there is none.
    """

    def __init__(self, device: str) -> None:
        self.is_lacking = False
        self.file = ""
        self._device = device
        self._is_needed = False

    def take(self, medium: Medium) -> None:
        """Learn what a new medium needs."""
        image = medium.image
        self._is_needed = medium.is_encrypted
        behind = None if image is None else image.backing
        if behind is not None and behind.is_encrypted:
            self.file = medium.backing_file or ""
        else:
            self.file = medium.file if medium.is_encrypted else ""
        self.is_lacking = image is not None and image.lacks_key

    def give(self, image: "Image | None", password: str) -> None:
        """Take the key of the medium; any will do, as nothing can check it.

        Args:
            image: The image that is in the drive now.
            password: The key.

        Raises:
            DeviceNotEncrypted: The medium is not encrypted; nor was the last one, if
                the drive is empty.
            InvalidPassword: There is no medium, or it takes no such key.
        """
        if not self._is_needed:
            raise DeviceNotEncrypted(device=self._device)
        if image is None:
            raise InvalidPassword
        encrypted = list["Image"]()
        while image is not None:
            if image.is_encrypted:
                encrypted.append(image)
            image = image.backing
        try:
            for each in reversed(encrypted):
                each.set_key(password)
        except OSError as error:
            raise InvalidPassword from error
        self.is_lacking = False
