"""Which sockets there are, by a pattern of paths or in a directory that is watched.

A look at the file system says what is there; inotify, where it can be had, only says
when to look. So nothing is missed when its queue overflows, or where it fails.
"""

import asyncio
import glob
import logging
import os
import stat
from collections.abc import Callable
from typing import Any, Final

from qmpx.gateway.settings.upstreams import MAX_FOUND

LOOK_PAUSE: Final = 2.0
"""Seconds between looks: how late a socket may be found of which inotify does not
tell."""

SETTLE: Final = 0.05
"""Seconds from a sign of inotify to a look: files come in bunches, and QEMU binds
its socket some time before it can be talked to."""

logger = logging.getLogger("qmpx.gateway")


class Discovery:
    """Looks for sockets until it is closed.

    Args:
        pattern: Of their paths, with the wildcards of `glob`.
        directory: What inotify watches; empty: nothing.
        changed: Told the paths that are there, sorted, whenever they are others.
        pause: Seconds between looks.
    """

    def __init__(
        self,
        pattern: str,
        directory: str,
        changed: Callable[[list[str]], None],
        *,
        pause: float = LOOK_PAUSE,
    ) -> None:
        self._pattern = pattern
        self._directory = directory
        self._changed = changed
        self._pause = pause
        self._seen: list[str] = []
        self._has_too_many = False
        self._task: asyncio.Task[None] | None = None
        self._sign = asyncio.Event()
        self._notify: Any = None

    def start(self) -> None:
        """Look now, and from now on."""
        self._watch()
        self._look(find_sockets(self._pattern))
        self._task = asyncio.get_running_loop().create_task(self._go_on())

    async def close(self) -> None:
        """Look no more."""
        self._unwatch()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    @property
    def is_watching(self) -> bool:
        """Whether inotify tells of changes."""
        return self._notify is not None

    async def _go_on(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._pause):
                    await self._sign.wait()
                await asyncio.sleep(SETTLE)
            except TimeoutError:
                pass
            self._sign.clear()
            if self._notify is None:
                self._watch()
            # In a thread: a directory may be on a file system that does not answer.
            self._look(await asyncio.to_thread(find_sockets, self._pattern))

    def _look(self, found: list[str]) -> None:
        has_too_many = len(found) > MAX_FOUND
        if has_too_many and not self._has_too_many:
            logger.warning(
                "%s: %d sockets; those beyond %d are left out",
                self._pattern,
                len(found),
                MAX_FOUND,
            )
        self._has_too_many = has_too_many
        del found[MAX_FOUND:]
        if found != self._seen:
            self._seen = found
            self._changed(list(found))

    def _watch(self) -> None:
        if not self._directory:
            return
        try:
            from inotify_simple import INotify, flags  # type: ignore[import-untyped]
        except ImportError:
            return  # looks are enough, only later
        notify = INotify(nonblocking=True)
        signs = (
            flags.CREATE
            | flags.DELETE
            | flags.MOVED_FROM
            | flags.MOVED_TO
            | flags.DELETE_SELF
            | flags.ONLYDIR
        )
        try:
            notify.add_watch(self._directory, signs)
        except OSError as error:
            notify.close()
            logger.debug("%s cannot be watched yet: %s", self._directory, error)
            return
        self._notify = notify
        asyncio.get_running_loop().add_reader(notify.fileno(), self._told)

    def _told(self) -> None:
        from inotify_simple import flags

        gone = flags.IGNORED | flags.DELETE_SELF
        told = list(self._notify.read(timeout=0))
        if any(event.mask & gone for event in told):
            self._unwatch()  # the directory is another one now, or none
        self._sign.set()

    def _unwatch(self) -> None:
        if self._notify is not None:
            asyncio.get_running_loop().remove_reader(self._notify.fileno())
            self._notify.close()
            self._notify = None


def find_sockets(pattern: str) -> list[str]:
    """Return the paths of the sockets that match, sorted."""
    return [path for path in sorted(glob.glob(pattern)) if _is_socket(path)]


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:  # it went away meanwhile
        return False
