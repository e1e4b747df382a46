"""What commands return and events carry, as types: names, members and values of QEMU's.

Members that QEMU has and this machine never sends are not here: introspection tells
what a client may really see.

Source: QEMU 7.2, schema files ``block-core.json``, ``char.json``, ``machine.json``,
``misc.json``, ``run-state.json``, ``ui.json`` and ``yank.json``.
"""

from typing import Annotated, Any, NotRequired, TypedDict

from qmpx.machine import RunState
from qmpx.machine.hardware.watchdog import WatchdogAction
from qmpx.qapi import Described, Size, Values

Architecture = Annotated[str, Values("x86_64")]
Status = Annotated[str, Values(*(state.value for state in RunState))]

# Block devices.

BlockDeviceIoStatus = Annotated[str, Values("ok", "failed", "nospace")]
DetectZeroes = Annotated[str, Values("off", "on", "unmap")]

BlockdevCacheInfo = TypedDict(
    "BlockdevCacheInfo", {"writeback": bool, "direct": bool, "no-flush": bool}
)

SnapshotInfo = TypedDict(
    "SnapshotInfo",
    {
        "id": str,
        "name": str,
        "vm-state-size": int,
        "date-sec": int,
        "date-nsec": int,
        "vm-clock-sec": int,
        "vm-clock-nsec": int,
    },
)

ImageInfo = TypedDict(
    "ImageInfo",
    {
        "filename": str,
        "format": str,
        "dirty-flag": NotRequired[bool],
        "actual-size": NotRequired[int],
        "virtual-size": int,
        "cluster-size": NotRequired[int],
        "encrypted": NotRequired[bool],
        "backing-filename": NotRequired[str],
        "full-backing-filename": NotRequired[str],
        "backing-filename-format": NotRequired[str],
        "snapshots": NotRequired[list[SnapshotInfo]],
        "backing-image": NotRequired["ImageInfo"],
        "format-specific": NotRequired[
            Annotated[Any, Described("ImageInfoSpecific", {"qcow2", "vmdk"})]
        ],
    },
)

BlockDeviceInfo = TypedDict(
    "BlockDeviceInfo",
    {
        "file": str,
        "node-name": NotRequired[str],
        "ro": bool,
        "drv": str,
        "backing_file": NotRequired[str],
        "backing_file_depth": int,
        "encrypted": bool,
        "detect_zeroes": DetectZeroes,
        "bps": int,
        "bps_rd": int,
        "bps_wr": int,
        "iops": int,
        "iops_rd": int,
        "iops_wr": int,
        "image": ImageInfo,
        "cache": BlockdevCacheInfo,
        "write_threshold": int,
        "group": NotRequired[str],
        "iops_size": NotRequired[int],
        "bps_max": NotRequired[int],
        "bps_max_length": NotRequired[int],
        "bps_rd_max": NotRequired[int],
        "bps_rd_max_length": NotRequired[int],
        "bps_wr_max": NotRequired[int],
        "bps_wr_max_length": NotRequired[int],
        "iops_max": NotRequired[int],
        "iops_max_length": NotRequired[int],
        "iops_rd_max": NotRequired[int],
        "iops_rd_max_length": NotRequired[int],
        "iops_wr_max": NotRequired[int],
        "iops_wr_max_length": NotRequired[int],
        "dirty-bitmaps": NotRequired[list["BlockDirtyInfo"]],
    },
)


class BlockDirtyInfo(TypedDict):
    """A dirty bitmap."""

    name: NotRequired[str]
    count: int
    granularity: int
    recording: bool
    busy: bool
    persistent: bool
    inconsistent: NotRequired[bool]


BlockInfo = TypedDict(
    "BlockInfo",
    {
        "device": str,
        "qdev": NotRequired[str],
        "type": str,
        "removable": bool,
        "locked": bool,
        "inserted": NotRequired[BlockDeviceInfo],
        "tray_open": NotRequired[bool],
        "io-status": NotRequired[BlockDeviceIoStatus],
    },
)

# Monitors, descriptors, versions.

ChardevInfo = TypedDict(
    "ChardevInfo", {"label": str, "filename": str, "frontend-open": bool}
)

AddfdInfo = TypedDict("AddfdInfo", {"fdset-id": int, "fd": int})


class FdsetFdInfo(TypedDict):
    """A descriptor in a set."""

    fd: int
    opaque: NotRequired[str]


FdsetInfo = TypedDict("FdsetInfo", {"fdset-id": int, "fds": list[FdsetFdInfo]})


class VersionTriple(TypedDict):
    """A version, in three numbers."""

    major: int
    minor: int
    micro: int


class VersionInfo(TypedDict):
    """A version, and what its package is called."""

    qemu: VersionTriple
    package: str


# The machine.


