"""RFB, the protocol of VNC, from the server's side: bytes in, happenings and bytes out.

Nothing here waits, and nothing knows sockets. Versions 3.3, 3.7 and 3.8; security none
and VNC authentication.

Source: RFC 6143; for version 3.3 its appendix A.
"""

import hmac
import re
import struct
from collections.abc import Callable
from typing import Final

from qmpx.machine.display.des import vnc_response
from qmpx.machine.display.pixels import NATIVE, PixelFormat, PixelFormatError
from qmpx.machine.display.screen import PALETTE, Rectangle, Screen
from qmpx.machine.display.updates import Updates
from qmpx.machine.values import Value

VERSION: Final = b"RFB 003.008\n"
CHALLENGE_SIZE: Final[int] = 16
"""Bytes of a challenge: two blocks of DES."""
MAX_ENCODINGS: Final = 1024
"""Encodings that a client may list: there are not 200. More is an error."""
MAX_CUT_TEXT: Final = 1048576
"""Bytes of text that a client may cut: QEMU's figure. More is an error. The text is
dropped as it comes in: there is no guest to paste it.
"""

_NONE, _VNC = 1, 2
_OK, _FAILED = 0, 1


class RfbError(Exception):
    """The client broke the protocol, or was not let in; the connection is to close."""


class Initialized(Value, frozen=True):
    """The client is in, and may look.

    Attributes:
        is_shared: Whether it lets others look too.
    """

    is_shared: bool


class KeyChanged(Value, frozen=True):
    """A key was pressed or let go.

    Attributes:
        keysym: Which, as X11 counts them.
        down: Whether it is down now.
    """

    keysym: int
    down: bool


class PointerChanged(Value, frozen=True):
    """The pointer was moved, or a button pressed or let go.

    Attributes:
        x: Where it is, in pixels.
        y: Where it is, in pixels.
        buttons: A bit for each that is down: left, middle, right, wheel up and down.
    """

    x: int
    y: int
    buttons: int


Happened = Initialized | KeyChanged | PointerChanged


