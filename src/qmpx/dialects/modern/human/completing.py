"""What the Tab key offers for arguments: names of what there is, and words.

Source: QEMU 7.2.22, observed.
"""

import re
from collections.abc import Iterable
from typing import Final

from qmpx.dialects.modern.human import character_lines, migration_settings, network
from qmpx.dialects.modern.human.declaring import HumanTable
from qmpx.dialects.modern.tracing import trace_events
from qmpx.machine import Machine
from qmpx.machine.migration.parameters import CAPABILITIES
from qmpx.machine.network.clients import Kind
from qmpx.monitor.registry import SessionLike

commands = HumanTable()

_ON_OFF: Final = ("on", "off")
_NAMED: Final = re.compile(r'^name "([^"]+)"', re.MULTILINE)
_LISTED: Final = re.compile(r"^  (\S+)$", re.MULTILINE)


def _machine(session: SessionLike) -> Machine:
    machine: Machine = session.monitor.target
    return machine


def _models(session: SessionLike, _: str) -> Iterable[str]:
    text = _machine(session).qom.types.listing("-device help") or ""
    return sorted(_NAMED.findall(text))


def _kinds_of_objects(session: SessionLike, _: str) -> Iterable[str]:
    text = _machine(session).qom.types.listing("-object help") or ""
    return _LISTED.findall(text)


def _devices(session: SessionLike, _: str) -> Iterable[str]:
    devices = _machine(session).qom.devices
    return [device.id for device in devices if device.id is not None]


def _objects(session: SessionLike, _: str) -> Iterable[str]:
    return list(_machine(session).objects)


def _drives(session: SessionLike, _: str) -> Iterable[str]:
    return list(_machine(session).drives)


def _back_ends(session: SessionLike, _: str) -> Iterable[str]:
    clients = _machine(session).network
    return [x.name for x in clients if x.kind is not Kind.ADAPTER]


def _clients(session: SessionLike, _: str) -> Iterable[str]:
    return [client.name for client in _machine(session).network]


def _chardevs(session: SessionLike, _: str) -> Iterable[str]:
    of_monitors = [label for label, _, _ in session.monitor.character_devices()]
    others = [device.label for device in _machine(session).characters]
    return [*of_monitors, *(label for label in others if label not in of_monitors)]


def _rings(session: SessionLike, _: str) -> Iterable[str]:
    devices = _machine(session).characters
    return [x.label for x in devices if x.filename.startswith("ringbuf")]


def _snapshots(session: SessionLike, _: str) -> Iterable[str]:
    snapshots = _machine(session).snapshots
    return [kept.tag for kept in snapshots.saved()] if snapshots.devices() else []


def _traceable(_: SessionLike, typed: str) -> Iterable[str]:  # noqa: ARG001
    return trace_events()


def _offer(*words: str) -> "Offer":
    return Offer(words)


class Offer:
    """Offers the same words to everybody.

    Args:
        words: The words.
    """

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = words

    def __call__(self, _: SessionLike, typed: str) -> Iterable[str]:  # noqa: ARG002
        """Return the words."""
        return self._words


commands.completions.update(
    {
        "B": _drives,
        "device_add:device": _models,
        "device_del:id": _devices,
        "object_add:object": _kinds_of_objects,
        "object_del:id": _objects,
        "netdev_add:netdev": _offer("none", "nic", "netmap", *network.KINDS),
        "netdev_del:id": _back_ends,
        "set_link:name": _clients,
        "set_link:up": _offer(*_ON_OFF),
        "chardev-add:args": _offer(*character_lines.KINDS),
        "chardev-remove:id": _chardevs,
        "ringbuf_read:device": _rings,
        "ringbuf_write:device": _rings,
        "watchdog_action:action": _offer(
            *("reset", "shutdown", "poweroff", "pause", "debug", "none", "inject-nmi")
        ),
        "migrate_set_capability:capability": _offer(*CAPABILITIES),
        "migrate_set_capability:state": _offer(*_ON_OFF),
        "migrate_set_parameter:parameter": _offer(
            *(name for name, _, _ in migration_settings.PARAMETERS)
        ),
        "loadvm:name": _snapshots,
        "delvm:name": _snapshots,
        "trace-event:name": _traceable,
        "trace-events:name": _traceable,
        "trace-event:option": _offer(*_ON_OFF),
    }
)
