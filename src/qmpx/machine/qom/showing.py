"""Showing, among the objects of a machine, what is kept elsewhere.

That is what users have created, character devices, and consoles.
"""

from typing import TYPE_CHECKING, Final

from qmpx.machine.qom.objects import QomObject
from qmpx.machine.qom.types import ObjectTemplate

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine
    from qmpx.machine.qom.tree import QomTree

_CONTAINER: Final = ObjectTemplate("container")
_CONSOLE: Final = ObjectTemplate(
    "qemu-console", more={"device": "link<device>", "head": "uint32"}
)

SCREENS: Final = (
    *("VGA", "cirrus-vga", "isa-vga", "isa-cirrus-vga", "qxl", "virtio-vga"),
    *("virtio-gpu", "bochs-display", "vmware-svga", "ramfb", "secondary-vga"),
    "ati-vga",
)
"""How the types of devices begin that have a screen."""


class Showcase:
    """Shows what is kept elsewhere, as it is when somebody looks.

    Args:
        tree: Where it is shown.
        machine: Where it is kept.
    """

    def __init__(self, tree: "QomTree", machine: "Machine") -> None:
        self._tree = tree
        self._machine = machine
        self._shown: dict[str, object] = {}  # the objects of users that can be seen

    def clear(self) -> None:
        """Forget what was shown: the objects are made anew."""
        self._shown.clear()

    def show(self, root: QomObject) -> None:
        """Bring what is shown up to date."""
        tree = self._tree
        objects = root.children["objects"]
        created = dict(self._machine.objects)
        if tree.is_bare and tree.has_own_ram and tree.ram_name is not None:
            created.pop(tree.ram_name, None)  # that comes with the board
        for name in list(objects.children):
            if self._shown.get(name) is not created.get(name):
                del objects.children[name]
        for name, made in created.items():
            if name not in objects.children:
                self._shown[name] = made
                shown = objects.add(name, ObjectTemplate(made.kind))
                shown.called = name
                if made.kind.startswith("memory-backend-"):
                    count = self._machine.processor_count
                    shown.values["prealloc-threads"] = count
                made.show(shown)
        chardevs = root.children["chardevs"]
        devices = self._machine.__dict__.get("characters")
        labels = {} if devices is None else {d.label: d for d in devices}
        for name in [name for name in chardevs.children if name not in labels]:
            del chardevs.children[name]
        for name, device in labels.items():
            if name not in chardevs.children:
                kind = f"chardev-{device.filename.partition(':')[0]}"
                chardevs.add(name, ObjectTemplate(kind))
        texts = sum(device.filename.startswith("vc") for device in labels.values())
        self._show_consoles(root, texts)

    def _show_consoles(self, root: QomObject, texts: int) -> None:
        """Show what can be looked at: the screens of devices, and texts behind them."""
        machine = root.children["machine"]
        seen = [
            (shown.path, head)
            for place in ("unattached", "peripheral", "peripheral-anon")
            for shown in machine.children[place].children.values()
            if shown.type.startswith(SCREENS)
            for head in range(_heads(shown))
        ] + [("", 0)] * texts
        if not seen:
            root.children.pop("backend", None)
            return
        backend = root.children.get("backend") or root.add("backend", _CONTAINER)
        for name in list(backend.children)[len(seen) :]:
            del backend.children[name]
        for number, (path, head) in enumerate(seen):
            name = f"console[{number}]"
            shown = backend.children.get(name) or backend.add(name, _CONSOLE)
            shown.values.update(device=path, head=head)


def _heads(screen: QomObject) -> int:
    """Return how many pictures a device shows."""
    return int(screen.get("max_outputs")) if screen.has("max_outputs") else 1
