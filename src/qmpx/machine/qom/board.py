"""Making the objects of a board, with the values that they have on this machine."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from qmpx.machine.qom.objects import QomObject
from qmpx.machine.qom.types import ObjectTemplate, Template
from qmpx.machine.values import changed

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine
    from qmpx.machine.qom.tree import QomTree

FLASHES: Final = ("pflash0", "pflash1")
"""What the properties of a PC are called that name the nodes of its firmware."""

_CONTAINER: Final = ObjectTemplate("container")
_SYSTEM_BUS: Final = ObjectTemplate("System")
_REGION: Final = ObjectTemplate("memory-region")
_FLASH: Final = ObjectTemplate("cfi.pflash01")
_FAMILIES: Final = (
    ("pc-q35", "q35"),
    ("pc-i440fx", "pc"),
    ("isapc", "isapc"),
    ("microvm", "microvm"),
    ("x-remote", "x-remote"),
    ("none", "none"),
)
_UNATTACHED: Final = re.compile(r"(/?machine/unattached/device\[)(\d+)(\].*)")
_SLOT_ROOM: Final = 2**30  # for the alignment of a memory module
_PLACELESS: Final = ("none", "x-remote")
_FIRST: Final = "machine/unattached/device[0]"  # the first processor
_CONTAINERS: Final = ("peripheral", "peripheral-anon", "unattached")


class BoardMaker:
    """Makes the objects of a machine's board.

    Args:
        tree: Which board it is.
        machine: What is on it.
    """

    def __init__(self, tree: "QomTree", machine: "Machine") -> None:
        self._tree = tree
        self._machine = machine

    def make(self) -> QomObject:
        """Return the objects, from the root on; links between them lead nowhere yet."""
        tree = self._tree
        root = QomObject(tree.types, _CONTAINER, "", None)
        template = None if tree.is_bare else template_of(tree, self._machine)
        if template is None:
            machine = root.add("machine", ObjectTemplate(f"{tree.board}-machine"))
            for name in _CONTAINERS:
                machine.add(name, _CONTAINER)
            unattached = machine.children["unattached"]
            unattached.add("sysbus", _SYSTEM_BUS)
            for name in ("io[0]", "system[0]"):
                unattached.add(name, _REGION)
            for number in range(len(FLASHES) if tree.board.startswith("pc-") else 0):
                machine.add(f"system.flash{number}", _FLASH)
        else:
            root.grow(template)
            self._add_flashes(root.children["machine"])
        for name in ("objects", "chardevs"):
            root.children.pop(name, None)
            root.add(name, _CONTAINER)
        return root

    def _add_flashes(self, machine: QomObject) -> None:
        """Make what firmware is stored in, where a node was given for it."""
        for number, place in enumerate(FLASHES):
            node = self._tree.options.get(place)
            if node and f"system.flash{number}" not in machine.children:
                made = machine.add(f"system.flash{number}", _FLASH)
                made.values["drive"] = node

    def settle(self, root: QomObject) -> None:
        """Give the objects their values, now that links are followed."""
        tree = self._tree
        is_placeless = tree.has_board and tree.board in _PLACELESS
        if is_placeless and not tree.processors.is_empty:
            self._add_processor(root)
        has_slots = self._machine.has_acpi or not tree.board.startswith("pc-")
        for each in root.children["machine"].walk():
            tree.age(each)
            if not has_slots and each.isa("PCI"):
                each.values["hotplug-handler"] = ""
        self._make_live(root.children["machine"])
        for each in root.children["machine"].walk():
            known = each.property_types()
            each.is_device = "realized" in known
            tree.globals.give(each, tree.types)
            for name in known:
                if name.startswith("child["):
                    child = tree.follow(root, each.get(name).split("/")[1:])
                    if child is not None:
                        child.values["parent_bus"] = each.path

    def _add_processor(self, root: QomObject) -> None:
        """Make the processor that a board without any has if one is asked for."""
        tree = self._tree
        template = tree.types.template("board", "pc") or {}
        kept = {
            path: changed(facts, type=tree.processors.type) if path == _FIRST else facts
            for path, facts in template.items()
            if path == _FIRST or path.startswith(f"{_FIRST}/")
        }
        kept.setdefault(_FIRST, ObjectTemplate(tree.processors.type))
        root.grow({path: facts for path, facts in kept.items() if "smram" not in path})
        made = tree.follow(root, _FIRST.split("/"))
        if made is not None:
            places = ("socket-id", "die-id", "core-id", "thread-id", "node-id")
            made.values |= dict.fromkeys(places, -1)

    def _make_live(self, machine: QomObject) -> None:
        ours, tree = self._machine, self._tree
        machine.values |= tree.options
        if machine.has("memory-backend"):
            name = tree.ram_name
            machine.values["memory-backend"] = f"/objects/{name}" if name else ""
        machine.live["memory"] = lambda: {
            "size": ours.memory_size,
            **(
                {"slots": tree.memory_slots, "max-size": tree.maximum_memory}
                if tree.memory_slots
                else {}
            ),
        }
        if tree.maximum_memory:
            ours_more = tree.maximum_memory - ours.memory_size
            size = ours_more + tree.memory_slots * _SLOT_ROOM
            machine.values["device-memory-region-size"] = size
            machine.add("device-memory[0]", ObjectTemplate("memory-region"))
            region = machine.children["device-memory[0]"]
            region.values["size"] = size
            link = machine.get("acpi-device") if machine.has("acpi-device") else ""
            controller = tree.follow(machine, link.split("/")[2:]) if link else None
            if controller is not None:
                window = ObjectTemplate("memory-region")
                controller.add("acpi-mem-hotplug[0]", window)
        for slot in tree.processors.slots[: ours.processor_count]:
            shown = self._boot_processor(machine, slot.index)
            if shown is not None:
                known = ours.numa.node_of(slot)
                node = -1 if known is None else known
                threads = tree.processors.apic_id(slot)
                place = {} if tree.board in _PLACELESS else slot.place
                shown.values |= {**place, "node-id": node, "apic-id": threads}
                tree.processors.show(shown)
        machine.live["smp"] = lambda: dict(tree.processors.topology)

    @staticmethod
    def _boot_processor(machine: QomObject, index: int) -> QomObject | None:
        """Return the object of a processor that is there from the start."""
        name = f"device[{index + 1 if index else 0}]"
        return machine.children["unattached"].children.get(name)


def template_of(tree: "QomTree", machine: "Machine") -> Template | None:
    """Return the objects of a board; ``None`` if they are not known."""
    family = next(
        (ours for prefix, ours in _FAMILIES if tree.board.startswith(prefix)), None
    )
    if family is None:
        return None
    template = tree.types.template("board", family)
    if template is None:
        return None
    count, kind = machine.processor_count, tree.processors.type
    return _fit(template, f"{tree.board}-machine", count, kind, tree.room)


def _fit(
    template: Template,
    machine_type: str,
    processors: int,
    processor_type: str,
    room: Sequence[int],
) -> Template:
    """Return a board's objects for so many processors as there are.

    The first processor is ``device[0]``, and the next ones come after ``device[1]``.
    Room is left for devices that the board does not always have.
    """
    more = processors - 1

    def shift(text: Any) -> Any:
        if not (more or room) or not isinstance(text, str):
            return text
        found = _UNATTACHED.fullmatch(text)
        if found is None or int(found[2]) < 2:
            return text
        number = int(found[2])
        number += more + sum(place <= number for place in room)
        return f"{found[1]}{number}{found[3]}"

    fitted: dict[str, ObjectTemplate] = {}
    for path, facts in template.items():
        values = {name: shift(value) for name, value in facts.values.items()}
        kind = machine_type if path == "machine" else facts.type
        if path == _FIRST:
            kind = processor_type
        fitted[shift(path)] = ObjectTemplate(kind, values, facts.more, facts.less)
        if path == _FIRST or path.startswith(f"{_FIRST}/"):
            for number in range(2, 2 + more):
                other = path.replace("device[0]", f"device[{number}]", 1)
                fitted[other] = fitted[shift(path)]
    return dict(sorted(fitted.items(), key=lambda item: item[0].count("/")))
