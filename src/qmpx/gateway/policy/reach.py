"""What the arguments of a role's commands may reach. Pure."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from qmpx.gateway.policy.host_paths import fault_of
from qmpx.gateway.policy.named import Named

FILE_MEMBERS: Final = frozenset(
    {
        "backing-file",
        "config",
        "dir",
        "downscript",
        "filename",
        "firmware",
        "helper",
        "in",
        "logfile",
        "mem-path",
        "mountpoint",
        "out",
        "path",
        "romfile",
        "script",
        "server-key",
        "smb",
        "snapshot-file",
        "sysfsdev",
        "target-file",
        "tftp",
        "vhostdev",
    }
)
"""Members whose values name files of the host, wherever QEMU has them."""


FILE_DRIVERS: Final = frozenset({"file", "host_device", "host_cdrom"})
"""Block drivers that open a file of the host, which ``filename`` names."""


class Reach(Struct, frozen=True):
    """What arguments may name.

    Attributes:
        directories: Where files of the host may lie.
        lines: Whole lines for the human monitor.
        drivers: Block drivers beside those that stay on this host and within files.
        object_types: Types of objects beside those that are harmless.
        takes_descriptors: Whether descriptors may be handed over.
        host_files: ``here``: files are looked at before they are used; ``unknown``:
            they cannot be, so nothing may be opened that may name more; ``trusted``:
            they are what their names say.
        named: Notes what is to be looked at.
    """

    directories: tuple[str, ...] = ()
    lines: frozenset[str] = frozenset()
    drivers: frozenset[str] = frozenset()
    object_types: frozenset[str] = frozenset()
    takes_descriptors: bool = False
    host_files: Literal["here", "unknown", "trusted"] = "unknown"
    named: Named | None = None

    def fault_of_file(self, path: object) -> str:
        """Say why a file's name is out of reach; empty if it is not."""
        fault = fault_of(path, self.directories)
        if not fault and self.named is not None and isinstance(path, str):
            self.named.files.append(path)
        return fault

    def fault_of_header(self, child: object) -> str:
        """Say why an image must not be opened whose header may name a file.

        Args:
            child: The node below the format: its name, or its options.
        """
        if self.host_files == "trusted":
            return ""
        if self.host_files == "unknown":
            return (
                "its header may name a data-file, and is not known here: the role says "
                'neither host-files = "here" nor "trusted"'
            )
        path = member(child, "filename")
        named = Named() if self.named is None else self.named
        if isinstance(child, str):
            named.nodes.append(child)
        elif isinstance(path, str) and member(child, "driver") in FILE_DRIVERS:
            named.images.append(path)
        else:
            return "its header cannot be looked at: file must be a file, or a node"
        return ""

    def fault_of_files(self, value: object, name: str = "") -> str:
        """Say which file within a value is out of reach; empty if none is.

        A string is taken for a file's name if its member is called like one, or if it
        looks like one.
        """
        if isinstance(value, Mapping):
            faults = (self.fault_of_files(each, key) for key, each in value.items())
        elif isinstance(value, list):
            faults = (self.fault_of_files(each, name) for each in value)
        elif isinstance(value, str) and (name in FILE_MEMBERS or _looks_so(value)):
            fault = self.fault_of_file(value)
            return f"{name}: {fault}" if fault else ""
        else:
            return ""
        return next(filter(None, faults), "")


def _looks_so(value: str) -> bool:
    return value.startswith(("/", "json:", "file:", "./", "../")) or "://" in value


def member(value: Any, name: str) -> Any:
    """Return a member of an object, ``None`` if there is none or it is no object."""
    return value.get(name) if isinstance(value, Mapping) else None
