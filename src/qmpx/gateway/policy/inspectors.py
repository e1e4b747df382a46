"""Looks into the commands whose arguments decide what they do. Pure.

A command that a role may run by name is still refused if what it asks for is out of the
role's reach. What an inspector does not understand it refuses: QEMU would, too, or it
has learnt something that is not known here.

Source: QEMU 7.2's schema files; that a ``secret`` object's data can be read with
``qom-get`` by any part of its path, that ``guestfwd`` and ``exec:`` start programs, and
that a line of the human monitor may be abbreviated, was observed there.
"""

from collections.abc import Callable
from typing import Any, Final

from qmpx.gateway.policy.block_options import (
    Arguments,
    fault_of_added_node,
    fault_of_backing_file,
    fault_of_created_image,
    fault_of_export,
    fault_of_job,
    fault_of_medium,
    fault_of_reopened_nodes,
    fault_of_server,
    fault_of_snapshot,
    fault_of_socket,
    fault_of_target,
)
from qmpx.gateway.policy.reach import Reach, member

OBJECT_TYPES: Final = frozenset(
    {
        "authz-list",
        "authz-listfile",
        "authz-simple",
        "can-bus",
        "cryptodev-backend-builtin",
        "iothread",
        "main-loop",
        "memory-backend-file",
        "memory-backend-memfd",
        "memory-backend-ram",
        "rng-builtin",
        "rng-random",
        "secret",
        "thread-context",
        "throttle-group",
        "tls-cipher-suites",
        "tls-creds-anon",
        "tls-creds-psk",
        "tls-creds-x509",
    }
)
"""Types of objects that open nothing but the files that they name."""

SECRETS: Final = frozenset({"data", "password", "private-key", "psk", "secret"})
"""Properties of objects that hold what is secret."""

BACKENDS: Final = frozenset(
    {"file", "memory", "mux", "null", "parallel", "pipe", "pty", "ringbuf", "serial"}
    | {"socket", "spiceport", "spicevmc", "testdev", "vc", "wctablet"}
)
"""Kinds of character devices that open files, sockets, or nothing."""

NETWORKS: Final = frozenset({"user", "tap", "hubport", "stream", "dgram"})
"""Kinds of network back ends that are looked into."""

HOST_DEVICES: Final = (
    "ccid-card-emulated",
    "generic-loader",
    "guest-loader",
    "ivshmem",
    "loader",
    "pci-assign",
    "pvrdma",
    "scsi-block",
    "scsi-generic",
    "u2f-",
    "usb-host",
    "vfio",
    "vhost",
    "virtio-input-host",
    "x-pci-proxy",
    "xen-pci-passthrough",
)
"""How the names of models begin that hand something of the host to the guest."""

DEVICE_FILES: Final = frozenset(
    {
        "cdat",
        "evdev",
        "frudatafile",
        "jsonfile",
        "pcap",
        "romfile",
        "rootdir",
        "sdrfile",
        "sysfsdev",
    }
)
"""Properties of models that name files of the host, also relative to where QEMU runs:
``pcap`` is one that each USB device has, and writes. Source: what
``device-list-properties`` of QEMU 7.2 tells of all models, and later releases'
documentation."""


MACHINE_FILES: Final = frozenset({"dtb", "dumpdtb", "firmware", "initrd", "kernel"})
"""Properties of the machine that name files of the host. Source: as above."""


def fault_of_line(arguments: Arguments, reach: Reach) -> str:
    """Look into ``human-monitor-command``: only whole lines that are listed."""
    if not arguments.keys() <= {"command-line", "cpu-index"}:
        return "it has arguments that are not looked into"
    line = arguments.get("command-line")
    if isinstance(line, str) and line in reach.lines:
        return ""
    return (
        f"the line {str(line)[:80]!r} is not one of those that the role may use; they "
        "are compared as a whole"
    )


def fault_of_property(arguments: Arguments, _: Reach) -> str:
    """Look into ``qom-get``: what is secret stays so, however the path is written."""
    name = arguments.get("property")
    if not isinstance(name, str):
        return "property must be a string"
    if name.removeprefix("legacy-") in SECRETS:
        return f"the property {name!r} may hold a secret"
    return ""


def fault_of_set_property(arguments: Arguments, reach: Reach) -> str:
    """Look into ``qom-set``: no secrets, and no files out of reach."""
    fault = fault_of_property(arguments, reach)
    if fault:
        return fault
    name, value = arguments["property"], arguments.get("value")
    if name in DEVICE_FILES | MACHINE_FILES and value != "":
        return reach.fault_of_file(value)
    return reach.fault_of_files({name: value})


