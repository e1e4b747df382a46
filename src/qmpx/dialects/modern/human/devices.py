"""Devices and objects: made, removed, listed, read and set.

Source: QEMU 7.2.22, observed.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from qmpx.dialects.modern.human.declaring import (
    HumanTable,
    ask,
    ask_exactly,
    nested,
    read_options,
)
from qmpx.errors import CommandError, GenericError
from qmpx.machine import Machine
from qmpx.machine.identifiers import is_identifier
from qmpx.machine.qom.objects import QomObject
from qmpx.machine.qom.types import derives
from qmpx.monitor.human.options import parse_options
from qmpx.monitor.registry import SessionLike
from qmpx.wire.value import read_value

commands = HumanTable()

_HELP: Final = ("help", "?")


@commands.does("device_add")
async def device_add(session: SessionLike, *, device: dict[str, str]) -> str | None:
    """Plug a device in, or return what there is to say of its kind."""
    machine: Machine = session.monitor.target
    driver = device.get("driver")
    if driver in _HELP:
        return _models(machine)
    if driver is not None and device.keys() & {*_HELP}:
        return _properties(machine, driver)
    if driver is None and _HELP[0] in device:
        raise GenericError("Parameter 'driver' is missing")
    if "id" in device and not is_identifier(device["id"]):  # QEMU does not say why
        return 'Try "help device_add" for more information\n'
    await ask_exactly(session, "device_add", dict(device))
    return None


def _models(machine: Machine) -> str:
    """Return the models that users can have, as ``-device help`` does."""
    return machine.qom.types.listing("-device help") or ""


def _properties(machine: Machine, driver: str) -> str:
    """Return the properties of a model."""
    types = machine.qom.types
    model = types.model(driver)
    name = driver if model is None else model.name
    known = types.device_properties(name)
    if not known and model is None:
        return f"Device '{driver}' not found\n"
    if not known:
        return f"There are no options for {driver}.\n"
    lines = [f"{driver} options:"]
    for property_, item in sorted(known.items()):
        said = item.description or ""
        if item.default is not None:
            said += f" (default: {json.dumps(item.default)})"
        title = f"{property_}=<{item.type}>"
        lines.append(f"  {title:<22} - {said}" if said else f"  {title}")
    return "".join(f"{line}\n" for line in lines)


@commands.does("device_del")
async def device_del(session: SessionLike, *, id: str) -> None:  # noqa: A002
    """Take a device out."""
    await ask(session, "device_del", id=id)


@commands.shows("qdm")
def info_qdm(machine: Machine) -> str:
    """Return the models that users can have; QEMU's list has the others, too."""
    return _models(machine)


# Objects.


@commands.does("object_add")
async def object_add(session: SessionLike, *, object: str) -> str | None:  # noqa: A002
    """Make an object, or return what there is to say of its kind."""
    machine: Machine = session.monitor.target
    if object.startswith("{"):
        await ask_exactly(session, "object-add", read_value(object))
        return None
    options = parse_options(object, "qom-type")
    kind = options.get("qom-type")
    if kind in _HELP:
        return machine.qom.types.listing("-object help") or ""
    if kind is not None and options.keys() & {*_HELP}:
        if not derives(machine.qom.types, kind, "object"):
            return machine.qom.types.listing("-object help") or ""
        return _object_properties(machine, kind)
    values = read_options(session, "object-add", nested(dict(options)))
    await ask_exactly(session, "object-add", values)
    return None


def _object_properties(machine: Machine, kind: str) -> str:
    known = machine.qom.types.properties(kind)
    shown = {name: item for name, item in known.items() if name != "type"}
    if not shown:
        return f"There are no options for {kind}.\n"
    lines = [f"{kind} options:"]
    for name, item in sorted(shown.items()):
        title = f"{name}=<{item.type}>"
        said = item.description
        lines.append(f"  {title:<22} - {said}" if said else f"  {title}")
    return "".join(f"{line}\n" for line in lines)


@commands.does("object_del")
async def object_del(session: SessionLike, *, id: str) -> None:  # noqa: A002
    """Remove an object."""
    await ask(session, "object-del", id=id)


# The tree of objects.


@commands.does("qom-list")
async def qom_list(session: SessionLike, *, path: str | None = None) -> str:
    """Return the properties of an object."""
    if path is None:
        return "/\n"
    found = await ask(session, "qom-list", path=path)
    return "".join(f"{x['name']} ({x['type']})\n" for x in found)


@commands.does("qom-get")
async def qom_get(session: SessionLike, *, path: str, property: str) -> str:  # noqa: A002
    """Return a property as JSON."""
    value = await ask_exactly(session, "qom-get", {"path": path, "property": property})
    return f"{json.dumps(value, indent=4)}\n"


@commands.does("qom-set")
async def qom_set(
    session: SessionLike,
    *,
    json: bool = False,
    path: str,
    property: str,  # noqa: A002
    value: str,
) -> None:
    """Set a property: by what its type makes of the text, or by JSON."""
    if json:
        new = read_value(value)
    else:
        shown: QomObject = session.monitor.target.qom.find(path)
        new = _read_value(shown, property, value)
    await ask_exactly(
        session, "qom-set", {"path": path, "property": property, "value": new}
    )


def _read_value(shown: QomObject, name: str, text: str) -> Any:
    """Return what a text means for a property."""
    kind = shown.type_of(name)
    if kind == "bool" and text in ("on", "yes", "true", "y", "off", "no", "false", "n"):
        return text in ("on", "yes", "true", "y")
    if kind.startswith(("int", "uint", "size")):
        try:
            return int(text, 0)
        except ValueError:
            return text
    return text


@commands.shows("qom-tree")
def info_qom_tree(machine: Machine, *, path: str | None = None) -> str:
    """Return an object and all below it; of the machine unless told."""
    try:
        top = machine.qom.resolve(path or "/machine")
    except LookupError:
        return f"Path '{path}' is ambiguous.\n"
    if top is None:
        return f"Path '{path}' could not be resolved.\n"
    first = "" if top.parent is None else top.name
    return "".join(f"{line}\n" for line in _tree(top, first, 0))


def _tree(at: QomObject, name: str, depth: int) -> Iterator[str]:
    yield f"{'  ' * depth}/{name} ({at.type})"
    for each in sorted(at.children):
        yield from _tree(at.children[each], each, depth + 1)


@commands.does("pcie_aer_inject_error")
def pcie_aer_inject_error(
    machine: Machine,
    *,
    id: str,  # noqa: A002
    error_status: str,  # noqa: ARG001
    advisory_non_fatal: bool = False,  # noqa: ARG001
    correctable: bool = False,  # noqa: ARG001
    header0: int | None = None,  # noqa: ARG001
    header1: int | None = None,  # noqa: ARG001
    header2: int | None = None,  # noqa: ARG001
    header3: int | None = None,  # noqa: ARG001
    prefix0: int | None = None,  # noqa: ARG001
    prefix1: int | None = None,  # noqa: ARG001
    prefix2: int | None = None,  # noqa: ARG001
    prefix3: int | None = None,  # noqa: ARG001
) -> str:
    """Return that the device is none, or reports no errors: there is no such guest."""
    try:
        device = machine.qom.devices.find(id)
    except CommandError:
        return f"id or pci device path is invalid or device not found. {id}\n"
    if device.object.isa("pci-device"):
        return f"the device doesn't support pci express. {id}\n"
    return f"id or pci device path is invalid or device not found. {id}\n"
