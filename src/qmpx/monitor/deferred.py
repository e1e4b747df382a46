"""A reply that is made elsewhere, and sent in the very moment in which it is there.

A coroutine that waits goes on in the next turn of the loop. Where replies and events
come from one stream and are to leave in the same order that is too late.
"""

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Deferred:
    """What a handler may return in place of a coroutine; settled once.

    It is asked as a task is, but calls back at once.
    """

    __slots__ = ("_call", "_error", "_is_done", "_value")

    def __init__(self) -> None:
        self._call: Callable[[Deferred], None] | None = None
        self._error: BaseException | None = None
        self._is_done = False
        self._value: Any = None

    def set_result(self, value: Any) -> None:
        """Say what the command returned; the first word counts."""
        self._settle(value, None)

    def set_exception(self, error: BaseException) -> None:
        """Say how the command failed; the first word counts."""
        self._settle(None, error)

    def cancel(self) -> bool:
        """Let nobody wait any more; tell whether somebody did."""
        was_open = not self._is_done
        self._settle(None, asyncio.CancelledError())
        return was_open

    def add_done_callback(self, call: "Callable[[Deferred], None]") -> None:
        """Call *call* in the moment in which it is settled. There can be one."""
        self._call = call
        if self._is_done:
            call(self)

    def done(self) -> bool:
        """Whether it is settled."""
        return self._is_done

    def cancelled(self) -> bool:
        """Whether `cancel` settled it."""
        return isinstance(self._error, asyncio.CancelledError)

    def exception(self) -> BaseException | None:
        """Return how the command failed, if it did."""
        return self._error

    def result(self) -> Any:
        """Return what the command returned.

        Raises:
            BaseException: How it failed.
        """
        if self._error is not None:
            raise self._error
        return self._value

    def _settle(self, value: Any, error: BaseException | None) -> None:
        if self._is_done:
            return
        self._is_done = True
        self._value, self._error = value, error
        if self._call is not None:
            self._call(self)