def fault_of_object(arguments: Arguments, reach: Reach) -> str:
    """Look into ``object-add``."""
    kind = arguments.get("qom-type")
    if not isinstance(kind, str):
        return "qom-type must be a string"
    if kind not in OBJECT_TYPES and kind not in reach.object_types:
        return f"objects of type {kind[:40]!r} are not the role's to add"
    named = {"file"} if kind == "secret" else set()
    for name, value in arguments.items():
        if name in named and (fault := reach.fault_of_file(value)):
            return f"{name}: {fault}"
        if name == "props":
            return "props is QEMU's older form, and is not looked into"
    return reach.fault_of_files(
        {name: value for name, value in arguments.items() if name != "data"}
    )


def fault_of_device(arguments: Arguments, reach: Reach) -> str:
    """Look into ``device_add``."""
    driver = arguments.get("driver")
    if not isinstance(driver, str):
        return "driver must be a string"
    if driver.startswith(HOST_DEVICES):
        return f"{driver[:40]!r} hands something of the host to the guest"
    for name in arguments.keys() & DEVICE_FILES:
        if arguments[name] != "" and (fault := reach.fault_of_file(arguments[name])):
            return f"{name}: {fault}"
    rest = {
        name: value for name, value in arguments.items() if name not in DEVICE_FILES
    }
    return reach.fault_of_files(rest)


def fault_of_backend(arguments: Arguments, reach: Reach) -> str:
    """Look into ``chardev-add`` and ``chardev-change``."""
    backend = arguments.get("backend")
    kind, data = member(backend, "type"), member(backend, "data")
    if not isinstance(kind, str) or kind not in BACKENDS:
        return f"character devices of type {str(kind)[:40]!r} are not the role's to add"
    if kind == "socket" and (fault := fault_of_socket(member(data, "addr"), reach)):
        return fault
    if kind in ("serial", "parallel", "pipe"):
        fault = reach.fault_of_file(member(data, "device"))
        if fault:
            return fault
    return reach.fault_of_files(data)


def fault_of_network(arguments: Arguments, reach: Reach) -> str:
    """Look into ``netdev_add``: its scripts are programs of the host."""
    kind = arguments.get("type")
    if not isinstance(kind, str) or kind not in NETWORKS:
        return f"network back ends of type {str(kind)[:40]!r} are not looked into"
    if "guestfwd" in arguments:
        return "guestfwd can start programs"
    if kind == "tap":
        if "helper" in arguments:
            return "a helper is a program of the host"
        takes_device = any(name in arguments for name in ("fd", "fds"))
        for name in ("script", "downscript"):
            if not takes_device and arguments.get(name) != "no":
                return f"{name} must be 'no': it is a program of the host"
    for name in ("addr", "remote", "local"):
        address = arguments.get(name)
        if address is not None and (fault := fault_of_socket(address, reach)):
            return fault
    rest = {
        name: value
        for name, value in arguments.items()
        if name not in {"addr", "remote", "local", "script", "downscript"}
    }
    return reach.fault_of_files(rest)


MIGRATION_SCHEMES: Final = ("tcp:", "rdma:", "vsock:")
"""Where a machine may be sent by somebody who may send it: other hosts."""


def fault_of_destination(arguments: Arguments, reach: Reach) -> str:
    """Look into ``migrate`` and its like: no programs, no files out of reach."""
    channels = arguments.get("channels")
    uri = arguments.get("uri")
    if channels is None and uri is None:
        return "uri or channels must be given"
    for channel in channels if isinstance(channels, list) else ():
        if fault := _fault_of_channel(member(channel, "addr"), reach):
            return fault
    if channels is not None and not isinstance(channels, list):
        return "channels must be an array"
    if uri is None:
        return ""
    if not isinstance(uri, str):
        return "uri must be a string"
    if uri.startswith(MIGRATION_SCHEMES):
        return ""
    for scheme in ("unix:", "file:"):
        if uri.startswith(scheme):
            # A comma ends a file's name, but not that of a socket.
            whole = uri.removeprefix(scheme)
            path = whole.partition(",")[0]
            return reach.fault_of_file(path) or reach.fault_of_file(whole)
    if uri.startswith("exec:"):
        return "exec: runs a program on the host"
    return f"the uri {uri[:40]!r} is of no kind that is looked into"


def _fault_of_channel(address: object, reach: Reach) -> str:
    match member(address, "transport"):
        case "socket":
            if member(address, "type") in ("inet", "vsock"):
                return ""
            return fault_of_socket(address, reach)
        case "file":
            return reach.fault_of_file(member(address, "filename"))
        case "rdma":
            return ""
        case "exec":
            return "the transport exec runs a program on the host"
    return "the transport is of no kind that is looked into"


def fault_of_migration_parameters(arguments: Arguments, _: Reach) -> str:
    """Look into ``migrate-set-parameters``: some name programs."""
    for name in arguments:
        if "exec" in name:
            return f"{name} names a program of the host"
    return ""


