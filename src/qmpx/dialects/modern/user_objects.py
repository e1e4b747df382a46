"""Making objects of all the types that users can create.

What a type's options are, the schema tells; here is what QEMU checks beyond it, in its
order: the values, that the id is free, and then what they mean together.

Source: QEMU 7.2.22, observed.
"""

import errno
import os
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

_LIMITS: Final = ("bps", "iops")
_CREDENTIALS: Final = {
    "tls-creds-x509": {"server": "ca-cert.pem", "client": "ca-cert.pem"},
    "tls-creds-psk": {"server": "keys.psk", "client": "keys.psk"},
}
_UNBUILT: Final = frozenset({"authz-pam", "sev-guest", "memory-backend-epc"})

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
    check = _CHECKS.get(kind)
    if check is not None:
        check(machine, options)
    if kind.startswith("filter-"):
        _check_filter(machine, kind, options)
    return Created(kind, dict(options))


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
    _check_nodes(options)
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
    if made.kind == "memory-backend-memfd" and made.option("hugetlb", otherwise=False):
        message = f"failed to resize memfd to {made.size}: Invalid argument"
        if made.size % made.option("hugetlbsize", 2 * 2**20):
            raise GenericError(message)
    if made.kind == "memory-backend-file":
        _open_backing(made)


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
    name = options.get("filename") if made.kind == "rng-random" else None
    name = options.get("evdev") if made.kind == "input-linux" else name
    if name is not None and not os.path.exists(str(name)):
        message = f"Could not open '{name}': No such file or directory"
        raise GenericError(message)
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
    if made.kind == "pr-manager-helper" and not os.path.exists(str(options["path"])):
        message = f"Failed to connect to '{options['path']}': No such file or directory"
        raise GenericError(message)
    if "chardev" in options and options["chardev"] not in machine.characters:
        raise DeviceNotFound(device=options["chardev"])


def _check_throttle(_: Machine, options: Options) -> None:
    limits = options.get("limits", {})
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


def _check_filter(machine: Machine, kind: str, options: Options) -> None:
    if kind == "filter-buffer" and options.get("interval") == 0:
        message = "Property 'filter-buffer.interval' requires a positive value"
        raise GenericError(message)
    if machine.network.back_end(options["netdev"]) is None:
        message = "Parameter 'netdev' expects a network backend id"
        raise GenericError(message)


_CHECKS: Final[Mapping[str, Callable[[Machine, Options], None]]] = {
    "throttle-group": _check_throttle,
}
