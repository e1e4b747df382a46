"""The VNC server: where it listens, who may come in, and who is there.

Source: QEMU 0.13 for what it tells and how it fails: a server that could not be set up
anew is neither there nor not there, and `VncServer.info` then has nothing to say.
"""

import asyncio
import errno
import logging
import secrets
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import SetPasswdFailed, VNCServerFailed
from qmpx.machine.display.access import AccessList, AccessLists
from qmpx.machine.display.rfb import CHALLENGE_SIZE, RfbSession
from qmpx.machine.display.viewer import Viewer
from qmpx.machine.display.vnc_socket import Listener, dial, name_of
from qmpx.machine.display.vnc_target import VncTarget, VncTargetError, parse_vnc_target
from qmpx.machine.vnc_happenings import VncConnected, VncDisconnected, VncInitialized

if TYPE_CHECKING:
    from qmpx.machine.clock import Timer
    from qmpx.machine.display.keys import Keyboard
    from qmpx.machine.display.pointers import Pointers
    from qmpx.machine.display.screen import Screen
    from qmpx.machine.machine import Machine

MAX_VIEWERS: Final = 32
"""Clients at once: each may hold a picture of the screen, some megabytes. Further ones
are turned away.
"""
MAX_PASSWORD: Final = 8
"""Bytes of a password that count: a key of DES has no more."""
HANDSHAKE_TIMEOUT: Final = 30.0
"""Seconds for a client to come in: a person may have to type a password first."""
RETRY: Final = 1.0
"""Seconds until the next try to take a client in when there are no descriptors left."""

CLIENT_LISTS: Final = ("vnc.x509dname", "vnc.username")
"""The access control lists that the option ``acl`` makes."""

_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

logger = logging.getLogger("qmpx.machine")
logger.addHandler(logging.NullHandler())


