"""What a board has without being asked: a screen, ports, drives, a network adapter.

Each is left out if the command line says what there is to be instead, and all of them
with ``-nodefaults``.

Source: QEMU 7.2.22, observed; the names of models are QEMU's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from qmpx.errors import CommandError
from qmpx.machine.drive import Interface, Kind
from qmpx.machine.network.options import OPTIONS
from qmpx.standin.failure import StartFailure
from qmpx.standin.option_lists import OptionList

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from qmpx.machine import Machine
    from qmpx.machine.network.requests import NicRequest
    from qmpx.standin.command_line import CommandLine

_UNNAMED: Final = "#net{}00"
"""The name of what ``-net`` makes without one; QEMU makes it of a counter, and of two
digits by chance."""

_DISPLAYS: Final = {
    "std": "VGA",
    "cirrus": "cirrus-vga",
    "qxl": "qxl-vga",
    "virtio": "virtio-vga",
    "vmware": "vmware-svga",
}
_NETWORKS: Final = ("net", "nic")
_NICS: Final = {"virtio": "virtio-net-pci"}
_REPLACED: Final = {
    "serial": ("isa-serial", "xen-console"),
    "parallel": ("isa-parallel",),
    "floppy": ("isa-fdc", "floppy"),
    "cdrom": ("ide-cd", "ide-hd", "scsi-cd", "scsi-hd"),
    "display": (
        *("VGA", "isa-vga", "cirrus-vga", "isa-cirrus-vga", "vmware-svga", "qxl-vga"),
        *("virtio-vga", "ati-vga", "vhost-user-vga", "virtio-vga-gl"),
    ),
}


@dataclass(frozen=True, slots=True)
class Board:
    """Where a board puts what it has by default.

    Attributes:
        display: Its adapter, as the device before which it comes in the order of the
            board's own devices, and its model.
        serial: The same for serial ports.
        parallel: And for parallel ports.
        floppies: And for floppy drives.
        nic: And for network adapters.
        disks: And for disks and CD drives.
        disk_bus: The bus of a disk; ``N`` stands for its number.
        disk_buses: How many of these there are.
        units: How many disks there are on a bus.
        usb: And for USB controllers, which are there only if they are asked for: each
            as ``-device`` has it.
    """

    display: tuple[int, str] | None = None
    serial: int | None = None
    parallel: int | None = None
    floppies: int | None = None
    nic: tuple[int, str] | None = None
    disks: int | None = None
    disk_bus: str = ""
    disk_buses: int = 2
    units: int = 2
    usb: tuple[int, Sequence[Mapping[str, str]]] = (0, ())


_ICH9_USB: Final = (
    {"driver": "ich9-usb-ehci1", "addr": "1d.7", "multifunction": "on"},
    *(
        {
            "driver": f"ich9-usb-uhci{number + 1}",
            "addr": f"1d.{number}",
            "multifunction": "on",
            "masterbus": "usb-bus.0",
            "firstport": str(2 * number),
        }
        for number in range(3)
    ),
)
"""A controller for high speed, and its companions for low ones."""

BOARDS: Final = {
    "pc-i440fx": Board(
        display=(8, "VGA"),
        serial=12,
        parallel=12,
        floppies=13,
        nic=(17, "e1000"),
        disks=18,
        disk_bus="ide.N",
        usb=(18, ({"driver": "piix3-usb-uhci", "addr": "01.2"},)),
    ),
    "pc-q35": Board(
        display=(25, "VGA"),
        serial=11,
        parallel=11,
        nic=(25, "e1000e"),
        disks=16,
        disk_bus="ide.N",
        disk_buses=6,
        units=1,
        usb=(16, _ICH9_USB),
    ),
    "isapc": Board(
        display=(6, "isa-cirrus-vga"),
        serial=9,
        parallel=9,
        floppies=10,
        nic=(14, "ne2k_isa"),
        disks=16,
        disk_bus="ide.N",
    ),
    "microvm": Board(serial=33),
}
"""What the boards have, by how their names begin; the others have none."""

_HAS_PORTS: Final = ("pc-", "isapc", "microvm")


class BoardDevice(NamedTuple):
    """A device that the board is to have.

    Attributes:
        place: The device of the bare board before which it comes.
        options: What it is, as ``-device`` has it.
        vlan: The hub that it is on, if it is a network adapter on one.
    """

    place: int
    options: dict[str, Any]
    vlan: int | None = None


def board_of(machine_type: str) -> Board:
    """Return what a machine of that name has."""
    for prefix, board in BOARDS.items():
        if machine_type.startswith(prefix):
            return board
    return Board()


def wants(line: CommandLine, what: str) -> bool:
    """Whether a default is to be there: nothing on the command line replaces it.

    For QEMU a ``-global`` for a type replaces it, too.
    """
    given = {driver for driver, _, _ in line.globals}
    given.update(
        str(backend.values.get("driver"))
        for backend in line.backends
        if backend.option == "-device"
    )
    return line.has_defaults and given.isdisjoint(_REPLACED[what])


def default_ports(line: CommandLine, machine_type: str) -> Iterator[str]:
    """Yield the options of the ports that are there by default."""
    if not line.has_defaults or not machine_type.startswith(_HAS_PORTS):
        return
    given = {port.option for port in line.ports}
    for what in ("serial", "parallel"):
        if f"-{what}" not in given and wants(line, what):
            yield f"-{what}"


def default_drives(line: CommandLine, machine_type: str) -> Iterator[OptionList]:
    """Yield the drives without a medium that are there by default."""
    if not line.has_defaults or not machine_type.startswith(_HAS_PORTS):
        return
    if wants(line, "cdrom"):
        where = "if=none," if machine_type.startswith("microvm") else ""
        yield OptionList("-drive", f"{where}index=2,media=cdrom")
    if board_of(machine_type).floppies is not None and wants(line, "floppy"):
        yield OptionList("-drive", "if=floppy,index=0")
    yield OptionList("-drive", "if=sd,index=0")


def is_network_chosen(line: CommandLine) -> bool:
    """Whether the machine's network is not the one that it has by default."""
    return (
        not line.has_defaults
        or any(name in _NETWORKS for name, _ in line.kept)
        or any(backend.option == "-netdev" for backend in line.backends)
    )


