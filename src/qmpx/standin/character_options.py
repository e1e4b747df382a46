"""Character devices that an option describes: ``-chardev``, ``-serial``, ``-parallel``.

Source: QEMU 7.2.22, observed.
"""

import os
from collections.abc import Callable, Sequence
from typing import Final

from qmpx.errors import CommandError, GenericError
from qmpx.machine import Machine
from qmpx.machine.character.device import MUX_USERS, CharacterDevice
from qmpx.machine.character.files import HostDevice, NamedPipe, OutputFile
from qmpx.machine.character.opened import OpenedSocket
from qmpx.machine.character.ring_buffer import DEFAULT_SIZE, RingBuffer
from qmpx.standin.command_line import Place
from qmpx.standin.device_log import open_log
from qmpx.standin.endpoints import Endpoint, check_backend, legacy_options
from qmpx.standin.failure import StartFailure
from qmpx.standin.option_lists import OptionList, read_size

_ALIASES: Final = {"tty": "serial", "parport": "parallel"}


MAX_PARALLEL: Final = 3
"""Parallel ports of a machine, as in QEMU."""

_UNTOLD: Final = ("parse error", 'chardev "')  # of what is wrong with a port


class CharacterOptions:
    """Opens the character devices of a machine.

    Args:
        machine: The machine.
        tell: Is told what is waited for.

    Attributes:
        endpoints: Their sockets, whose files go at the end.
    """

    def __init__(self, machine: Machine, tell: Callable[[str], None]) -> None:
        self._machine = machine
        self._tell = tell
        self.endpoints: list[Endpoint] = []

    async def share(self, label: str) -> None:
        """Let others use the multiplexed device that a monitor has opened."""
        device = CharacterDevice(label, "mux", users=MUX_USERS)
        await self._machine.characters.add(device)

    async def open_all(
        self, devices: Sequence[OptionList], places: Sequence[Place]
    ) -> list[tuple[str, str]]:
        """Open character devices, and those of serial and parallel ports.

        Args:
            devices: What ``-chardev`` describes.
            places: What ``-serial`` and ``-parallel`` describe.

        Returns:
            The serial and parallel ports: which of the two, and the label of the
            character device.

        Raises:
            StartFailure: One cannot be opened.
        """
        for options in devices:
            await self.open(options)
        ports: list[tuple[str, str]] = []
        counts = {"-serial": 0, "-parallel": 0}
        for place in places:
            if place.text == "none":
                continue
            number = counts[place.option]
            counts[place.option] += 1
            kind = place.option[1:]
            if kind == "parallel" and number >= MAX_PARALLEL:
                message = "too many parallel ports"
                raise StartFailure(message, place.option, place.text)
            if place.text.startswith("mon:"):
                label = f"{kind}{number}"
                await self.share(label)
                self._machine.characters.take(label)  # the monitor's part
                ports.append((kind, label))
                continue
            try:
                label = await self._open_port(place.text, place.option, number)
            except StartFailure as failure:
                if failure.message.startswith(_UNTOLD):
                    raise place.not_connected() from None
                failure.further.append(place.not_connected().text)
                raise
            ports.append((kind, label))
        return ports

    async def _open_port(self, text: str, option: str, number: int) -> str:
        if text.startswith("chardev:"):
            label = text.removeprefix("chardev:")
            if label not in self._machine.characters:
                message = f'chardev "{label}" not found'
                raise StartFailure(message, option, text)
            return label
        options = legacy_options(option, text, f"{option[1:]}{number}")
        await self.open(options)
        return str(options.id)

    async def open(self, options: OptionList) -> None:
        """Open one.

        Raises:
            StartFailure: It cannot be opened.
        """
        label = str(options.id)
        if (log := open_log(options)) is not None:
            os.close(log)  # no guest says anything
        if options.get("backend") == "socket":
            endpoint = Endpoint(label, options, is_control=False)
            endpoint.open(self._tell)
            self.endpoints.append(endpoint)
            listening, connected = endpoint.sockets()
            device: CharacterDevice = OpenedSocket(
                label,
                endpoint.place,
                listening=listening,
                connected=connected,
                is_telnet=options.switch("telnet"),
                users=MUX_USERS if options.switch("mux") else 1,
            )
            await self._machine.characters.add(device)
            return
        check_backend(options)
        if (made := self._with_path(label, options)) is not None:
            await self._open_file(made, options)
            return
        if (made := _without_file(label, options)) is not None:
            await self._machine.characters.add(made)
            return
        try:
            device = await self._machine.characters.open({**options, "id": label})
        except CommandError as error:
            raise options.refusal(error) from None
        if options["backend"] == "pty":
            where = device.filename.removeprefix("pty:")
            told = f"char device redirected to {where} (label {label})\n"
            os.write(1, told.encode())

    def _with_path(self, label: str, options: OptionList) -> CharacterDevice | None:
        """Return a character device on a file, not open yet; ``None`` if it has none.

        Raises:
            StartFailure: Parallel ports are not to be had.
        """
        users = MUX_USERS if options.switch("mux") else 1
        path, kind = options.get("path", ""), options["backend"]
        if (name := _ALIASES.get(kind)) is not None:
            told = f"warning: The alias '{kind}' is deprecated, use '{name}' instead"
            self._tell(options.failure(told).text)
        match kind:
            case "file":
                return OutputFile(
                    label,
                    path,
                    appends=options.switch("append"),
                    users=users,
                    files=self._machine.files,
                )
            case "pipe":
                return NamedPipe(label, path, users=users)
            case "serial" | "tty":
                return HostDevice(label, path, users=users, kind="serial")
            case "parallel" | "parport":
                return _ParallelPort(label, path, users=users, kind="parallel")
        return None

    async def _open_file(self, device: CharacterDevice, options: OptionList) -> None:
        try:
            await self._machine.characters.add(device)
        except OSError as error:
            path = options.get("path", "")
            message = f"Could not open '{path}': {os.strerror(error.errno or 0)}"
            raise options.failure(message) from None
        except CommandError as error:
            raise options.failure(error.desc) from None


class _ParallelPort(HostDevice):
    """A file that is to be a parallel port of the host's, and is none."""

    async def open(self) -> None:
        await super().open()
        self.close()
        message = "not a parallel port: Inappropriate ioctl for device"
        raise GenericError(message)


def _without_file(label: str, options: OptionList) -> CharacterDevice | None:
    """Return a character device that has nothing of the host's; ``None`` if it has.

    Raises:
        StartFailure: It has no such size.
    """
    kind = options["backend"]
    if kind in ("msmouse", "testdev", "wctablet"):
        return CharacterDevice(label, kind)
    if kind not in ("ringbuf", "memory"):
        return None
    size = read_size(options.get("size", "0"))
    try:
        return RingBuffer(label, size or DEFAULT_SIZE, kind)
    except CommandError as error:
        raise options.failure(error.desc) from None
