"""Nodes that hold nothing: ``null-co`` and ``null-aio``."""

from typing import Final

from qmpx.machine.block.nodes import Node, Status
from qmpx.machine.block.raw import round_up

NULL_SIZE: Final = 1 << 30
"""Bytes of a null node, if nothing is said: QEMU's figure."""


class NullNode(Node):
    """Nothing: reads zeros, forgets what is written."""

    driver = "null-co"

    @property
    def size(self) -> int:
        """Bytes, as its options say, in whole sectors."""
        return round_up(int(self.options.get("size", NULL_SIZE)))

    @property
    def filename(self) -> str:
        """``null-co://``, or its options."""
        told = self.own_options()
        return f"{self.driver}://" if len(told) == 1 else super().filename

    def status(self, offset: int) -> tuple[Status, int]:
        """Tell that there are data, or zeros if it was told to read as such."""
        is_zero = self.options.get("read-zeroes") in (True, "on")
        return ("zero" if is_zero else "data"), max(1, self.size - offset)

    def flush(self) -> None:
        """Do nothing."""

    def _read(self, offset: int, size: int) -> bytes:  # noqa: ARG002 - all is zero
        return bytes(size)

    def _write(self, offset: int, data: bytes | memoryview) -> None:
        """Forget it."""


class NullAsyncNode(NullNode):
    """The same under the name of QEMU's other interface."""

    driver = "null-aio"