def make_networks(line: CommandLine, machine: Machine) -> list[NicRequest]:
    """Do what ``-net`` and ``-nic`` ask for, or make the default network.

    Returns:
        The adapters that the board is to have.

    Raises:
        StartFailure: Something cannot be made.
    """
    asked = [(name, text) for name, text in line.kept if name in _NETWORKS]
    if not is_network_chosen(line):
        asked = [("net", "nic"), ("net", "user")]
    requests = []
    for number, (name, text) in enumerate(asked):
        options = OptionList(f"-{name}", text, None, "type")
        kind = options.get("type", "")
        if kind == "none":
            continue
        if kind not in OPTIONS:
            message = f"Parameter 'type' does not accept value '{kind}'"
            raise options.failure(message)
        if name == "nic":
            requests.append(_pair(machine, options))
        elif kind == "nic":
            requests.append(_note(machine, options, dict(options)))
        else:
            named = {"name": _UNNAMED.format(number), **options}
            _make(options, named, machine.network.add_legacy)
    return requests


def _pair(machine: Machine, options: OptionList) -> NicRequest:
    """Make an adapter and its back end, as ``-nic`` does."""
    own = {"model", "mac", "macaddr", "addr", "vectors"}
    back_end = {name: text for name, text in options.items() if name not in own}
    count = len(machine.network.nics)
    id_ = back_end.setdefault("id", f"nic{count}-net")
    _make(options, back_end, machine.network.add_netdev)
    wanted = {"type": "nic", "netdev": id_}
    if (model := options.get("model")) is not None:
        wanted["model"] = model
    if (mac := options.get("mac", options.get("macaddr"))) is not None:
        wanted["macaddr"] = mac
    return _note(machine, options, wanted)