class UuidInfo(TypedDict):
    """The machine's UUID."""

    UUID: str


class KvmInfo(TypedDict):
    """Whether KVM is used, and whether there is any."""

    enabled: bool
    present: bool


class TargetInfo(TypedDict):
    """The architecture."""

    arch: Architecture


class BalloonInfo(TypedDict):
    """The memory that the guest has, in bytes."""

    actual: int


MemoryInfo = TypedDict(
    "MemoryInfo", {"base-memory": Size, "plugged-memory": NotRequired[Size]}
)

CpuInstanceProperties = TypedDict(
    "CpuInstanceProperties",
    {
        "node-id": NotRequired[int],
        "socket-id": NotRequired[int],
        "die-id": NotRequired[int],
        "core-id": NotRequired[int],
        "thread-id": NotRequired[int],
    },
)

CpuInfoFast = TypedDict(
    "CpuInfoFast",
    {
        "cpu-index": int,
        "qom-path": str,
        "thread-id": int,
        "props": NotRequired[CpuInstanceProperties],
        "target": Architecture,
    },
)

IOThreadInfo = TypedDict(
    "IOThreadInfo",
    {
        "id": str,
        "thread-id": int,
        "poll-max-ns": int,
        "poll-grow": int,
        "poll-shrink": int,
        "aio-max-batch": int,
    },
)

# The display.


class MouseInfo(TypedDict):
    """A pointing device."""

    name: str
    index: int
    current: bool
    absolute: bool


AddressFamily = Annotated[str, Values("ipv4", "ipv6", "unix", "vsock", "unknown")]
VncAuth = Annotated[str, Values("none", "vnc")]


class VncBasicInfo(TypedDict):
    """An end of a VNC connection."""

    host: str
    service: str
    family: AddressFamily
    websocket: bool


class VncServerInfo2(VncBasicInfo):
    """Where a VNC server listens."""

    auth: VncAuth


class VncServerInfo(VncBasicInfo):
    """The server's end of a VNC connection."""

    auth: NotRequired[str]


class VncInfo(TypedDict):
    """The VNC server, if there is one."""

    enabled: bool
    host: NotRequired[str]
    family: NotRequired[AddressFamily]
    service: NotRequired[str]
    auth: NotRequired[str]
    clients: NotRequired[list[VncBasicInfo]]


class VncInfo2(TypedDict):
    """A VNC server."""

    id: str
    server: list[VncServerInfo2]
    clients: list[VncBasicInfo]
    auth: VncAuth


# The data of events.

ShutdownCause = Annotated[
    str,
    Values(
        "none",
        "host-error",
        "host-qmp-quit",
        "host-qmp-system-reset",
        "host-signal",
        "host-ui",
        "guest-shutdown",
        "guest-reset",
        "guest-panic",
        "subsystem-reset",
        "snapshot-load",
    ),
]


class Cause(TypedDict):
    """Whether the guest did it, and why it was done."""

    guest: bool
    reason: ShutdownCause


TrayMove = TypedDict("TrayMove", {"device": str, "id": str, "tray-open": bool})


class IOErrorReport(TypedDict):
    """What went wrong with a drive, and what was done about it."""

    device: str
    operation: Annotated[str, Values("read", "write")]
    action: Annotated[str, Values("ignore", "report", "stop")]
    nospace: NotRequired[bool]
    reason: str


ClockChange = TypedDict("ClockChange", {"offset": int, "qom-path": str})


class WatchdogExpiry(TypedDict):
    """What follows."""

    action: WatchdogAction


class DumpQueryResult(TypedDict):
    """How far a dump of the memory is."""

    status: Annotated[str, Values("none", "active", "completed", "failed")]
    completed: int
    total: int


class DumpCompletion(TypedDict):
    """How a dump of the memory went."""

    result: DumpQueryResult
    error: NotRequired[str]


class GuestPanic(TypedDict):
    """What follows."""

    action: Annotated[str, Values("pause", "poweroff", "run")]


class PortChange(TypedDict):
    """A port that a program of the guest has opened or closed."""

    id: str
    open: bool


class DeletedDevice(TypedDict):
    """The device that is gone."""

    device: NotRequired[str]
    path: str


MemoryResize = TypedDict(
    "MemoryResize", {"id": NotRequired[str], "size": Size, "qom-path": str}
)


class VncConnection(TypedDict):
    """Both ends of a VNC connection."""

    server: VncServerInfo
    client: VncBasicInfo


AcpiOstInfo = TypedDict(
    "AcpiOstInfo",
    {
        "device": NotRequired[str],
        "slot": str,
        "slot-type": Annotated[str, Values("DIMM", "CPU")],
        "source": int,
        "status": int,
    },
)


class SlotReport(TypedDict):
    """The guest has said something of a slot."""

    info: AcpiOstInfo