def fault_of_display(arguments: Arguments, reach: Reach) -> str:
    """Look into ``display-update``: where others may connect to the screen."""
    addresses = arguments.get("addresses", [])
    if not isinstance(addresses, list):
        return "addresses must be an array"
    faults = (fault_of_socket(address, reach) for address in addresses)
    return next(filter(None, faults), "")


def fault_of_properties(_: Arguments, __: Reach) -> str:
    """Look into ``qom-list-get``, which tells all properties of what it is asked."""
    return "it tells properties that may hold secrets, too: see qom-get"


def fault_of_dump(arguments: Arguments, reach: Reach) -> str:
    """Look into ``dump-guest-memory``."""
    protocol = arguments.get("protocol")
    if isinstance(protocol, str) and protocol.startswith("file:"):
        return reach.fault_of_file(protocol.removeprefix("file:"))
    if isinstance(protocol, str) and protocol.startswith("fd:"):
        return "" if reach.takes_descriptors else "descriptors are not the role's"
    return "protocol must be file:PATH or fd:NAME"


def fault_of_written_file(arguments: Arguments, reach: Reach) -> str:
    """Look into the commands that write the file that ``filename`` names."""
    return reach.fault_of_file(arguments.get("filename"))


def fault_of_descriptor(_: Arguments, reach: Reach) -> str:
    """Look whether descriptors may be handed over."""
    return "" if reach.takes_descriptors else "descriptors are not the role's"


Inspector = Callable[[dict[str, Any], Reach], str]

INSPECTORS: Final[dict[str, Inspector]] = {
    "human-monitor-command": fault_of_line,
    "qom-get": fault_of_property,
    "qom-list-get": fault_of_properties,
    "qom-set": fault_of_set_property,
    "object-add": fault_of_object,
    "device_add": fault_of_device,
    "chardev-add": fault_of_backend,
    "chardev-change": fault_of_backend,
    "netdev_add": fault_of_network,
    "blockdev-add": fault_of_added_node,
    "blockdev-reopen": fault_of_reopened_nodes,
    "blockdev-create": fault_of_created_image,
    "x-blockdev-amend": fault_of_created_image,
    "drive-backup": fault_of_target,
    "drive-mirror": fault_of_target,
    "blockdev-change-medium": fault_of_medium,
    "blockdev-snapshot-sync": fault_of_snapshot,
    "change-backing-file": fault_of_backing_file,
    "block-commit": fault_of_job,
    "block-stream": fault_of_job,
    "block-export-add": fault_of_export,
    "nbd-server-start": fault_of_server,
    "migrate": fault_of_destination,
    "migrate-incoming": fault_of_destination,
    "migrate-recover": fault_of_destination,
    "migrate-set-parameters": fault_of_migration_parameters,
    "display-update": fault_of_display,
    "dump-guest-memory": fault_of_dump,
    "memsave": fault_of_written_file,
    "pmemsave": fault_of_written_file,
    "screendump": fault_of_written_file,
    "dumpdtb": fault_of_written_file,
    "dump-skeys": fault_of_written_file,
    "xen-save-devices-state": fault_of_written_file,
    "xen-load-devices-state": fault_of_written_file,
    "getfd": fault_of_descriptor,
    "add-fd": fault_of_descriptor,
    "add_client": fault_of_descriptor,
    "get-win32-socket": fault_of_descriptor,
}
"""What looks into each command's arguments; ``transaction`` is the role's own work."""

NEED_FILE: Final = frozenset(
    {
        "blockdev-change-medium",
        "blockdev-snapshot-sync",
        "change-backing-file",
        "drive-backup",
        "drive-mirror",
        "dump-skeys",
        "dumpdtb",
        "memsave",
        "pmemsave",
        "screendump",
        "xen-load-devices-state",
        "xen-save-devices-state",
    }
)
"""Commands that name a file always: without a directory none of them can be run."""

NEED_NO_LOOK: Final = frozenset({"qom-list-get"})
"""Commands that no arguments make harmless: only an unchecked rule lets them run."""

NEED_DESCRIPTOR: Final = frozenset(
    {"add-fd", "add_client", "get-win32-socket", "getfd"}
)
"""Commands that take a descriptor always."""

ACTIONS: Final = frozenset(
    {
        "block-dirty-bitmap-add",
        "block-dirty-bitmap-clear",
        "block-dirty-bitmap-disable",
        "block-dirty-bitmap-enable",
        "block-dirty-bitmap-merge",
        "block-dirty-bitmap-remove",
        "blockdev-backup",
        "blockdev-snapshot",
        "blockdev-snapshot-internal-sync",
        "blockdev-snapshot-sync",
        "drive-backup",
    }
)
"""Actions of transactions that are commands, too (QEMU 6.2 to 9.2); not ``abort``."""
