"""The virtio devices, as a guest finds that has not looked at them yet.

Source: QEMU 7.2.22, schema file ``virtio.json``, observed.
"""

from dataclasses import dataclass
from typing import Annotated, Final, NoReturn, NotRequired, TypedDict

from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.qom.objects import QomObject
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Described

commands = CommandRegistry(reads_late=True)

MAX_QUEUES: Final = 1024
"""Queues that a device can have: QEMU's figure."""


@dataclass(frozen=True, slots=True)
class VirtioKind:
    """What each device of a kind has.

    Attributes:
        number: The kind's number in the specification.
        queues: The sizes of its queues; of the last there may be several.
        features: Its features, apart from those of each virtio device.
        unknown: The bits of its features that have no name here.
    """

    number: int
    queues: tuple[int, ...]
    features: tuple[str, ...] = ()
    unknown: int = 0x10000000000


_MORE: Final = 0x10040000000
_VHOST: Final = "VHOST_USER_F_PROTOCOL_FEATURES"

KINDS: Final = {
    "virtio-net": VirtioKind(
        1,
        (256, 256, 64),
        (
            *(_VHOST, "VIRTIO_NET_F_GSO", "VIRTIO_NET_F_CTRL_MAC_ADDR"),
            *("VIRTIO_NET_F_GUEST_ANNOUNCE", "VIRTIO_NET_F_CTRL_RX_EXTRA"),
            *("VIRTIO_NET_F_CTRL_VLAN", "VIRTIO_NET_F_CTRL_RX"),
            *("VIRTIO_NET_F_CTRL_VQ", "VIRTIO_NET_F_STATUS"),
            *("VIRTIO_NET_F_MRG_RXBUF", "VIRTIO_NET_F_MAC"),
            "VIRTIO_NET_F_CTRL_GUEST_OFFLOADS",
        ),
    ),
    "virtio-blk": VirtioKind(
        2,
        (256,),
        (
            *(_VHOST, "VIRTIO_BLK_F_CONFIG_WCE", "VIRTIO_BLK_F_FLUSH"),
            *("VIRTIO_BLK_F_WRITE_ZEROES", "VIRTIO_BLK_F_DISCARD"),
            *("VIRTIO_BLK_F_TOPOLOGY", "VIRTIO_BLK_F_BLK_SIZE"),
            *("VIRTIO_BLK_F_GEOMETRY", "VIRTIO_BLK_F_SEG_MAX"),
        ),
    ),
    "virtio-serial": VirtioKind(
        3,
        (128, 128, 32, 32, *(128,) * 60),
        ("VIRTIO_CONSOLE_F_EMERG_WRITE", "VIRTIO_CONSOLE_F_MULTIPORT"),
        _MORE,
    ),
    "virtio-rng": VirtioKind(4, (8,), (_VHOST,)),
    "virtio-balloon": VirtioKind(
        5,
        (128, 128, 128),
        ("VIRTIO_BALLOON_F_PAGE_POISON", "VIRTIO_BALLOON_F_STATS_VQ"),
        _MORE,
    ),
    "virtio-scsi": VirtioKind(
        8,
        (256, 256, 256),
        (_VHOST, "VIRTIO_SCSI_F_CHANGE", "VIRTIO_SCSI_F_HOTPLUG"),
    ),
    "virtio-9p": VirtioKind(9, (128,), (), _MORE | 1),
    "virtio-gpu": VirtioKind(16, (64, 16), (_VHOST, "VIRTIO_GPU_F_EDID")),
    "virtio-input": VirtioKind(18, (64, 64), (_VHOST,)),
    "virtio-crypto": VirtioKind(20, (1024, 1024), (), _MORE),
    "virtio-iommu": VirtioKind(23, (256, 8), (), _MORE),
    "virtio-mem": VirtioKind(24, (128,), (), _MORE | 1),
    "virtio-pmem": VirtioKind(27, (128,), (), _MORE),
}
"""The kinds of virtio devices, as a guest finds them that has done nothing yet."""

_OTHER: Final = VirtioKind(0, (128,))
_EACH_HAS: Final = (
    "VIRTIO_RING_F_EVENT_IDX",
    "VIRTIO_RING_F_INDIRECT_DESC",
    "VIRTIO_F_VERSION_1",
    "VIRTIO_F_ANY_LAYOUT",
    "VIRTIO_F_NOTIFY_ON_EMPTY",
)
_PER_PROCESSOR: Final = {"virtio-blk": "num-queues", "virtio-scsi": "num_queues"}
_INPUTS: Final = ("virtio-keyboard", "virtio-mouse", "virtio-tablet")


class VirtioDeviceStatus(TypedDict):
    """How far a driver is."""

    statuses: list[str]


VirtioDeviceFeatures = TypedDict(
    "VirtioDeviceFeatures",
    {
        "transports": list[str],
        "dev-features": NotRequired[list[str]],
        "unknown-dev-features": NotRequired[int],
    },
)
VirtioStatus = TypedDict(
    "VirtioStatus",
    {
        "name": str,
        "device-id": int,
        "vhost-started": bool,
        "device-endian": str,
        "guest-features": VirtioDeviceFeatures,
        "host-features": VirtioDeviceFeatures,
        "backend-features": VirtioDeviceFeatures,
        "num-vqs": int,
        "status": VirtioDeviceStatus,
        "isr": int,
        "queue-sel": int,
        "vm-running": bool,
        "broken": bool,
        "disabled": bool,
        "use-started": bool,
        "started": bool,
        "start-on-kick": bool,
        "disable-legacy-check": bool,
        "bus-name": str,
        "use-guest-notifier-mask": bool,
    },
)


