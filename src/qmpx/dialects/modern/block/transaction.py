"""Bitmaps and snapshots, each alone or many at once: all of them, or none.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from msgspec import Raw, Struct

from qmpx.dialects.modern.block.info import snapshot_info
from qmpx.dialects.modern.jobs import backup
from qmpx.dialects.modern.replies import SnapshotInfo
from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.block import bitmap_changes, changes, snapshot_changes
from qmpx.machine.block.changes import Change
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Described
from qmpx.wire.encode import encode

commands = CommandRegistry(reads_late=True)

BitmapOrName = Annotated[Any, Described("BlockDirtyBitmapOrStr")]


def _one(machine: Machine, change: Callable[..., Change], **arguments: Any) -> None:
    graph = machine.blocks
    changes.make([lambda: change(graph, **arguments)])


@commands.command("block-dirty-bitmap-add")
def block_dirty_bitmap_add(
    machine: Machine,
    *,
    node: str,
    name: str,
    granularity: Annotated[int, Described("uint32")] | None = None,
    persistent: bool = False,
    disabled: bool = False,
) -> None:
    """Begin to note what is written to a node."""
    _one(
        machine,
        bitmap_changes.add,
        node=node,
        name=name,
        granularity=granularity,
        persistent=persistent,
        disabled=disabled,
    )


@commands.command("block-dirty-bitmap-remove")
def block_dirty_bitmap_remove(machine: Machine, *, node: str, name: str) -> None:
    """Forget a bitmap."""
    _one(machine, bitmap_changes.remove, node=node, name=name)


@commands.command("block-dirty-bitmap-clear")
def block_dirty_bitmap_clear(machine: Machine, *, node: str, name: str) -> None:
    """Let nothing be dirty."""
    _one(machine, bitmap_changes.clear, node=node, name=name)


@commands.command("block-dirty-bitmap-enable")
def block_dirty_bitmap_enable(machine: Machine, *, node: str, name: str) -> None:
    """Note writes from now on."""
    _one(machine, bitmap_changes.enable, node=node, name=name)


@commands.command("block-dirty-bitmap-disable")
def block_dirty_bitmap_disable(machine: Machine, *, node: str, name: str) -> None:
    """Note writes no more."""
    _one(machine, bitmap_changes.disable, node=node, name=name)


@commands.command("block-dirty-bitmap-merge")
def block_dirty_bitmap_merge(
    machine: Machine, *, node: str, target: str, bitmaps: list[BitmapOrName]
) -> None:
    """Let a bitmap have what others have, too."""
    for number, each in enumerate(bitmaps):
        check_bitmap(each, f"bitmaps[{number}]")
    _one(machine, bitmap_changes.merge, node=node, target=target, bitmaps=bitmaps)


def check_bitmap(value: Any, at: str) -> None:
    """Make sure that it is a name, or a node and a name.

    Args:
        value: What was given for ``BlockDirtyBitmapOrStr``.
        at: Where, for the error's text.

    Raises:
        GenericError: It is neither.
    """
    if isinstance(value, str):
        return
    if not isinstance(value, dict):
        message = "Invalid parameter type for 'null', expected: BlockDirtyBitmapOrStr"
        raise GenericError(message)
    for key in ("node", "name"):
        if key not in value:
            message = f"Parameter '{at}.{key}' is missing"
            raise GenericError(message)
        if not isinstance(value[key], str):
            message = f"Invalid parameter type for '{at}.{key}', expected: string"
            raise GenericError(message)
    for key in value.keys() - {"node", "name"}:
        message = f"Parameter '{at}.{key}' is unexpected"
        raise GenericError(message)


@commands.command("blockdev-snapshot", features=("allow-write-only-overlay",))
def blockdev_snapshot(machine: Machine, *, node: str, overlay: str) -> None:
    """Let writes go to an overlay that is there already."""
    machine.blocks.jobs.drain()
    _one(machine, snapshot_changes.put_node, node=node, overlay=overlay)


@commands.command("blockdev-snapshot-sync")
def blockdev_snapshot_sync(
    machine: Machine,
    *,
    device: str | None = None,
    node_name: str | None = None,
    snapshot_file: str,
    snapshot_node_name: str | None = None,
    format_: str = "qcow2",
    mode: Literal["existing", "absolute-paths"] = "absolute-paths",
) -> None:
    """Let writes go to an image file."""
    machine.blocks.jobs.drain()
    _one(
        machine,
        snapshot_changes.put_file,
        device=device,
        node_name=node_name,
        snapshot_file=snapshot_file,
        snapshot_node_name=snapshot_node_name,
        format_=format_,
        mode=mode,
    )


@commands.command("blockdev-snapshot-internal-sync")
def blockdev_snapshot_internal_sync(
    machine: Machine, *, device: str, name: str
) -> None:
    """Keep the data of an image in the image itself."""
    machine.blocks.jobs.drain()
    _one(machine, snapshot_changes.save_inside, device=device, name=name)


@commands.command("blockdev-snapshot-delete-internal-sync")
def blockdev_snapshot_delete_internal_sync(
    machine: Machine, *, device: str, id_: str | None = None, name: str | None = None
) -> SnapshotInfo:
    """Forget what was kept in an image."""
    shot = snapshot_changes.delete_inside(
        machine.blocks, device=device, id_=id_, name=name
    )
    return snapshot_info(shot)


_MAKERS: Final[dict[str, Callable[..., Change]]] = {
    "block-dirty-bitmap-add": bitmap_changes.add,
    "block-dirty-bitmap-remove": bitmap_changes.remove,
    "block-dirty-bitmap-clear": bitmap_changes.clear,
    "block-dirty-bitmap-enable": bitmap_changes.enable,
    "block-dirty-bitmap-disable": bitmap_changes.disable,
    "block-dirty-bitmap-merge": bitmap_changes.merge,
    "blockdev-snapshot": snapshot_changes.put_node,
    "blockdev-snapshot-sync": snapshot_changes.put_file,
    "blockdev-snapshot-internal-sync": snapshot_changes.save_inside,
}


class Properties(Struct, rename="kebab", forbid_unknown_fields=True):
    """How a transaction is carried out."""

    completion_mode: Literal["individual", "grouped"] = "individual"


Action = Annotated[
    dict[str, Any],
    Described(
        "TransactionAction", {*_MAKERS, "abort", "blockdev-backup", "drive-backup"}
    ),
]

MAX_ACTIONS: Final = 4096
"""Actions of one transaction: libvirt sends a few for each disk."""


@commands.command("transaction")
def transaction(
    machine: Machine,
    *,
    actions: list[Action],
    properties: Properties | None = None,
) -> None:
    """Do several things, all of them or none."""
    graph = machine.blocks
    if len(actions) > MAX_ACTIONS:
        message = f"more than {MAX_ACTIONS} actions"
        raise GenericError(message)
    mode = "individual" if properties is None else properties.completion_mode
    planned = [
        _plan(machine, action, mode, number) for number, action in enumerate(actions)
    ]
    graph.jobs.drain()
    made = list[Change]()

    def keep(plan: Callable[[], Change]) -> Change:
        made.append(plan())
        return made[-1]

    steps = [_bind(keep, plan) for plan in planned]
    if mode == "grouped":
        steps.append(lambda: _group(made))
    changes.make(steps)


def _bind(
    keep: Callable[[Callable[[], Change]], Change], plan: Callable[[], Change]
) -> Callable[[], Change]:
    return lambda: keep(plan)


def _group(made: list[Change]) -> Change:
    changes.group(change.job for change in made if change.job is not None)
    return Change()


def _plan(
    machine: Machine, action: dict[str, Any], mode: str, number: int
) -> Callable[[], Change]:
    for key in ("type", "data"):
        if key not in action:
            message = f"Parameter 'actions[{number}].{key}' is missing"
            raise GenericError(message)
    kind, data = action["type"], action["data"]
    if kind == "abort":
        return _abort
    if kind in ("blockdev-backup", "drive-backup"):
        to_file = kind == "drive-backup"
        backup.commands[kind].signature.read(Raw(encode(data)))
        return lambda: backup.start_backup(machine, data, to_file=to_file)
    if kind not in _MAKERS:
        message = f"Parameter 'type' does not accept value '{kind}'"
        raise GenericError(message)
    if mode == "grouped":
        return lambda: _refuse_grouping(kind)
    arguments = commands[kind].signature.read(Raw(encode(data)))
    maker = _MAKERS[kind]
    return lambda: maker(machine.blocks, **arguments)


def _refuse_grouping(kind: str) -> Change:
    message = (
        f"Action '{kind}' does not support Transaction property "
        "completion-mode = grouped"
    )
    raise GenericError(message)


def _abort() -> Change:
    message = "Transaction aborted using Abort action"
    raise GenericError(message)
