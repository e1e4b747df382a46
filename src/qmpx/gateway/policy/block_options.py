"""Looks into the commands that open, make or serve images. Pure.

Each function takes a command's arguments and what they may reach, and says what is
wrong; empty if nothing is.

An image's own header can name more files: a backing file, above all. So a format that
has one must be told which (``backing``; null for none), and nothing may be left to
probing, by which a guest that writes a raw disk chooses the format. A qcow2 header may
name a data file, too, which nothing in the options can rule out: such an image is
looked at before it is opened, or the role trusts it, or it is not opened.

Source: QEMU 7.2, ``qapi/block-core.json``; that a header's backing file is opened where
``backing`` is absent, and that a format that is absent is probed, was observed there.
"""

from typing import Any, Final

from qmpx.gateway.policy.reach import FILE_DRIVERS, Reach, member

Arguments = dict[str, Any]

BACKED_DRIVERS: Final = frozenset({"qcow2", "qcow", "qed"})
"""Formats whose header may name a backing file."""

INNER_DRIVERS: Final = frozenset(
    {
        "blkdebug",
        "blklogwrites",
        "blkverify",
        "bochs",
        "cloop",
        "compress",
        "copy-before-write",
        "copy-on-read",
        "dmg",
        "luks",
        "null-aio",
        "null-co",
        "parallels",
        "preallocate",
        "quorum",
        "raw",
        "snapshot-access",
        "throttle",
        "vdi",
        "vhdx",
        "vpc",
    }
)
"""Drivers that open nothing but the nodes that they are given. Not ``vmdk``, whose
descriptor names files, nor ``vvfat``, which shows directories."""


def fault_of_node(options: object, reach: Reach) -> str:
    """Say what is wrong with a block node's options, and with those within them."""
    if isinstance(options, str) or options is None:
        return ""  # the name of a node that is there; or none
    driver = member(options, "driver")
    if not isinstance(options, dict) or not isinstance(driver, str):
        return "a block node needs a driver, and no probing"
    if driver in FILE_DRIVERS:
        fault = reach.fault_of_file(options.get("filename"))
        if fault:
            return f"driver {driver}: {fault}"
    elif driver in BACKED_DRIVERS:
        if "backing" not in options:
            return (
                f"driver {driver}: backing must be given, null for none; else the "
                "image itself names a file"
            )
        if driver == "qcow2" and "data-file" not in options:
            fault = reach.fault_of_header(options.get("file"))
            if fault:
                return f"driver {driver}: {fault}"
    elif driver not in INNER_DRIVERS and driver not in reach.drivers:
        return f"driver {driver[:40]!r} is not one of the role's"
    for name, value in options.items():
        children = value if isinstance(value, list) else [value]
        for child in children:
            if isinstance(child, dict) and "driver" in child:
                if fault := fault_of_node(child, reach):
                    return f"{name}: {fault}"
            elif name == "filename" and driver in FILE_DRIVERS:
                continue
            elif fault := reach.fault_of_files(child, name):
                return fault
    return ""


def fault_of_added_node(arguments: Arguments, reach: Reach) -> str:
    """Look into ``blockdev-add``."""
    return fault_of_node(arguments, reach)


def fault_of_reopened_nodes(arguments: Arguments, reach: Reach) -> str:
    """Look into ``blockdev-reopen``."""
    options = arguments.get("options")
    if not isinstance(options, list):
        return "options must be an array"
    faults = (fault_of_node(each, reach) for each in options)
    return next(filter(None, faults), "")


def fault_of_created_image(arguments: Arguments, reach: Reach) -> str:
    """Look into ``blockdev-create``, and ``x-blockdev-amend``."""
    options = arguments.get("options")
    driver = member(options, "driver")
    if not isinstance(options, dict) or not isinstance(driver, str):
        return "options need a driver"
    known = {"file"} | BACKED_DRIVERS | INNER_DRIVERS
    if driver not in known and driver not in reach.drivers:
        return f"driver {driver[:40]!r} is not one of the role's"
    for name, value in options.items():
        # These two are said to the header, and opened whenever the image is.
        if name in {"backing-file", "filename"}:
            fault = reach.fault_of_file(value)
        elif isinstance(value, dict) and "driver" in value:
            fault = fault_of_node(value, reach)
        else:
            fault = reach.fault_of_files(value, name)
        if fault:
            return f"{name}: {fault}"
    return ""


def fault_of_target(arguments: Arguments, reach: Reach) -> str:
    """Look into ``drive-backup`` and ``drive-mirror``."""
    if not isinstance(arguments.get("format"), str):
        return "format must be given: it must not be probed"
    if arguments.get("mode") == "existing" and arguments["format"] != "raw":
        return "mode existing takes what the image's own header names"
    return reach.fault_of_file(arguments.get("target"))


def fault_of_medium(arguments: Arguments, reach: Reach) -> str:
    """Look into ``blockdev-change-medium``."""
    if arguments.get("format") != "raw":
        return "format must be raw: others name more files, or are probed"
    return reach.fault_of_file(arguments.get("filename"))


def fault_of_snapshot(arguments: Arguments, reach: Reach) -> str:
    """Look into ``blockdev-snapshot-sync``."""
    if arguments.get("mode") == "existing":
        return "mode existing takes what the image's own header names"
    return reach.fault_of_file(arguments.get("snapshot-file"))


def fault_of_backing_file(arguments: Arguments, reach: Reach) -> str:
    """Look into ``change-backing-file``."""
    return reach.fault_of_file(arguments.get("backing-file"))


def fault_of_job(arguments: Arguments, reach: Reach) -> str:
    """Look into ``block-commit`` and ``block-stream``, which may rename a file."""
    if "backing-file" not in arguments:
        return ""
    return fault_of_backing_file(arguments, reach)


def fault_of_export(arguments: Arguments, reach: Reach) -> str:
    """Look into ``block-export-add``."""
    kind = arguments.get("type")
    if kind not in ("nbd", "fuse", "vhost-user-blk"):
        return f"exports of type {str(kind)[:40]!r} are not looked into"
    if kind == "vhost-user-blk":
        return fault_of_socket(arguments.get("addr"), reach)
    return reach.fault_of_files(arguments)


def fault_of_server(arguments: Arguments, reach: Reach) -> str:
    """Look into ``nbd-server-start``."""
    return fault_of_socket(arguments.get("addr"), reach)


def fault_of_socket(address: object, reach: Reach) -> str:
    """Say what is wrong with a socket's address: files elsewhere, or other hosts."""
    kind, data = member(address, "type"), member(address, "data")
    fields = data if isinstance(data, dict) else address
    if kind == "unix":
        if member(fields, "abstract") is True:
            return "abstract names lie in no directory"
        return reach.fault_of_file(member(fields, "path"))
    if kind == "inet":
        host = member(fields, "host")
        if host in ("127.0.0.1", "::1", "localhost"):
            return ""
        return f"host {str(host)[:40]!r} is not this one"
    return f"addresses of type {str(kind)[:40]!r} are not looked into"
