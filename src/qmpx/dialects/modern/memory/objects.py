"""Memory that users make for the guest: what is allowed, and what the host has.

Source: QEMU 7.2.22, observed.
"""

import errno
import os
from collections.abc import Mapping
from typing import Any, Final

from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.objects import MemoryBackend
from qmpx.machine.qom.connecting import find_link

MOST_MEMORY: Final = 2**47
"""Bytes of a memory backend: what a process can address."""

PAGE: Final = 4096
"""Bytes of a page of memory."""


def make_memory(kind: str, options: Mapping[str, Any]) -> MemoryBackend:
    """Return memory; nothing is asked of the host yet.

    Raises:
        GenericError: There can be no such memory.
    """
    size = options["size"]
    for name in ("size", "prealloc-threads", "align"):
        if options.get(name) == 0 and name != "align":
            message = f"property '{name}' of {kind} doesn't take value '0'"
            raise GenericError(message)
    if options.get("hugetlbsize") == 0:
        message = f"Property '{kind}.hugetlbsize' doesn't take value '0'"
        raise GenericError(message)
    align = options.get("align", 0)
    if align % PAGE:
        shown = align % (1 << 64)
        message = f"alignment {shown:#x} must be multiples of page size {PAGE:#x}"
        raise GenericError(message)
    kept = {n: v for n, v in options.items() if n != "size"}
    return MemoryBackend(size, kind, kept)


def _check_nodes(options: Mapping[str, Any]) -> None:
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


def complete_memory(machine: Machine, id_: str, made: MemoryBackend) -> None:
    """Check what memory needs of the world, once its id is known to be free.

    Raises:
        CommandError: It cannot be had.
    """
    if made.size >= MOST_MEMORY:
        message = f"cannot set up guest memory '{id_}': Cannot allocate memory"
        raise GenericError(message)
    if made.kind == "memory-backend-memfd" and made.size < 0:
        message = f"failed to resize memfd to {made.size % (1 << 64)}: Invalid argument"
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
    if context := made.option("prealloc-context", otherwise=""):
        find_link(machine, "prealloc-context", "thread-context", str(context))
    if made.kind == "memory-backend-file":
        _open_backing(made)
    _check_nodes(made.options)


def _open_backing(made: MemoryBackend) -> None:
    """Make sure that the file is there, or can be made, with room for the memory."""
    path = str(made.options["mem-path"])
    if made.size < 0:  # beyond the last page, if it is rounded up
        message = f"memory size 0x0 must be equal to or larger than page size {PAGE:#x}"
        raise GenericError(message)
    there = made.size
    try:
        if os.path.isdir(path):
            return  # a file in it would be without a name
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            there = os.fstat(fd).st_size or made.size
            if there == made.size:
                os.ftruncate(fd, made.size)
        finally:
            os.close(fd)
    except OSError as error:
        message = (
            f"can't open backing store {path} for guest RAM: "
            f"{os.strerror(error.errno or errno.EIO)}"
        )
        raise GenericError(message) from None
    if there < made.size:
        message = (
            f"backing store size {there:#x} does not match 'size' option {made.size:#x}"
        )
        raise GenericError(message)