class VirtioInfo(TypedDict):
    """A virtio device."""

    path: str
    name: str


VirtQueueStatus = TypedDict(
    "VirtQueueStatus",
    {
        "name": str,
        "queue-index": int,
        "inuse": int,
        "vring-num": int,
        "vring-num-default": int,
        "vring-align": int,
        "vring-desc": int,
        "vring-avail": int,
        "vring-used": int,
        "used-idx": int,
        "signalled-used": int,
        "signalled-used-valid": bool,
        "last-avail-idx": int,
        "shadow-avail-idx": int,
    },
)


def _name(shown: QomObject) -> str:
    name = shown.type.removesuffix("-device")
    return "virtio-input" if name in _INPUTS else name


def _devices(machine: Machine) -> list[QomObject]:
    """Return the virtio devices, the latest first."""
    found: list[QomObject] = []
    for device in machine.qom.devices:
        worker = device.object.children.get("virtio-backend")
        if worker is not None:
            found.append(worker)
    return found


@commands.command("x-query-virtio", features=("unstable",))
def query_virtio(machine: Machine) -> list[VirtioInfo]:
    """Tell what virtio devices there are."""
    return [{"path": each.path, "name": _name(each)} for each in _devices(machine)]


def _find(machine: Machine, path: str, what: str = "VirtIODevice") -> QomObject:
    """Return a virtio device.

    Raises:
        GenericError: There is none of that path.
    """
    for each in _devices(machine):
        if each.path == path:
            return each
    message = f"Path {path} is not a {what}"
    raise GenericError(message)


def _queues(shown: QomObject) -> tuple[int, ...]:
    """Return the sizes of a device's queues."""
    name = _name(shown)
    sizes = KINDS.get(name, _OTHER).queues
    more = _PER_PROCESSOR.get(name)
    if more is not None and shown.has(more):
        count = shown.get(more)
        if isinstance(count, int) and 1 < count <= MAX_QUEUES:
            sizes = (*sizes, *sizes[-1:] * (count - 1))
    return sizes


def _features(names: tuple[str, ...]) -> list[str]:
    """Return features as they are told: a name, and words."""
    return [
        f"{name}: {name.partition('_F_')[2].replace('_', ' ').lower()}"
        for name in names
    ]


@commands.command("x-query-virtio-status", features=("unstable",))
def query_virtio_status(machine: Machine, *, path: str) -> VirtioStatus:
    """Tell the state of a device whose driver has done nothing yet."""
    shown = _find(machine, path)
    kind = KINDS.get(_name(shown), _OTHER)
    nothing: VirtioDeviceFeatures = {"transports": [], "dev-features": []}
    return {
        "name": _name(shown),
        "device-id": kind.number,
        "vhost-started": False,
        "device-endian": "little",
        "guest-features": nothing,
        "host-features": {
            "transports": _features(_EACH_HAS),
            "dev-features": _features(kind.features),
            "unknown-dev-features": kind.unknown,
        },
        "backend-features": nothing,
        "num-vqs": len(_queues(shown)),
        "status": {"statuses": []},
        "isr": 0,
        "queue-sel": 0,
        "vm-running": machine.state.is_running,
        "broken": False,
        "disabled": False,
        "use-started": True,
        "started": False,
        "start-on-kick": False,
        "disable-legacy-check": False,
        "bus-name": "",
        "use-guest-notifier-mask": True,
    }


def _queue(
    machine: Machine, path: str, queue: int, what: str = "VirtIODevice"
) -> tuple[str, int]:
    """Return a device's name and the size of a queue of it.

    Raises:
        GenericError: There is no such device or queue.
    """
    shown = _find(machine, path, what)
    name, sizes = _name(shown), _queues(shown)
    if not 0 <= queue < len(sizes):
        message = f"Invalid virtqueue number {queue}"
        raise GenericError(message)
    return name, sizes[queue]


@commands.command("x-query-virtio-queue-status", features=("unstable",))
def query_virtio_queue_status(
    machine: Machine, *, path: str, queue: Annotated[int, Described("uint16")]
) -> VirtQueueStatus:
    """Tell the state of a queue that no driver has set up."""
    name, size = _queue(machine, path, queue)
    return {
        "name": name,
        "queue-index": queue,
        "inuse": 0,
        "vring-num": size,
        "vring-num-default": size,
        "vring-align": 4096,
        "vring-desc": 0,
        "vring-avail": 0,
        "vring-used": 0,
        "used-idx": 0,
        "signalled-used": 0,
        "signalled-used-valid": False,
        "last-avail-idx": 0,
        "shadow-avail-idx": 0,
    }


@commands.command("x-query-virtio-vhost-queue-status", features=("unstable",))
def query_virtio_vhost_queue_status(
    machine: Machine,
    *,
    path: str,
    queue: Annotated[int, Described("uint16")],  # noqa: ARG001
) -> NoReturn:
    """Refuse: no queue is served by vhost."""
    _find(machine, path)
    message = "Error: vhost device has not started yet"
    raise GenericError(message)


@commands.command("x-query-virtio-queue-element", features=("unstable",))
def query_virtio_queue_element(
    machine: Machine,
    *,
    path: str,
    queue: Annotated[int, Described("uint16")],
    index: Annotated[int, Described("uint16")] | None = None,  # noqa: ARG001
) -> NoReturn:
    """Refuse: no driver has set the queues up."""
    _queue(machine, path, queue, "VirtIO device")
    message = "Region caches not initialized"
    raise GenericError(message)
