"""NUMA nodes: describing them before the machine is built, and looking at them.

Source: QEMU 7.2.22, observed; its schema file ``machine.json``.
"""

from typing import Annotated

import msgspec
from msgspec import Struct

from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Boxed, Described, Size, Values

commands = CommandRegistry(reads_late=True)

_Byte = Annotated[int, Described("uint8")]
_Short = Annotated[int, Described("uint16")]
_Word = Annotated[int, Described("uint32")]


class _Numa(
    Struct, tag_field="type", rename="kebab", forbid_unknown_fields=True, kw_only=True
):
    pass


class NumaNodeOptions(_Numa, tag="node", kw_only=True):
    """A node of memory and processors."""

    nodeid: _Short | None = None
    cpus: list[_Short] | None = None
    mem: Size | None = None
    memdev: str | None = None
    initiator: _Short | None = None


class NumaDistOptions(_Numa, tag="dist", kw_only=True):
    """How far it is from one node to another."""

    src: _Short
    dst: _Short
    val: _Byte


class NumaCpuOptions(_Numa, tag="cpu", kw_only=True):
    """The node of a processor."""

    node_id: int | None = None
    socket_id: int | None = None
    die_id: int | None = None
    cluster_id: int | None = None
    core_id: int | None = None
    thread_id: int | None = None


class NumaHmatLBOptions(_Numa, tag="hmat-lb", kw_only=True):
    """How quick memory is."""

    initiator: _Short
    target: _Short
    hierarchy: Annotated[
        str, Values("memory", "first-level", "second-level", "third-level")
    ]
    data_type: Annotated[
        str,
        Values(
            "access-latency",
            "read-latency",
            "write-latency",
            "access-bandwidth",
            "read-bandwidth",
            "write-bandwidth",
        ),
    ]
    latency: Size | None = None
    bandwidth: Size | None = None


class NumaHmatCacheOptions(_Numa, tag="hmat-cache", kw_only=True):
    """What lies before memory."""

    node_id: _Word
    size: Size
    level: _Byte
    associativity: Annotated[str, Values("none", "direct", "complex")]
    policy: Annotated[str, Values("none", "write-back", "write-through")]
    line: _Short


NumaOptions = (
    NumaNodeOptions
    | NumaDistOptions
    | NumaCpuOptions
    | NumaHmatLBOptions
    | NumaHmatCacheOptions
)


@commands.command("set-numa-node")
def set_numa_node(
    machine: Machine, *, options: Annotated[NumaOptions, Boxed()]
) -> None:
    """Describe a node, or what is on it, before the machine is built.

    Raises:
        GenericError: The machine is there already, or it contradicts what was said.
    """
    if machine.numa.is_complete:
        message = "The command is permitted only before the machine has been created"
        raise GenericError(message)
    values = msgspec.to_builtins(options)
    machine.numa.add({k: v for k, v in values.items() if v is not None})
