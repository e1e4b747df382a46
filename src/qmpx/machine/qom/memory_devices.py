"""Memory that can be plugged in: modules, and what virtio has of them.

Source of rules and errors: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import GenericError
from qmpx.machine.happenings import MemoryDeviceResized
from qmpx.machine.objects import MemoryBackend

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine
    from qmpx.machine.qom.buses import Device

ALIGNMENT: Final = 2 * 2**20
"""Bytes to which memory that is plugged in is aligned: a large page."""

ABOVE_4G: Final = 2**32
"""Where memory begins that does not fit below the PCI hole."""

LOW_MEMORY: Final = {"q35": 0x80000000, "pc": 0xC0000000}
"""Bytes of RAM below 4 GiB, at most, by board."""

_MODULES: Final = ("pc-dimm", "nvdimm")
_VIRTIO: Final = ("virtio-mem-pci", "virtio-pmem-pci")
_PCS: Final = ("pc-", "isapc")


def is_memory(device: "Device") -> bool:
    """Whether a device brings memory with it."""
    return device.object.type in (*_MODULES, *_VIRTIO)


def of(machine: "Machine") -> list["Device"]:
    """Return the memory devices, by their addresses."""
    found = [device for device in machine.qom.devices if is_memory(device)]
    return sorted(found, key=lambda device: _address(device))


def plugged_size(machine: "Machine") -> int:
    """Return how many bytes were plugged in; nothing is built for that."""
    if not machine.qom.has_devices:
        return 0
    return sum(device.value("size") or 0 for device in of(machine))


def size_of_modules(machine: "Machine") -> int:
    """Return how much of what was plugged in is RAM that a balloon may take."""
    if not machine.qom.has_devices:
        return 0
    modules = (each for each in of(machine) if each.object.type == "pc-dimm")
    return sum(device.value("size") or 0 for device in modules)


def _address(device: "Device") -> int:
    name = "memaddr" if device.object.type in _VIRTIO else "addr"
    return int(device.values.get(name) or 0)


def backend_of(machine: "Machine", device: "Device") -> MemoryBackend:
    """Return the memory that a device shows to the guest.

    Raises:
        GenericError: It has none, or another device has it.
    """
    path = device.values.get("memdev")
    name = "" if path is None else path.rpartition("/")[2]
    backend = machine.objects.get(name)
    if not isinstance(backend, MemoryBackend):
        message = "'memdev' property must be set"
        raise GenericError(message)
    return backend


def _claim(machine: "Machine", device: "Device") -> MemoryBackend:
    backend = backend_of(machine, device)
    name = device.values["memdev"].rpartition("/")[2]
    if backend.users:
        message = f"can't use already busy memdev: {name}"
        raise GenericError(message)
    backend.users.append(device.object.path)
    device.release.append(backend.users.clear)
    return backend


def plug(machine: "Machine", device: "Device") -> None:
    """Give a memory module its slot and its address; other devices are left alone.

    Raises:
        GenericError: There is no room for it.
    """
    if device.object.type not in _MODULES:
        return
    tree = machine.qom
    if not tree.board.startswith(_PCS):
        message = f"Device '{device.object.type}' can not be hotplugged on this machine"
        raise GenericError(message)
    if not machine.has_acpi or tree.options.get("acpi") == "off":
        message = "memory hotplug is not enabled: missing acpi device or acpi disabled"
        raise GenericError(message)
    if device.object.type == "nvdimm" and not tree.options.get("nvdimm"):
        message = "nvdimm is not enabled: missing 'nvdimm' in '-M'"
        raise GenericError(message)
    if not tree.memory_slots:
        message = "no slots where allocated, please specify the 'slots' option"
        raise GenericError(message)
    _take_slot(machine, device)
    backend = backend_of(machine, device)
    _take_address(machine, device, "addr", backend.size)
    _claim(machine, device)
    node = device.values.get("node", 0)
    nodes = len(machine.numa.nodes) or 1
    if node >= nodes:
        message = (
            f"'DIMM property node has value {node}' which exceeds the number of "
            f"numa nodes: {nodes}"
        )
        raise GenericError(message)
    device.values["size"] = backend.size
    device.object.live["size"] = lambda: backend.size


def plug_virtio(machine: "Machine", device: "Device") -> None:
    """Give a memory device of virtio its address; other devices are left alone.

    Raises:
        GenericError: There is no room for it.
    """
    if device.object.type not in _VIRTIO:
        return
    backend = backend_of(machine, device)
    if not machine.qom.maximum_memory:
        message = (
            "memory devices (e.g. for memory hotplug) are not enabled, please specify "
            "the maxmem option"
        )
        raise GenericError(message)
    if backend.users and device.object.type == "virtio-pmem-pci":
        _claim(machine, device)
    _take_address(machine, device, "memaddr", backend.size)
    _claim(machine, device)
    if device.object.type == "virtio-pmem-pci":  # all of it is there, always
        device.values["size"] = backend.size


def _take_slot(machine: "Machine", device: "Device") -> None:
    count = machine.qom.memory_slots
    taken = {
        other.values.get("slot")
        for other in machine.qom.devices
        if other is not device and other.object.type in _MODULES
    }
    slot = device.values.get("slot", -1)
    if slot == -1:
        slot = next((at for at in range(count) if at not in taken), -1)
        if slot == -1:
            message = "no free slots available"
            raise GenericError(message)
    elif not 0 <= slot < count:
        message = f"invalid slot number {slot}, valid range is [0-{count - 1}]"
        raise GenericError(message)
    elif slot in taken:
        message = f"slot {slot} is busy"
        raise GenericError(message)
    device.values["slot"] = slot


def _take_address(machine: "Machine", device: "Device", name: str, size: int) -> None:
    tree = machine.qom
    total = tree.maximum_memory - machine.memory_size
    start = _first_address(machine)
    others = [other for other in of(machine) if other is not device]
    places = [
        (_address(other), backend_of(machine, other).size)
        for other in others
        if _address(other)
    ]
    used = sum(taken for _, taken in places)
    wanted = int(device.values.get(name) or 0)
    if wanted % ALIGNMENT:
        message = f"address must be aligned to {ALIGNMENT:#x} bytes"
        raise GenericError(message)
    if size % ALIGNMENT:
        message = f"backend memory size must be multiple of {ALIGNMENT:#x}"
        raise GenericError(message)
    if used + size > total:
        message = (
            f"not enough space, currently {used:#x} in use of total space for "
            f"memory devices {total:#x}"
        )
        raise GenericError(message)
    if wanted:
        for at, taken in places:
            if at < wanted + size and wanted < at + taken:
                other = next(x for x in others if _address(x) == at)
                message = (
                    "address range conflicts with memory device "
                    f"id='{other.id or '(unnamed)'}'"
                )
                raise GenericError(message)
        device.values[name] = wanted
        return
    at = start
    for place, taken in places:
        if at + size <= place:
            break
        at = max(at, -(-(place + taken) // ALIGNMENT) * ALIGNMENT)
    device.values[name] = at


def _first_address(machine: "Machine") -> int:
    """Return where memory devices begin: behind the RAM above 4 GiB."""
    family = "q35" if machine.qom.board.startswith("pc-q35") else "pc"
    low = LOW_MEMORY[family]
    if family == "q35" and machine.memory_size < 0xB0000000:
        low = 0xB0000000
    if family == "pc" and machine.memory_size < 0xE0000000:
        low = 0xE0000000
    above = max(0, machine.memory_size - low)
    # The whole region is aligned to 1 GiB.
    return -(-(ABOVE_4G + above) // 2**30) * 2**30


def make_live(machine: "Machine", device: "Device") -> None:
    """Let the size of a virtio-mem device be asked for, and follow the guest."""
    shown = device.object
    targets = [
        shown,
        *(x for x in shown.children.values() if x.name == "virtio-backend"),
    ]

    def change(value: Any) -> None:
        block = int(device.value("block-size") or ALIGNMENT)
        if value % block:
            message = (
                f"'requested-size' has to be multiples of 'block-size' ({block:#x})"
            )
            raise GenericError(message)
        most = backend_of(machine, device).size
        if value > most:
            message = (
                f"'requested-size' cannot exceed the memory backend size({most:#x})"
            )
            raise GenericError(message)
        for target in targets:
            target.values["requested-size"] = value
        machine.guest.asked_to_resize(shown.path, value, lambda: settle(value))

    def settle(size: int) -> None:
        for target in targets:
            target.values["size"] = size
        path = shown.path
        machine.tell(MemoryDeviceResized(device.id, size, path))

    for target in targets:
        target.writers["requested-size"] = change
