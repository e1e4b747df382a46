"""The character devices of a machine, by their labels.

Source: QEMU 0.13, whose ``-chardev`` options are taken here as text.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Final

from qmpx.errors import DuplicateId, GenericError, MissingParameter
from qmpx.machine.character.device import MUX_USERS, CharacterDevice
from qmpx.machine.character.files import (
    HostDevice,
    NamedPipe,
    OutputFile,
    PseudoTerminal,
    StandardStreams,
)
from qmpx.machine.character.sockets import Datagrams, SocketDevice
from qmpx.machine.character.syntax import parse_legacy
from qmpx.machine.identifiers import check_identifier

MAX_DEVICES: Final = 1000
"""Character devices of a machine: each may hold two descriptors of the host's."""

_MISSING: Final = {
    "file": "path",
    "pipe": "path",
    "tty": "path",
    "udp": "port",
}
"""The option that a backend cannot do without."""


class CharacterDevices:
    """The character devices, in the order in which they were made."""

    def __init__(self) -> None:
        self._devices: dict[str, CharacterDevice] = {}

    def __contains__(self, label: str) -> bool:
        return label in self._devices

    def __getitem__(self, label: str) -> CharacterDevice:
        return self._devices[label]

    def __iter__(self) -> Iterator[CharacterDevice]:
        return iter(self._devices.values())

    def __len__(self) -> int:
        return len(self._devices)

    async def open(self, options: Mapping[str, str]) -> CharacterDevice:
        """Make a device, as ``-chardev`` does.

        Cancelling is safe: the device is then not there.

        Args:
            options: ``id``, ``backend`` and what the backend takes, as text.

        Raises:
            InvalidParameterValue: The id is none.
            MissingParameter: Id, backend, or an option of the backend is missing.
            DuplicateId: Another device has the id.
            GenericError: There is no such backend, or the host refuses.
        """
        for name in ("id", "backend"):
            if name not in options:
                raise MissingParameter(name=name)
        label = options["id"]
        check_identifier(label)
        return await self._open(label, options)

    async def add(self, device: CharacterDevice) -> None:
        """Take in a device that is made already, and open it.

        Raises:
            DuplicateId: Another device has its label.
            GenericError: There are too many.
            OSError: The host refuses.
        """
        self._check_room(device.label)
        await device.open()
        self._devices[device.label] = device

    async def open_legacy(self, label: str, text: str) -> CharacterDevice:
        """Make a device, as ``-serial TEXT`` and ``-parallel TEXT`` do.

        ``chardev:ID`` is the device of that label, which is there already.

        Raises:
            CommandError: As `open`.
        """
        if text.startswith("chardev:"):
            name = text.removeprefix("chardev:")
            if name in self._devices:
                return self._devices[name]
            message = f'chardev "{name}" not found'
            raise GenericError(message)
        return await self._open(label, parse_legacy(text))

    def _check_room(self, label: str) -> None:
        if label in self._devices:
            raise DuplicateId(id=label, object="chardev")
        if len(self._devices) >= MAX_DEVICES:
            message = f"there are {MAX_DEVICES} character devices already"
            raise GenericError(message)

    async def _open(self, label: str, options: Mapping[str, str]) -> CharacterDevice:
        self._check_room(label)
        device = _make(label, options)
        try:
            await device.open()
        except OSError as error:
            failed = GenericError(
                f'chardev: opening backend "{options["backend"]}" failed'
            )
            failed.add_note(str(error))
            raise failed from error
        if options.get("mux") == "on":
            # The real device is listed too, before the one that is shared.
            base = CharacterDevice(f"{label}-base", device.filename, users=0)
            self._devices[base.label] = base
        self._devices[label] = device
        return device

    def free_label(self, prefix: str) -> str:
        """Return a label that begins so and that no device has."""
        number = 0
        while f"{prefix}{number}" in self._devices:
            number += 1
        return f"{prefix}{number}"

    def take(self, label: str) -> bool:
        """Let one more device use it, and tell whether there was room."""
        device = self._devices[label]
        if device.free_users < 1:
            return False
        device.free_users -= 1
        return True

    def release(self, label: str) -> None:
        """Let one device use it no more."""
        if label in self._devices:
            self._devices[label].free_users += 1

    def remove(self, label: str) -> None:
        """Close a device and forget it; nothing happens if it is not there."""
        device = self._devices.pop(label, None)
        if device is not None:
            self._devices.pop(f"{label}-base", None)
            device.close()

    @contextlib.contextmanager
    def set_aside(self, label: str) -> Iterator[None]:
        """Take a device out, for another to be put in its place in the meantime.

        At the end the old device is closed, and its users are the new one's; if there
        is no new one, it is put back.
        """
        before = self._devices.pop(label)
        try:
            yield
        finally:
            after = self._devices.get(label)
            if after is None:
                self._devices[label] = before
            else:
                after.free_users -= before.users - before.free_users
                after.listener, before.listener = before.listener, None
                after.front_is_open = before.front_is_open
                before.close()

    def close(self) -> None:
        """Close all devices."""
        for label in list(self._devices):
            self.remove(label)


def _make(label: str, options: Mapping[str, str]) -> CharacterDevice:
    backend = options["backend"]
    users = MUX_USERS if options.get("mux") == "on" else 1
    needed = _MISSING.get(backend)
    if needed is not None and needed not in options:
        raise MissingParameter(name=needed)
    path = options.get("path", "")
    match backend:
        case "null" | "vc":
            return CharacterDevice(label, backend, users=users)
        case "file":
            return OutputFile(label, path, users=users)
        case "pipe":
            return NamedPipe(label, path, users=users)
        case "tty":
            return HostDevice(label, path, users=users)
        case "pty":
            return PseudoTerminal(label, users=users)
        case "stdio":
            return StandardStreams(label, users=users)
        case "udp":
            local = (options.get("localaddr", ""), _port(options.get("localport", "0")))
            remote = (options.get("host", ""), _port(options["port"]))
            return Datagrams(label, remote, local, users=users)
        case "socket":
            return _make_socket(label, options, users)
    message = f'chardev: backend "{backend}" not found'
    raise GenericError(message)


def _make_socket(label: str, options: Mapping[str, str], users: int) -> CharacterDevice:
    if "path" not in options and "port" not in options:
        raise MissingParameter(name="port")
    address = options.get("path") or (
        options.get("host", ""),
        _port(options.get("port", "0")),
    )
    is_server = options.get("server") == "on"
    return SocketDevice(
        label,
        address,
        is_server=is_server,
        waits=is_server and options.get("wait", "on") == "on",
        is_telnet=options.get("telnet") == "on",
        has_delay=options.get("delay", "on") == "on",
        users=users,
    )


def _port(text: str) -> int:
    if text.isdecimal() and int(text) <= 65535:
        return int(text)
    message = f"{text!r} is no port"
    raise GenericError(message)