class VncServer:
    """The VNC server of a machine; at first it does not serve.

    Args:
        machine: Whose display it is; it is told of clients.
        screen: What they see.
        keyboard: What they type on.
        pointers: What they point with.
        on_demand: Called when clients want to see what there is.

    Attributes:
        is_offered: Whether the machine has a display for VNC at all.
        auth: What clients have to do: ``none``, ``vnc``, or ``invalid`` when it does
            not serve.
        lists: Access control lists. Neither authentication here gives a name that
            could be looked up in them: they can be kept, and let nobody in or out.
        viewers: The clients, the newest first.
    """

    def __init__(
        self,
        machine: "Machine",
        screen: "Screen",
        keyboard: "Keyboard",
        pointers: "Pointers",
        on_demand: Callable[[], None],
    ) -> None:
        self.is_offered = True
        self.auth = "invalid"
        self.lists = AccessLists()
        self.viewers: list[Viewer] = []
        self._machine = machine
        self._screen = screen
        self._keyboard = keyboard
        self._pointers = pointers
        self._on_demand = on_demand
        self._target: str | None = None  # what it was asked for; None when it is off
        self._share = "ignore"
        self._listener: Listener | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._retry: Timer | None = None
        self._password: bytes | None = None
        self._expires: int | None = None
        self._handshakes: dict[Viewer, Timer] = {}

    @property
    def address(self) -> str:
        """Where it listens, for people; empty if it does not."""
        if self._listener is None:
            return ""
        name = self._listener.name
        if name["family"] == "unix":
            return f"unix:{name['service']}"
        host = f"[{name['host']}]" if ":" in name["host"] else name["host"]
        return f"{host}:{name['service']}"

    def info(self) -> dict[str, Any]:
        """Return what ``query-vnc`` tells; nothing after a failed `open`."""
        if not self.is_offered or self._target is None:
            return {"enabled": False}
        if self._listener is None:
            return {}
        clients = [viewer.name for viewer in self.viewers]
        name = self._listener.name
        return {
            "enabled": True,
            "auth": self.auth,
            "family": name["family"],
            "clients": clients,
            "service": name["service"],
            "host": name["host"],
        }

    def open(self, target: str) -> None:
        """Serve there from now on, and nowhere else; those who are in stay.

        Needs a running event loop. When it returns, clients can connect.

        Args:
            target: As ``-vnc`` has it: ``HOST:DISPLAY``, ``unix:PATH`` or ``none``.

        Raises:
            VNCServerFailed: It cannot; it then serves nowhere.
        """
        if not self.is_offered:
            raise VNCServerFailed(target=target)
        self.close_listener()
        if target == "none":
            return
        self._target = target
        try:
            wanted = parse_vnc_target(target)
            self._open(wanted)
        except (VncTargetError, OSError) as error:
            logger.warning("no VNC server on %r: %s", target, error)
            failed = VNCServerFailed(target=target)
            failed.add_note(str(error))
            raise failed from error

    def _open(self, wanted: VncTarget) -> None:
        self._share = wanted.share
        self.auth = "vnc" if wanted.needs_password else "none"
        if wanted.has_lists:
            for name in CLIENT_LISTS:
                self.lists.setdefault(name, AccessList())
        if wanted.is_reverse:
            self.adopt(dial(wanted))
            return
        self.serve_at(wanted)

    def adopt(self, connection: socket.socket) -> None:
        """Let in a client whose connection was made elsewhere.

        Raises:
            OSError: It is no connection.
        """
        try:
            ours = name_of(connection.family, connection.getsockname())
            self._welcome(connection, connection.getpeername(), ours)
        except OSError:
            connection.close()
            raise

    def serve_at(self, wanted: VncTarget) -> None:
        """Listen there, whoever is let in.

        Raises:
            OSError: It cannot be done.
        """
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._listener = Listener(wanted)
        self._target = self._target or self.address
        loop.add_reader(self._listener.socket.fileno(), self._accept, self._listener)
        if not wanted.path and not wanted.host and self.auth == "none":
            logger.warning("VNC on %s: whoever reaches it may come in", self.address)

    def close_listener(self) -> None:
        """Serve nobody who is not in already; nothing happens if it does not."""
        self._target = None
        self.auth = "invalid"
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._listener is not None:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(self._listener.socket.fileno())
            self._listener.close()
            self._listener = None

    def close(self) -> None:
        """Serve nobody, and send everybody away."""
        self.close_listener()
        for viewer in list(self.viewers):
            viewer.close()

    def set_password(self, password: str) -> None:
        """Let those in who know a password, or everybody.

        Args:
            password: Of which 8 bytes count; if empty, everybody may come in.

        Raises:
            SetPasswdFailed: The machine has no display for VNC.
        """
        if not self.is_offered:
            raise SetPasswdFailed
        self.replace_password(password)
        self._expires = None
        if not password:
            self.auth = "none"
        elif self.auth == "none":
            self.auth = "vnc"

    def replace_password(self, password: str) -> None:
        """Ask for another password, where one is asked for.

        Args:
            password: Of which 8 bytes count; if empty, nobody may come in.
        """
        self._password = (
            password.encode("utf-8", "surrogateescape")[:MAX_PASSWORD] or None
        )

    def expire_password(self, at: int | None) -> None:
        """Let nobody in by the password from a moment on.

        Args:
            at: When, in microseconds since 1970; ``None`` for never.

        Raises:
            SetPasswdFailed: The machine has no display for VNC.
        """
        if not self.is_offered:
            raise SetPasswdFailed
        self._expires = at

    def _valid_password(self) -> bytes | None:
        now = self._machine.clock.microseconds()
        is_over = self._expires is not None and now >= self._expires
        return None if is_over else self._password

    def _accept(self, listener: Listener) -> None:
        # One in a turn of the loop: the loop comes back here while more wait.
        try:
            connection, address = listener.socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            logger.warning("VNC client not taken in: %s; again in %g s", error, RETRY)
            loop, number = asyncio.get_running_loop(), listener.socket.fileno()
            loop.remove_reader(number)

            def again() -> None:
                loop.add_reader(number, self._accept, listener)

            self._retry = self._machine.clock.call_later(RETRY, again)
            return
        connection.setblocking(False)
        self._welcome(connection, address, listener.name)

    def _welcome(
        self, connection: socket.socket, address: Any, server: dict[str, str]
    ) -> None:
        name = name_of(connection.family, address)
        if len(self.viewers) == MAX_VIEWERS:
            logger.warning(
                "VNC client %s turned away: %d are in", _shown(name), MAX_VIEWERS
            )
            connection.close()
            return
        screen = self._screen
        title = self._machine.name
        session = RfbSession(
            screen,
            f"QEMU ({title})" if title else "QEMU",
            None if self.auth == "none" else self._valid_password,
            secrets.token_bytes(CHALLENGE_SIZE),
        )
        viewer = Viewer(
            connection,
            name,
            {"auth": self.auth, **server},
            session,
            keyboard=self._keyboard,
            pointers=self._pointers,
            size=lambda: (screen.width, screen.height),
            on_initialized=self._initialized,
            on_demand=self._on_demand,
            on_closed=self._closed,
        )
        self.viewers.insert(0, viewer)

        def give_up() -> None:
            viewer.close(f"not in after {HANDSHAKE_TIMEOUT:g} s")

        self._handshakes[viewer] = self._machine.clock.call_later(
            HANDSHAKE_TIMEOUT, give_up
        )
        self._machine.tell(VncConnected(viewer.server_name, viewer.name))
        viewer.start()

    def _initialized(self, viewer: Viewer, is_shared: bool) -> None:  # noqa: FBT001
        self._handshakes.pop(viewer).cancel()
        others = [each for each in self.viewers if each is not viewer]
        if not is_shared and self._share == "force-shared" and others:
            viewer.close("it wants to look alone, and others look")
            return
        if not is_shared and self._share == "allow-exclusive":
            for other in others:
                other.close("another client wants to look alone")
        self._screen.watch(viewer.session.updates.mark)
        self._machine.tell(VncInitialized(viewer.server_name, viewer.name))
        self._on_demand()

    def _closed(self, viewer: Viewer, reason: str) -> None:
        self.viewers.remove(viewer)
        if (handshake := self._handshakes.pop(viewer, None)) is not None:
            handshake.cancel()
        self._screen.unwatch(viewer.session.updates.mark)
        if reason:
            logger.warning("VNC client %s: %s", _shown(viewer.name), reason)
        self._machine.tell(VncDisconnected(viewer.server_name, viewer.name))
        self._on_demand()


def _shown(name: dict[str, str]) -> str:
    return f"{name['host']}:{name['service']}"
