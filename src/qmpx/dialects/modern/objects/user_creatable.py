"""Making objects of all the types that users can create.

What a type's options are, the schema tells; here is what QEMU checks beyond it, in its
order: the values, that the id is free, and then what they mean together.

Source: QEMU 7.2.22, observed.
"""

import errno
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final

from qmpx.dialects.modern.memory.objects import complete_memory, make_memory
from qmpx.errors import DeviceNotFound, GenericError
from qmpx.machine import Machine
from qmpx.machine.character.placed import resolve
from qmpx.machine.objects import Created, IOThread, MemoryBackend, UserObject

MOST_A_SECOND: Final = 10**15
"""Bytes or operations a second that a limit may be, as in QEMU."""

_FARTHEST: Final = 32767
_NODES: Final = "/sys/devices/system/node"
_POOL: Final = 64  # threads of a pool, at most
_PATIENCE: Final = 1.0  # seconds for a connection to this host
_LIMITS: Final = ("bps", "iops")
_CREDENTIALS: Final = {
    "tls-creds-x509": {"server": "ca-cert.pem", "client": "ca-cert.pem"},
    "tls-creds-psk": {"server": "keys.psk", "client": "keys.psk"},
}
_UNBUILT: Final = frozenset(
    {
        *("authz-pam", "memory-backend-epc", "pef-guest", "s390-pv-guest"),
        *("cryptodev-backend-lkcf", "authz-listfile", "x-vfio-user-server"),
    }
)

Options = Mapping[str, Any]


def make_object(machine: Machine, kind: str, options: Options) -> UserObject:
    """Return an object of a type; it is not one of the machine's yet.

    Args:
        machine: Where what it refers to is.
        kind: Its type, which is not ``secret``.
        options: What its user gave beside id and type.

    Raises:
        CommandError: There can be no such object.
    """
    if kind in _UNBUILT:
        message = f"invalid object type: {kind}"
        raise GenericError(message)
    if kind == "iothread":
        return _iothread(options)
    if kind.startswith("memory-backend-"):
        return make_memory(kind, options)
    check_object(machine, kind, options)
    if kind.startswith("filter-"):
        _check_filter(kind, options)
    return Created(kind, dict(options))


def check_object(machine: Machine, kind: str, options: Options) -> None:
    """Check what some types allow beyond the schema.

    Raises:
        CommandError: It is not allowed.
    """
    check = _CHECKS.get(kind)
    if check is not None:
        check(machine, options)


def _iothread(options: Options) -> IOThread:
    thread = IOThread()
    for name in ("poll-max-ns", "poll-grow", "poll-shrink", "aio-max-batch"):
        if name in options:
            thread.set(name, options[name])
    fewest = options.get("thread-pool-min", thread.pool[0])
    most = options.get("thread-pool-max", thread.pool[1])
    thread.set_pool(fewest, most)
    return thread


def complete(machine: Machine, id_: str, made: UserObject) -> None:
    """Check what an object needs of the world, once its id is known to be free.

    Raises:
        CommandError: It cannot be had.
    """
    if isinstance(made, MemoryBackend):
        complete_memory(machine, id_, made)
    elif isinstance(made, Created) and made.kind in _CREDENTIALS:
        _complete_credentials(made)
    elif isinstance(made, Created):
        _complete_other(machine, made)


def _complete_credentials(made: Created) -> None:
    folder = made.options.get("dir")
    if folder is None:
        message = "Missing 'dir' property value"
        raise GenericError(message)
    endpoint = made.options.get("endpoint", "client")
    path = f"{folder}/{_CREDENTIALS[made.kind][endpoint]}"
    if not os.access(path, os.R_OK):
        message = f"Unable to access credentials {path}: No such file or directory"
        raise GenericError(message)


def _complete_other(machine: Machine, made: Created) -> None:
    options = made.options
    if made.kind.startswith("filter-"):
        _complete_filter(machine, made.kind, options)
    name = options.get("filename") if made.kind == "rng-random" else None
    name = options.get("evdev") if made.kind == "input-linux" else name
    if name is not None and not os.path.exists(str(name)):
        message = f"Could not open '{name}': No such file or directory"
        raise GenericError(message)
    if made.kind == "tls-cipher-suites" and "priority" not in options:
        message = "'priority' property is not set"
        raise GenericError(message)
    if made.kind == "cryptodev-backend-builtin" and options.get("queues", 1) != 1:
        message = "Only support one queue in cryptdov-builtin backend"
        raise GenericError(message)
    if made.kind == "input-barrier":
        _connect_barrier(options)
    if made.kind == "secret_keyring":
        message = (
            f"Unable to read serial key {options['serial']:08x}: Required key not "
            "available"
        )
        raise GenericError(message)
    if made.kind == "dbus-vmstate" and ":" not in options["addr"]:
        why = f"Address element “{options['addr']}” does not contain a colon (:)"
        if not options["addr"]:
            why = "The given address is empty"
        message = f"failed to connect to DBus: '{why}'"
        raise GenericError(message)
    if made.kind == "pr-manager-helper":
        try:
            os.stat(str(options["path"]))
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            message = f"Failed to connect to '{options['path']}': {why}"
            raise GenericError(message) from error
    if "chardev" in options:
        label = options["chardev"]
        if label not in machine.characters:
            raise DeviceNotFound(device=label)
        if machine.characters[label].free_users < 1:
            message = f"Device '{label}' is in use"
            raise GenericError(message)


def _complete_filter(machine: Machine, kind: str, options: Options) -> None:
    if machine.network.back_end(options["netdev"]) is None:
        message = "Parameter 'netdev' expects a network backend id"
        raise GenericError(message)
    if kind == "filter-redirector" and not options.keys() & {"indev", "outdev"}:
        message = (
            "filter redirector needs 'indev' or 'outdev' at least one property set"
        )
        raise GenericError(message)
    for name in ("indev", "outdev"):
        label = options.get(name)
        if label and label not in machine.characters:
            raise DeviceNotFound(device=label)