def _note(machine: Machine, options: OptionList, wanted: dict[str, str]) -> NicRequest:
    try:
        return machine.network.note_nic(wanted)
    except CommandError as error:
        # QEMU 0.13 told why in another place.
        raise options.failure(str(error.__cause__ or error.desc)) from None


def _make(
    options: OptionList, values: dict[str, str], add: Callable[[dict[str, str]], object]
) -> None:
    try:
        add(values)
    except CommandError as error:
        raise options.refusal(error) from None


def board_devices(
    line: CommandLine,
    machine: Machine,
    nics: Sequence[NicRequest],
    ports: Sequence[tuple[str, str]],
) -> list[BoardDevice]:
    """Return the devices that the board makes, in its order.

    Args:
        line: The command line.
        machine: The machine, whose drives are there.
        nics: The network adapters that it is to have.
        ports: ``serial`` or ``parallel`` and a character device, for each port.

    Raises:
        StartFailure: The board cannot have something that was asked for.
    """
    board = board_of(machine.qom.board)
    made: list[BoardDevice] = []
    if (display := _display(line, board)) is not None:
        made.append(display)
    made += _ports(board, ports)
    made += _drives(board, machine)
    if machine.qom.options.get("usb"):
        place, controllers = board.usb
        made += [BoardDevice(place, dict(options)) for options in controllers]
    for request in nics:
        if board.nic is None:
            break  # it stays without an adapter
        place, model = board.nic
        kind = request.model or model
        driver = _NICS.get(kind, kind)
        if not machine.qom.types.model(driver) and machine.qom.types.model(model):
            message = f"Unsupported NIC model: {kind}"
            raise StartFailure(message)
        values = {"driver": driver, "mac": request.mac}
        if request.netdev is not None:
            values["netdev"] = request.netdev
        made.append(BoardDevice(place, values, request.vlan))
    return sorted(made, key=lambda device: device.place)


def _display(line: CommandLine, board: Board) -> BoardDevice | None:
    chosen = [text for name, text in line.kept if name == "vga"]
    if chosen and chosen[-1] != "none":
        if board.display is None:
            return None
        place, own = board.display
        return BoardDevice(place, {"driver": _DISPLAYS.get(chosen[-1], own)})
    if chosen or board.display is None or not wants(line, "display"):
        return None
    place, own = board.display
    return BoardDevice(place, {"driver": own})


def _ports(board: Board, ports: Sequence[tuple[str, str]]) -> Iterator[BoardDevice]:
    for kind, place in (("serial", board.serial), ("parallel", board.parallel)):
        labels = [label for its_kind, label in ports if its_kind == kind]
        for number, label in enumerate(labels if place is not None else ()):
            driver, index = f"isa-{kind}", str(number)
            values = {"driver": driver, "chardev": label, "index": index}
            yield BoardDevice(place or 0, values)


def _drives(board: Board, machine: Machine) -> Iterator[BoardDevice]:
    drives = sorted(machine.drives.items(), key=lambda x: (x[1].bus, x[1].unit))
    for name, drive in drives:
        unit = str(drive.unit)
        is_disk = drive.interface == Interface.IDE and drive.bus < board.disk_buses
        if is_disk and board.disks is not None:
            driver = "ide-cd" if drive.kind is Kind.CDROM else "ide-hd"
            bus = board.disk_bus.replace("N", str(drive.bus))
            values = {"driver": driver, "bus": bus, "unit": unit, "drive": name}
            if drive.serial:
                values["serial"] = drive.serial
            yield BoardDevice(board.disks, values)
        elif drive.interface == Interface.FLOPPY and board.floppies is not None:
            values = {"driver": "floppy", "unit": unit, "drive": name}
            yield BoardDevice(board.floppies, values)


def virtio_disks(machine: Machine) -> Iterator[dict[str, Any]]:
    """Yield the devices of the drives with ``if=virtio``."""
    for name, drive in machine.drives.items():
        if drive.interface == Interface.VIRTIO:
            yield {"driver": "virtio-blk-pci", "drive": name}
