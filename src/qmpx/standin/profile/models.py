"""Asking a real QEMU what its boards and device models are like: objects and values.

A board is looked at as it is without any devices; a model, when one device of it is
plugged in. What is kept of an object is what its type alone does not tell.

Old versions of a board differ from the newest in some values that objects of a type
have; these are kept by type.

The records have the names ``x-qmpx-board``, ``x-qmpx-model`` and ``x-qmpx-version``,
which no command of QEMU has.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import Any, Final

from qmpx.client import Client
from qmpx.errors import CommandError, QmpxError
from qmpx.machine.qom.types import zero
from qmpx.standin.profile.file import ANY, canonical, returned
from qmpx.standin.profile.pci import ask_pci
from qmpx.wire.encode import encode_exactly

BOARDS: Final = ("none", "pc", "q35", "isapc", "microvm", "x-remote")
"""The boards that are looked at."""

FAMILIES: Final = ("pc-i440fx-", "pc-q35-")
"""Boards that there are many versions of; of old ones the differences are kept."""

PLUGGED_AT_ONCE: Final = 12
"""Devices that are plugged into one machine: a PCI bus has 32 places."""

_SLOTTED: Final = (
    *("-machine", "pc", "-m", "256,slots=4,maxmem=4G"),
    *("-device", "qemu-xhci,id=qmpx-usb", "-device", "virtio-scsi-pci,id=qmpx-scsi"),
    *("-device", "virtio-serial-pci,id=qmpx-serial"),
)
"""A machine with a bus for whatever may come."""

_LISTED: Final = re.compile(r'name "([^"]+)"(?:, bus ([\w-]+))?(?:, alias "([^"]+)")?')
_VOLATILE: Final = frozenset({"rtc-time", "date", "parent_bus", "guest-stats"})
_PLAIN: Final = ("bool", "str", "string", "OnOffAuto", "size")
_NUMBERS: Final = ("int", "uint")
_STRUCTURE: Final = frozenset({"container", "memory-region", "irq"})
_TYPICAL_DEVICES: Final = (
    *("-device", "virtio-scsi-pci", "-device", "virtio-serial-pci"),
    *("-device", "virtio-net-pci", "-device", "virtio-rng-pci"),
    *("-device", "virtio-balloon-pci", "-device", "virtio-vga,disable-legacy=off"),
    *("-device", "qemu-xhci", "-device", "usb-tablet", "-device", "e1000e"),
    *("-device", "virtio-keyboard-pci", "-device", "pcie-root-port,id=p"),
    *("-blockdev", "null-co,node-name=n", "-device", "virtio-blk-pci,drive=n"),
    *("-device", "e1000", "-device", "VGA", "-device", "ich9-intel-hda"),
)
"""Devices that many machines have."""

_OWN: Final = "@"  # where the device is, in the paths that are kept

Start = Callable[..., AbstractContextManager[Client]]
Objects = dict[str, dict[str, Any]]
Values = dict[str, dict[str, Any]]


def listed_models(text: str) -> dict[str, tuple[str | None, str | None]]:
    """Return bus and alias of each model that ``-device help`` lists, by name."""
    return {
        name: (bus or None, alias or None) for name, bus, alias in _LISTED.findall(text)
    }


def ask_models(start: Start, listing: str, records: dict[str, bytes]) -> None:
    """Ask all; what cannot be had is left out.

    Args:
        start: Starts the binary with some more of a command line.
        listing: What it prints for ``-device help``.
        records: Where the answers go.
    """
    types = _TypesOf(records)
    for board in BOARDS:
        try:
            with start("-machine", board) as vm:
                _keep(records, "board", board, dict(_objects(vm, types, "/")))
        except QmpxError:
            continue  # this binary has no such board
    left = list(listed_models(listing))
    while left:
        left = _ask_some(start, types, left, records)
    on_pci = [name for name, (bus, _) in listed_models(listing).items() if bus == "PCI"]
    ask_pci(start, on_pci, records)
    machines = records.get(f"{ANY} query-machines {{}}", b"return []")
    names = [x["name"] for x in json.loads(machines.removeprefix(b"return "))]
    for family in FAMILIES:
        ask_versions(start, [x for x in names if x.startswith(family)], records)


def ask_versions(start: Start, names: list[str], records: dict[str, bytes]) -> None:
    """Ask how objects of old boards differ from those of the newest one.

    Args:
        start: Starts the binary with some more of a command line.
        names: The boards of one family.
        records: Where the answers go.
    """
    names = sorted(names, key=_version, reverse=True)
    newest: Values = {}
    for name in names:
        try:
            with start("-machine", name, *_TYPICAL_DEVICES) as vm:
                values = _values_by_type(vm)
        except QmpxError:
            continue
        newest = newest or values
        differing = {
            kind: {
                prop: value
                for prop, value in properties.items()
                if prop in newest.get(kind, {}) and newest[kind][prop] != value
            }
            for kind, properties in values.items()
        }
        kept = {kind: found for kind, found in differing.items() if found}
        key = f"{ANY} x-qmpx-version {canonical({'name': name})}"
        records[key] = returned(encode_exactly(kept))


def _version(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", name.rpartition("-")[2]))


def _values_by_type(vm: Client) -> Values:
    """Return what the first object of each type has; the machine has its family's."""
    found: Values = {}
    waiting = ["/machine"]
    while waiting:
        path = waiting.pop()
        listed = vm.execute("qom-list", path=path)
        names = [x["name"] for x in listed if x["type"].startswith("child<")]
        waiting += [f"{path}/{name}" for name in names]
        kind = vm.execute("qom-get", path=path, property="type")
        if kind in found or kind in _STRUCTURE:
            continue
        found[kind] = values = {}
        for item in listed:
            name, type_ = item["name"], item["type"]
            is_plain = type_ in _PLAIN or type_.startswith(_NUMBERS)
            if not is_plain or name in _VOLATILE or name == "type":
                continue
            with suppress(CommandError):
                values[name] = vm.execute("qom-get", path=path, property=name)
    return found