class RfbSession:
    """The conversation with one client.

    Args:
        screen: What it is shown.
        name: What the desktop is called.
        password: Returns the password that counts now, or ``None`` if nobody may come
            in; if this is itself ``None``, everybody may.
        challenge: Random bytes, `CHALLENGE_SIZE` of them.

    Attributes:
        updates: What it has yet to be shown.
        is_initialized: Whether it is in.
    """

    def __init__(
        self,
        screen: Screen,
        name: str,
        password: Callable[[], bytes | None] | None,
        challenge: bytes,
    ) -> None:
        self.updates = Updates(screen)
        self.is_initialized = False
        self._screen = screen
        self._name = name.encode("utf-8", "replace")
        self._password = password
        self._challenge = challenge
        self._minor = 8
        self._in = bytearray()
        self._out = bytearray(VERSION)
        self._skip = 0
        self._happened: list[Happened] = []
        self._need = len(VERSION)
        self._next: Callable[[bytes], None] = self._version

    def receive(self, data: bytes) -> list[Happened]:
        """Take what has come in, and return what it meant.

        Raises:
            RfbError: The client broke the protocol, or was not let in. What is still
                `data_to_send` says so.
        """
        self._in += data
        at = 0
        view = memoryview(self._in)
        try:
            while True:
                skipped = min(self._skip, len(view) - at)
                self._skip -= skipped
                at += skipped
                if self._skip or len(view) - at < self._need:
                    break
                chunk = bytes(view[at : at + self._need])
                at += self._need
                self._next(chunk)
        finally:
            view.release()
            del self._in[:at]
        happened, self._happened = self._happened, []
        return happened

    def data_to_send(self) -> bytes:
        """Return what is to be sent now, updates of the screen aside."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def _expect(self, size: int, then: Callable[[bytes], None]) -> None:
        self._need, self._next = size, then

    # Who is there, and may it come in?

    def _version(self, data: bytes) -> None:
        match = re.fullmatch(rb"RFB (\d{3})\.(\d{3})\n", data)
        if match is None:
            message = f"a client that is no VNC client: it began with {data!r}"
            raise RfbError(message)
        major, minor = int(match[1]), int(match[2])
        if major != 3:
            self._refuse(f"no version {major}.{minor}")
        # What nobody has published is 3.3 at heart: RFC 6143, section 7.1.1.
        self._minor = minor if minor in (7, 8) else 3
        kind = _NONE if self._password is None else _VNC
        if self._minor >= 7:
            self._out += bytes((1, kind))
            self._expect(1, self._security)
            return
        self._out += kind.to_bytes(4)
        self._begin(kind)

    def _security(self, data: bytes) -> None:
        offered = _NONE if self._password is None else _VNC
        if data[0] != offered:
            self._fail(f"security type {data[0]} was not offered")
        self._begin(offered)

    def _begin(self, kind: int) -> None:
        if kind == _VNC:
            self._out += self._challenge
            self._expect(CHALLENGE_SIZE, self._response)
            return
        if self._minor >= 8:
            self._out += _OK.to_bytes(4)
        self._expect(1, self._init)

    def _response(self, data: bytes) -> None:
        password = None if self._password is None else self._password()
        if password is None:
            self._fail("there is no password that would let anybody in")
        elif not hmac.compare_digest(data, vnc_response(password, self._challenge)):
            self._fail("wrong password")
        self._out += _OK.to_bytes(4)
        self._expect(1, self._init)

    def _fail(self, reason: str) -> None:
        """Say that the client is not let in; why is for our own log."""
        self._out += _FAILED.to_bytes(4)
        if self._minor >= 8:
            self._out += _text("Authentication failed")
        raise RfbError(reason)

    def _refuse(self, reason: str) -> None:
        self._out += (0).to_bytes(4) + _text(reason)  # as 3.3 does it: no security type
        raise RfbError(reason)

    def _init(self, data: bytes) -> None:
        screen = self._screen
        self._out += struct.pack(">HH", screen.width, screen.height)
        self._out += bytes(NATIVE) + len(self._name).to_bytes(4) + self._name
        self.updates = Updates(screen)
        self.is_initialized = True
        self._happened.append(Initialized(is_shared=bool(data[0])))
        self._expect(1, self._message)

    # What does it want?

    def _message(self, data: bytes) -> None:
        kind = data[0]
        if kind not in self._MESSAGES:
            message = f"a message of the unknown type {kind}"
            raise RfbError(message)
        size, handler = self._MESSAGES[kind]

        def handle(data: bytes) -> None:
            self._expect(1, self._message)
            handler(self, data)

        self._expect(size, handle)

    def _set_pixel_format(self, data: bytes) -> None:
        try:
            self.updates.pixel_format = PixelFormat.parse(data[3:])
        except PixelFormatError as error:
            message = f"the client wants {error}"
            raise RfbError(message) from None
        if self.updates.pixel_format.is_mapped:
            self._out += struct.pack(">BxHH", 1, 0, len(PALETTE))
            for colour in PALETTE:
                self._out += struct.pack(">HHH", *(0x101 * shade for shade in colour))

    def _set_encodings(self, data: bytes) -> None:
        count = int.from_bytes(data[1:])
        if count > MAX_ENCODINGS:
            message = f"a list of {count} encodings"
            raise RfbError(message)

        def choose(data: bytes) -> None:
            self._expect(1, self._message)
            self.updates.choose(struct.unpack(f">{count}i", data))

        self._expect(4 * count, choose)

    def _request(self, data: bytes) -> None:
        incremental, *area = struct.unpack(">BHHHH", data)
        self.updates.ask(Rectangle(*area), incremental=bool(incremental))

    def _key(self, data: bytes) -> None:
        down, keysym = struct.unpack(">BxxI", data)
        self._happened.append(KeyChanged(keysym, bool(down)))

    def _pointer(self, data: bytes) -> None:
        buttons, x, y = struct.unpack(">BHH", data)
        self._happened.append(PointerChanged(x, y, buttons))

    def _cut_text(self, data: bytes) -> None:
        size = int.from_bytes(data[3:])
        if size > MAX_CUT_TEXT:
            message = f"{size} bytes of cut text"
            raise RfbError(message)
        self._skip = size

    _MESSAGES: Final[dict[int, tuple[int, Callable[["RfbSession", bytes], None]]]] = {
        0: (19, _set_pixel_format),
        2: (3, _set_encodings),
        3: (9, _request),
        4: (7, _key),
        5: (5, _pointer),
        6: (7, _cut_text),
    }


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(4) + data
