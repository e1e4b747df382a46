"""Nodes that show what is below them: a part of it, slower, or with faults."""

import errno
import os
from typing import Any, ClassVar, Final

from qmpx.machine.block.debug_config import CONFIG_RULES
from qmpx.machine.block.nodes import Node, Status, has_plain_name
from qmpx.machine.block.raw import SECTOR, round_up

_PLAIN: Final = frozenset({"driver", "image", "config"})
"""Options of ``blkdebug`` that do not keep it from having a short name."""


class RawNode(Node):
    """The data as they are below; perhaps a part of them."""

    driver = "raw"

    @property
    def _offset(self) -> int:
        return int(self.options.get("offset", 0))

    @property
    def size(self) -> int:
        """Bytes of the part."""
        below = 0 if self.file is None else self.file.size
        return int(self.options.get("size", round_up(below) - self._offset))

    @property
    def filename(self) -> str:
        """The name of what is below, if it shows all of it."""
        is_whole = not {"offset", "size"} & self.options.keys()
        if self.file is not None and is_whole and has_plain_name(self.file):
            return self.file.filename
        return super().filename

    def status(self, offset: int) -> tuple[Status, int]:
        """Tell what is below."""
        kind, run = super().status(offset + self._offset)
        return kind, run

    def count_zeroes(self, end: int) -> None:
        """Count that zeros were written up to an offset."""
        super().count_zeroes(end)
        if self.file is not None:
            self.file.count_zeroes(end + self._offset)

    def resize(self, size: int) -> None:
        """Make what is below that long.

        Raises:
            OSError: It cannot be done.
        """
        if self.file is None or {"offset", "size"} & self.options.keys():
            message = "Image format driver does not support resize"
            raise OSError(errno.ENOTSUP, message)
        self.file.resize(size)

    def _read(self, offset: int, size: int) -> bytes:
        return super()._read(offset + self._offset, size)

    def _write(self, offset: int, data: bytes | memoryview) -> None:
        super()._write(offset + self._offset, data)


class FilterNode(Node):
    """Passes everything on to the node below."""

    is_filter: ClassVar[bool] = True

    def resize(self, size: int) -> None:
        """Change the size of what is below.

        Raises:
            OSError: It cannot be done.
        """
        if self.file is not None:
            self.file.resize(size)


class ThrottleNode(FilterNode):
    """Counts what goes through with a group that holds it back."""

    driver = "throttle"


class CopyOnReadNode(FilterNode):
    """Writes into the node below what was read from behind it."""

    driver = "copy-on-read"

    def _read(self, offset: int, size: int) -> bytes:
        data = super()._read(offset, size)
        below = self.file
        if below is None or below.read_only:
            return data
        at, end = offset, offset + size
        while at < end:
            kind, run = below.status(at)
            run = min(run, end - at)
            if kind == "behind":
                below.fill(at, data[at - offset : at - offset + run])
            at += run
        return data


class DebugNode(FilterNode):
    """Fails as its rules say."""

    driver = "blkdebug"

    def __init__(
        self, name: str, options: dict[str, Any], *, read_only: bool = False
    ) -> None:
        told: dict[str, Any] = options.pop(CONFIG_RULES, {})
        super().__init__(name, options, read_only=read_only)
        self._rules = [dict(rule) for rule in options.get("inject-error", ())]
        self._moves = [
            dict(rule)
            for rule in (*options.get("set-state", ()), *told.get("set-state", ()))
        ]
        self._waiting = list(told.get("inject-error", ()))
        self._state = 1

    def hear(self, event: str) -> None:
        """Follow the rules that wait for this event."""
        state = self._state
        for rule in self._waiting:
            if rule["event"] == event and rule.get("state", 0) in (0, state):
                self._rules.append(rule)
        for rule in self._moves:
            if rule["event"] == event and rule.get("state", 0) in (0, state):
                self._state = int(rule["new_state"])

    def _fail(self, kind: str, offset: int, size: int) -> None:
        for rule in self._rules:
            if rule.get("state", 0) not in (0, self._state):
                continue
            if rule.get("iotype") not in (None, kind):
                continue
            at = rule.get("sector", -1)
            if at != -1 and not offset <= at * SECTOR < offset + size:
                continue
            if rule.get("once"):
                self._rules.remove(rule)
            code = int(rule.get("errno", errno.EIO))
            raise OSError(code, os.strerror(code))

    def _read(self, offset: int, size: int) -> bytes:
        self._fail("read", offset, size)
        return super()._read(offset, size)

    def _write(self, offset: int, data: bytes | memoryview) -> None:
        self._fail("write", offset, len(data))
        super()._write(offset, data)

    def flush(self) -> None:
        """Let the host write down what was written.

        Raises:
            OSError: It could not, or the rules say so.
        """
        self._fail("flush", 0, 0)
        super().flush()

    @property
    def filename(self) -> str:
        """The name of what is below, if there are no rules but those of a file."""
        below = "json:" if self.file is None else self.file.filename
        if below.startswith("json:") or self.own_options().keys() - _PLAIN:
            return super().filename
        return f"blkdebug:{self.options.get('config', '')}:{below}"

    @property
    def allocated_size(self) -> int:
        """Nothing is known of that."""
        return -1

    @property
    def child_name(self) -> str:
        """What the node below is called."""
        return "image"