def _ask_some(
    start: Start, types: "_TypesOf", left: list[str], records: dict[str, bytes]
) -> list[str]:
    """Plug some models into a machine that runs; return those still to be asked."""
    plugged = 0
    left = list(left)
    try:
        with start(*_SLOTTED) as vm:
            while left and plugged < PLUGGED_AT_ONCE:
                model = left.pop(0)
                options = _options(vm, types, model)
                if options is None:
                    continue
                try:
                    vm.execute("device_add", options)
                except CommandError:
                    _ask_alone(start, types, options, records)
                    continue
                plugged += 1
                path = f"/machine/peripheral/{options['id']}"
                objects = dict(_objects(vm, types, path))
                _keep(records, "model", model, objects)
    except QmpxError:
        pass  # it did not survive that model, which is not asked again
    return left


def _ask_alone(
    start: Start, types: "_TypesOf", options: dict[str, Any], records: dict[str, bytes]
) -> None:
    """Look at a model that is there from the start only."""
    text = ",".join(f"{name}={value}" for name, value in options.items())
    try:
        with start("-machine", "pc", "-device", text) as vm:
            path = f"/machine/peripheral/{options['id']}"
            objects = dict(_objects(vm, types, path))
            _keep(records, "model", options["driver"], objects)
    except QmpxError:
        return


def _options(vm: Client, types: "_TypesOf", model: str) -> dict[str, Any] | None:
    """Return options that a device of that model needs; make what they name."""
    try:
        known = types.device(vm, model)
    except CommandError:
        return None
    id_ = f"qmpx-{model}"
    options: dict[str, Any] = {"driver": model, "id": id_}
    if "drive" in known:
        node = {"driver": "null-co", "node-name": f"n{len(types.nodes)}"}
        types.nodes.append(model)
        vm.execute("blockdev-add", node)
        options["drive"] = node["node-name"]
    if "memdev" in known:
        backend = {"qom-type": "memory-backend-ram", "size": 2**27}
        vm.execute("object-add", {**backend, "id": f"{id_}-mem"})
        options["memdev"] = f"{id_}-mem"
    if "cryptodev" in known:
        backend = {"qom-type": "cryptodev-backend-builtin", "id": f"{id_}-crypto"}
        vm.execute("object-add", backend)
        options["cryptodev"] = backend["id"]
    if "chassis_nr" in known:
        options["chassis_nr"] = 1
    if model == "nvme":
        options["serial"] = "1"
    return options


def _keep(records: dict[str, bytes], kind: str, name: str, objects: Objects) -> None:
    word = "typename" if kind == "model" else "name"
    key = f"{ANY} x-qmpx-{kind} {canonical({word: name})}"
    records[key] = returned(encode_exactly(objects))


def _objects(
    vm: Client, types: "_TypesOf", top: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects from *top* down, with what their types do not tell."""
    waiting = [top]
    prefix = "" if top == "/" else top
    while waiting:
        path = waiting.pop()
        values: dict[str, Any] = {}
        more: dict[str, str] = {}
        listed = vm.execute("qom-list", path=path)
        kind = vm.execute("qom-get", path=path, property="type")
        known = types.all(vm, kind)
        for item in listed:
            name, type_ = item["name"], item["type"]
            if type_.startswith("child<"):
                if not name.startswith("compat_monitor") and name != "profile":
                    waiting.append(f"{path.rstrip('/')}/{name}")
                continue
            if name not in known:
                more[name] = type_
            if name in _VOLATILE or name == "type":
                continue
            try:
                value = vm.execute("qom-get", path=path, property=name)
            except CommandError:
                continue
            if value != types.default(vm, kind, name, type_):
                if isinstance(value, str) and prefix:
                    value = value.replace(prefix, _OWN)
                values[name] = value
        names = {item["name"] for item in listed}
        kept: dict[str, Any] = {"type": kind}
        if values:
            kept["values"] = values
        if more:
            kept["more"] = more
        if less := sorted(n for n in known if n not in names):
            kept["less"] = less
        yield path.removeprefix(prefix).removeprefix("/"), kept


class _TypesOf:
    """What a binary's types tell, each asked for once.

    Args:
        records: What is known already. Some binaries abort at what is not.
    """

    def __init__(self, records: dict[str, bytes]) -> None:
        self._records = records
        self._all: dict[str, dict[str, str]] = {}
        self._device: dict[str, dict[str, Any]] = {}
        self.nodes: list[str] = []

    def all(self, vm: Client, kind: str) -> dict[str, str]:
        if kind not in self._all:
            key = f"{ANY} qom-list-properties {canonical({'typename': kind})}"
            told: list[dict[str, Any]] = []
            if self._records:
                record = self._records.get(key, b"")
                if record.startswith(b"return "):
                    told = json.loads(record.removeprefix(b"return "))
            else:
                with suppress(CommandError):
                    told = vm.execute("qom-list-properties", typename=kind)
            self._all[kind] = {x["name"]: x["type"] for x in told}
        return self._all[kind]

    def device(self, vm: Client, kind: str) -> dict[str, Any]:
        if kind not in self._device:
            told = vm.execute("device-list-properties", typename=kind)
            self._device[kind] = {x["name"]: x.get("default-value") for x in told}
        return self._device[kind]

    def default(self, vm: Client, kind: str, name: str, type_: str) -> Any:
        try:
            told = self.device(vm, kind).get(name)
        except CommandError:
            self._device[kind] = {}
            told = None
        return zero(type_) if told is None else told
