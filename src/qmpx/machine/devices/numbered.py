"""ISA and virtio-serial: buses on which things have numbers of their own."""

from typing import Final

from qmpx.machine.devices.device import ANY, Bus, Device, Refusal

SERIAL_PORTS: Final = ((0x3F8, 4), (0x2F8, 3), (0x3E8, 4), (0x2E8, 3))
"""I/O base and interrupt of a PC's serial ports."""

PARALLEL_PORTS: Final = ((0x378, 7), (0x278, 7), (0x3BC, 7))
"""I/O base and interrupt of a PC's parallel ports."""

_PORTS: Final = {"isa-serial": SERIAL_PORTS, "isa-parallel": PARALLEL_PORTS}

CONSOLE: Final = "virtconsole"
"""The model that may have number 0, which guests take for their console."""


class IsaBus(Bus):
    """The ISA bus: serial and parallel ports get number, address and interrupt."""

    def admit(self, device: Device) -> None:
        """Number a port, if it is one and nobody has."""
        ports = _PORTS.get(device.model.name)
        if ports is None:
            return
        values = device.values
        if values["index"] == ANY:
            before = [d for d in self.children if d.model is device.model]
            values["index"] = len(before) - 1
        if values["index"] >= len(ports):
            limit = "serial" if ports is SERIAL_PORTS else "parallel"
            message = f"Max. supported number of ISA {limit} ports is {len(ports)}."
            raise Refusal(message)
        base, irq = ports[values["index"]]
        if values["iobase"] == ANY:
            values["iobase"] = base
        if values["irq"] == ANY:
            values["irq"] = irq


class VirtioSerialBus(Bus):
    """The bus of a virtio-serial controller.

    Attributes:
        ports: What is on it, by number.
    """

    def prepare(self) -> None:
        """Begin with an empty bus."""
        self.ports: dict[int, Device] = {}

    def admit(self, device: Device) -> None:
        """Give a port the number it asks for, or the first that is free."""
        most = self.parent.values["max_ports"] if self.parent is not None else 1
        number = device.values["nr"]
        if number == ANY:
            first = 0 if device.model.name == CONSOLE else 1
            free = range(first, most)
            number = next((at for at in free if at not in self.ports), most)
            if number == most:
                message = (
                    "virtio-serial-bus: Maximum port limit for this device reached"
                )
                raise Refusal(message)
        elif number >= most:
            message = (
                "virtio-serial-bus: Out-of-range port id specified, max. allowed: "
                f"{most - 1}"
            )
            raise Refusal(message)
        elif number in self.ports:
            message = f"virtio-serial-bus: A port already exists at id {number}"
            raise Refusal(message)
        device.values["nr"] = number
        self.ports[number] = device

    def dismiss(self, device: Device) -> None:
        """Free the number."""
        if self.ports.get(device.values["nr"]) is device:
            del self.ports[device.values["nr"]]

    def place(self, device: Device) -> str:
        """Return the number."""
        return str(device.values["nr"])