def _connect_barrier(options: Options) -> None:
    """Make sure that there is somebody to share keyboard and mouse with.

    Raises:
        GenericError: Nobody is there.
    """
    host, port = options.get("server", "localhost"), options.get("port", "24800")
    if not port.isdecimal():
        why = "Servname not supported for ai_socktype"
        message = f"address resolution failed for {host}:{port}: {why}"
        raise GenericError(message)
    if not host:
        message = f"address resolution failed for :{port}: Name or service not known"
        raise GenericError(message)
    resolve(host, int(port), socket.SOCK_STREAM)
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, ValueError) as error:
        why = os.strerror(getattr(error, "errno", 0) or errno.ECONNREFUSED)
        message = f"Failed to connect to '{host}:{port}': {why}"
        raise GenericError(message) from error


def _check_throttle(_: Machine, options: Options) -> None:
    limits = options.get("limits", {})
    if any(isinstance(value, int) and value < 0 for value in options.values()):
        message = "Property values cannot be negative"
        raise GenericError(message)
    for name, value in [*options.items(), *limits.items()]:
        if name.endswith("-max-length") and value == 0:
            message = "the burst length cannot be 0"
            raise GenericError(message)
    for name, value in limits.items():
        if not name.endswith(("length", "size")) and not 0 <= value <= MOST_A_SECOND:
            message = f"bps/iops/max values must be within [0, {MOST_A_SECOND}]"
            raise GenericError(message)
    for unit in _LIMITS:
        for suffix in ("", "-max"):
            parts = [limits.get(f"{unit}-{x}{suffix}", 0) for x in ("read", "write")]
            if limits.get(f"{unit}-total{suffix}", 0) and any(parts):
                message = (
                    "bps/iops/max total values and read/write values cannot be used at "
                    "the same time"
                )
                raise GenericError(message)
    for unit in _LIMITS:
        for part in ("total", "read", "write"):
            most = limits.get(f"{unit}-{part}-max", 0)
            usual = limits.get(f"{unit}-{part}", 0)
            if most and not usual:
                message = "bps_max/iops_max require corresponding bps/iops values"
                raise GenericError(message)
            if most and most < usual:
                message = "bps_max/iops_max cannot be lower than bps/iops"
                raise GenericError(message)


def _check_filter(kind: str, options: Options) -> None:
    if options.get("maxlen") == 0:
        message = f"Property '{kind}.maxlen' doesn't take value '0'"
        raise GenericError(message)
    if kind == "filter-buffer" and options.get("interval") == 0:
        message = "Property 'filter-buffer.interval' requires a positive value"
        raise GenericError(message)
    if options.get("status", "on") not in ("on", "off"):
        message = "Invalid value for netfilter status, should be 'on' or 'off'"
        raise GenericError(message)


def _check_cryptodev(_: Machine, options: Options) -> None:
    if options.get("queues") == 0:
        message = "Property 'cryptodev-backend-builtin.queues' doesn't take value '0'"
        raise GenericError(message)


def _check_old(kind: str, name: str) -> Callable[[Machine, Options], None]:
    """Return a check that refuses a property of old, which can only be read today."""

    def check(_: Machine, options: Options) -> None:
        if name in options:
            message = f"Property '{kind}.{name}' is not writable"
            raise GenericError(message)

    return check


def _check_can(machine: Machine, options: Options) -> None:
    if options["canbus"] not in machine.objects:
        raise DeviceNotFound(device=options["canbus"])


def _check_barrier(_: Machine, options: Options) -> None:
    for name in ("x-origin", "y-origin", "width", "height"):
        text = options.get(name, "0")
        if not text.isdecimal() or int(text) > _FARTHEST:
            message = f"{name} property must be in the range [0..{_FARTHEST}]"
            raise GenericError(message)


def _check_keyring(machine: Machine, options: Options) -> None:
    _check_old("secret_keyring", "loaded")(machine, options)
    if options.get("serial") == 0:
        message = "'serial' should not be equal to 0"
        raise GenericError(message)


def _check_main_loop(_: Machine, options: Options) -> None:
    for name in ("aio-max-batch", "thread-pool-min", "thread-pool-max"):
        if options.get(name, 0) < 0:
            message = f"{name} value must be in range [0, {2**63 - 1}]"
            raise GenericError(message)
    most = options.get("thread-pool-max", _POOL)
    if options.get("thread-pool-min", 0) > most or not most:
        message = "bad thread-pool-min/thread-pool-max values"
        raise GenericError(message)


def _check_threads(_: Machine, options: Options) -> None:
    nodes = options.get("node-affinity")
    if nodes and not any(os.path.exists(f"{_NODES}/node{node}") for node in nodes):
        message = "The nodes select no CPUs"
        raise GenericError(message)


_CHECKS: Final[Mapping[str, Callable[[Machine, Options], None]]] = {
    "cryptodev-backend": _check_cryptodev,
    "cryptodev-backend-builtin": _check_cryptodev,
    **{
        kind: _check_old(kind, "opened")
        for kind in ("rng-egd", "rng-random", "rng-builtin")
    },
    **{
        kind: _check_old(kind, "loaded")
        for kind in (
            *("tls-creds-anon", "tls-creds-psk", "tls-creds-x509"),
            "secret",
        )
    },
    "main-loop": _check_main_loop,
    "input-barrier": _check_barrier,
    "secret_keyring": _check_keyring,
    "thread-context": _check_threads,
    "can-host-socketcan": _check_can,
    "throttle-group": _check_throttle,
}
