"""Plug a device in and out again, again and again, without a single sleep.

Test suites that do this with qemu.qmp wait for DEVICE_DELETED and are caught by its
second copy in the next round, or sleep and hope. `unplug` waits for the one that is
about the device itself, and knows that a guest may refuse.
"""

import asyncio

import qmpx

MACHINE = ["qemu-system-x86_64", "-accel", "tcg", "-display", "none", "-nodefaults"]
ROUNDS = 5


async def main() -> None:
    """Run a machine with a USB controller, and move a tablet in and out."""
    command = [*MACHINE, "-S", "-device", "qemu-xhci"]
    try:
        async with qmpx.launch_async(command) as qemu:
            for _ in range(ROUNDS):
                await qemu.vm.execute("device_add", driver="usb-tablet", id="tablet")
                await qemu.vm.unplug("tablet", timeout=10)
            left = await qemu.vm.execute("qom-list", path="/machine/peripheral")
            print("rounds:", ROUNDS)
            print("left:", [each["name"] for each in left if each["name"] != "type"])
    except qmpx.LaunchError as error:
        print("there is no QEMU here:", error.reason)


if __name__ == "__main__":
    asyncio.run(main())
