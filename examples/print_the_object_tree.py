"""Print the tree of a machine's objects, with every property and its value.

What QEMU's own script qom-tree does with qemu.qmp (python/qemu/utils/qom.py in QEMU's
sources). It asks for one property after the other, and each waits for the one before.
Here all properties of an object are asked for in one write.

Usage: print_the_object_tree.py [ADDRESS [PATH]]; without an address it starts a
machine.
"""

import sys

import qmpx

STAND_IN = [sys.executable, "-m", "qmpx", "standin", "--"]  # or a QEMU


def print_tree(vm: qmpx.Client, path: str) -> None:
    """Print an object, its properties, and the objects below it."""
    items = vm.execute("qom-list", path=path)
    children = [x["name"] for x in items if x["type"].startswith("child<")]
    names = [x["name"] for x in items if x["name"] not in {*children, "type"}]
    asked = [("qom-get", {"path": path, "property": name}) for name in names]
    print(path)
    for name, value in zip(
        names, vm.execute_many(asked, return_errors=True), strict=True
    ):
        shown = f"<{value.desc}>" if isinstance(value, qmpx.CommandError) else value
        print(f"  {name}: {shown}")
    for child in children:
        print_tree(vm, f"{path.rstrip('/')}/{child}")


def main() -> None:
    """Print the tree of the machine that is named, or of one of our own."""
    if sys.argv[1:]:
        with qmpx.connect(sys.argv[1]) as vm:
            print_tree(vm, sys.argv[2] if sys.argv[2:] else "/machine")
        return
    with qmpx.launch([*STAND_IN, "-nodefaults", "-device", "VGA"]) as qemu:
        print_tree(qemu.vm, "/machine/peripheral-anon")


if __name__ == "__main__":
    main()
