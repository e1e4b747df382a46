"""Take PCI devices out of a machine before the host sleeps, and put them back after.

What the script `hotplug` of Ghaf does with qemu.qmp (github.com/tiiuae/ghaf,
packages/python-packages/hotplug): find devices by vendor and product, unplug them, note
them in a file, and plug them in again from that file. There a device counts as gone
when `device_del` has returned; in truth the guest has only been asked. Here `unplug`
waits until it is gone, or says that the guest refused.

It prints::

    taken out: ['8086:10d3']
    left: []
    put back: ['8086:10d3']
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import qmpx

STAND_IN = [sys.executable, "-m", "qmpx", "standin", "--"]  # or a QEMU
DRIVERS = {"8086:10d3": "e1000e"}  # Ghaf asks /sys for the host's device, for vfio-pci


def devices(found: list[dict[str, Any]], bus: str = "") -> Iterator[dict[str, str]]:
    """Yield the devices that have an id, with the id of the bridge above them."""
    for device in found:
        kind = "{vendor:04x}:{device:04x}".format(**device["id"])
        if device["qdev_id"]:
            yield {"kind": kind, "id": device["qdev_id"], "bus": bus}
        below = device.get("pci_bridge", {}).get("devices", [])
        yield from devices(below, device["qdev_id"])


def detach(vm: qmpx.Client, kinds: set[str], state: Path) -> None:
    """Unplug all devices of some kinds, and note them."""
    buses = vm.execute("query-pci")
    there = [device for bus in buses for device in devices(bus["devices"])]
    chosen = [device for device in there if device["kind"] in kinds]
    for device in chosen:
        vm.unplug(device["id"], timeout=10)
    state.write_text(json.dumps(chosen))
    print("taken out:", [device["kind"] for device in chosen])


def attach(vm: qmpx.Client, state: Path) -> None:
    """Plug in again what was noted."""
    noted = json.loads(state.read_text())
    for device in noted:
        driver = DRIVERS[device["kind"]]
        vm.execute("device_add", driver=driver, id=device["id"], bus=device["bus"])
    state.unlink()
    print("put back:", [device["kind"] for device in noted])


def main() -> None:
    """Move the network adapter of a machine out and in."""
    with tempfile.TemporaryDirectory() as folder:
        machine = [*STAND_IN, "--guest", "obedient", "-M", "q35", "-nodefaults"]
        machine += ["-device", "pcie-root-port,id=port", "-device"]
        with qmpx.launch([*machine, "e1000e,id=nic,bus=port"]) as qemu:
            state = Path(folder, "devices.json")
            detach(qemu.vm, {"8086:10d3"}, state)
            left = qemu.vm.execute("qom-list", path="/machine/peripheral")
            print("left:", [x["name"] for x in left if x["name"] == "nic"])
            attach(qemu.vm, state)


if __name__ == "__main__":
    main()
