"""What belongs to one listener of a monitor, and outlives its connections.

Source: QEMU, where a monitor is the front end of one character device: the descriptors
that it was given and the processor that it looks at are its own.
"""

import enum

from qmpx.monitor.descriptors import NamedDescriptors
from qmpx.monitor.recall import FormatMemory, History


class Mode(enum.Enum):
    """For whom a listener is; the values are those of QEMU's ``-mon mode=``."""

    CONTROL = "control"
    READLINE = "readline"


class Frontend:
    """A listener's own state.

    Args:
        mode: For programs (QMP) or for people.

    Attributes:
        mode: The same.
        label: Its name among the character devices, such as ``compat_monitor0``.
        named: The descriptors that it was given, by name.
        processor: The index of the virtual processor that its commands refer to.
        history: The lines that people typed.
        formats: How they had values shown last.
    """

    def __init__(self, mode: Mode = Mode.CONTROL, label: str = "") -> None:
        self.mode = mode
        self.label = label
        self.named = NamedDescriptors()
        self.processor = 0
        self.history = History()
        self.formats = FormatMemory()

    def close(self) -> None:
        """Let go of the descriptors."""
        self.named.close()
