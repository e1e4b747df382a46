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

from qmpx.errors import DeviceNotFound, GenericError
from qmpx.machine import Machine
from qmpx.machine.objects import Created, IOThread, MemoryBackend, UserObject

MOST_MEMORY: Final = 2**47
"""Bytes of a memory backend: what a process can address."""

MOST_A_SECOND: Final = 10**15
"""Bytes or operations a second that a limit may be, as in QEMU."""

PAGE: Final = 4096
"""Bytes of a page of memory."""

_FARTHEST: Final = 32767
_NODES: Final = "/sys/devices/system/node"
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
        return _memory(kind, options)
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


def _memory(kind: str, options: Options) -> MemoryBackend:
    size = options["size"]
    for name in ("size", "prealloc-threads", "align"):
        if options.get(name) == 0 and name != "align":
            message = f"property '{name}' of {kind} doesn't take value '0'"
            raise GenericError(message)
    align = options.get("align", 0)
    if align % PAGE:
        message = f"alignment {align:#x} must be multiples of page size {PAGE:#x}"
        raise GenericError(message)
    kept = {n: v for n, v in options.items() if n != "size"}
    return MemoryBackend(size, kind, kept)


def _check_nodes(options: Options) -> None:
    nodes, policy = options.get("host-nodes", []), options.get("policy", "default")
    if nodes and policy == "default":
        message = (
            "host-nodes must be empty for policy default, or you should explicitly "
            "specify a policy other than default"
        )
        raise GenericError(message)
    if not nodes and policy != "default":
        message = f"host-nodes must be set for policy {policy}"
        raise GenericError(message)


def complete(machine: Machine, id_: str, made: UserObject) -> None:
    """Check what an object needs of the world, once its id is known to be free.

    Raises:
        CommandError: It cannot be had.
    """
    if isinstance(made, MemoryBackend):
        _complete_memory(id_, made)
    elif isinstance(made, Created) and made.kind in _CREDENTIALS:
        _complete_credentials(made)
    elif isinstance(made, Created):
        _complete_other(machine, made)


def _complete_memory(id_: str, made: MemoryBackend) -> None:
    if made.size >= MOST_MEMORY:
        message = f"cannot set up guest memory '{id_}': Cannot allocate memory"
        raise GenericError(message)
    if made.kind == "memory-backend-memfd" and made.size % PAGE:
        rounded = -(-made.size // PAGE) * PAGE
        message = (
            f"backing store size {made.size:#x} does not match 'size' option "
            f"{rounded:#x}"
        )
        raise GenericError(message)
    if made.kind == "memory-backend-memfd" and made.option("hugetlb", otherwise=False):
        message = f"failed to resize memfd to {made.size}: Invalid argument"
        if made.size % made.option("hugetlbsize", 2 * 2**20):
            raise GenericError(message)
    if made.kind == "memory-backend-file":
        _open_backing(made)
    _check_nodes(made.options)


def _open_backing(made: MemoryBackend) -> None:
    """Make sure that the file is there, or can be made, with room for the memory."""
    path = str(made.options["mem-path"])
    is_shared = made.option("share", otherwise=False)
    try:
        if os.path.isdir(path):
            return  # a file in it would be without a name
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if os.fstat(fd).st_size == 0 and is_shared:
                os.ftruncate(fd, made.size)
        finally:
            os.close(fd)
    except OSError as error:
        message = (
            f"can't open backing store {path} for guest RAM: "
            f"{os.strerror(error.errno or errno.EIO)}"
        )
        raise GenericError(message) from None


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
        message = (
            "failed to connect to DBus: 'Address element “"
            f"{options['addr']}” does not contain a colon (:)'"
        )
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
    if kind == "filter-redirector" and not options.keys() & {"indev", "outdev"}:
        message = (
            "filter redirector needs 'indev' or 'outdev' at least one property set"
        )
        raise GenericError(message)
    if machine.network.back_end(options["netdev"]) is None:
        message = "Parameter 'netdev' expects a network backend id"
        raise GenericError(message)


def _connect_barrier(options: Options) -> None:
    """Make sure that there is somebody to share keyboard and mouse with.

    Raises:
        GenericError: Nobody is there.
    """
    host, port = options.get("server", "localhost"), options.get("port", "24800")
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
    "input-barrier": _check_barrier,
    "secret_keyring": _check_keyring,
    "thread-context": _check_threads,
    "can-host-socketcan": _check_can,
    "throttle-group": _check_throttle,
}
