"""The drivers of block nodes, by QEMU's names."""

from typing import Any, Final, Protocol

from qmpx.machine.block import opening
from qmpx.machine.block.file_nodes import FileNode, HostDeviceNode
from qmpx.machine.block.filter_nodes import (
    CopyOnReadNode,
    DebugNode,
    RawNode,
    ThrottleNode,
)
from qmpx.machine.block.nodes import Node
from qmpx.machine.block.null_nodes import NullAsyncNode, NullNode


class _Maker(Protocol):
    def __call__(
        self, name: str, options: dict[str, Any], *, read_only: bool = False
    ) -> Node: ...


FILES: Final[dict[str, type[FileNode]]] = {
    "file": FileNode,
    "host_device": HostDeviceNode,
}
"""Drivers that open a file of the host."""

PROTOCOLS: Final[dict[str, _Maker]] = {
    **FILES,
    "null-co": NullNode,
    "null-aio": NullAsyncNode,
}
"""Drivers that stand on nothing."""

FILTERS: Final[dict[str, _Maker]] = {
    "raw": RawNode,
    "throttle": ThrottleNode,
    "copy-on-read": CopyOnReadNode,
    "blkdebug": DebugNode,
}
"""Drivers that show what is below them."""

WRITABLE: Final = frozenset({"qcow2"})
"""Formats whose images can be written."""

FORMATS: Final = frozenset(opening.FORMATS) - {"raw", "file", "host_device", "cow"}
"""Formats of images."""

DRIVERS: Final = frozenset({*PROTOCOLS, *FILTERS, *FORMATS, "nbd"})
"""All drivers."""
