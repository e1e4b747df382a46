"""Objects that users create: secrets, I/O threads, memory, and others."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import GenericError
from qmpx.machine.qom.types import ObjectTemplate

if TYPE_CHECKING:
    from qmpx.machine.qom.objects import QomObject

_MOST_NS: Final = 2**63 - 1
_MEMORY_DEFAULTS: Final[Mapping[str, Any]] = {
    "merge": True,
    "dump": True,
    "reserve": True,
    "host-nodes": [],
    "policy": "default",
}
_POLLING: Final = ("poll-max-ns", "poll-grow", "poll-shrink", "aio-max-batch")


class ParkedThread:
    """A thread that is there, and does nothing until it ends.

    Args:
        name: What it is called.

    Attributes:
        native_id: The host's number of it.
    """

    def __init__(self, name: str) -> None:
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._ends.wait, name=name, daemon=True)
        self._thread.start()
        self.native_id = self._thread.native_id or 0

    def end(self) -> None:
        """End it."""
        self._ends.set()
        self._thread.join()


_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "filter-": {
        "queue": "all",
        "insert": "behind",
        "status": "on",
        "position": "tail",
    },
    "filter-dump": {"maxlen": 65536},
    "main-loop": {"thread-pool-max": 64},
}  # what QEMU shows that nobody gave, by how the types begin


@dataclass(frozen=True, slots=True)
class Created:
    """An object of some type, with what its user gave it.

    Attributes:
        kind: Its type.
        options: Values by the names of properties.
        users: The paths of what uses it; it cannot be removed meanwhile.
    """

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    users: list[str] = field(default_factory=list, compare=False)

    def show(self, shown: "QomObject") -> None:
        """Give its values to the object that shows it."""
        for prefix, defaults in _DEFAULTS.items():
            if self.kind.startswith(prefix):
                shown.values.update(defaults)
        shown.values.update(self.options)
        if self.kind == "throttle-group":
            self._show_limits(shown)
        if self.kind.startswith("rng-"):

            def refuse(name: str, value: object) -> None:  # noqa: ARG001
                message = f"Property '{name}' can no longer be set"
                raise GenericError(message)

            for name in ("filename", "chardev"):
                if shown.has(name):
                    shown.writers[name] = partial(refuse, name)

    def _show_limits(self, shown: "QomObject") -> None:
        """Show the limits of a throttle group, all of them, and let them be set."""
        given = {
            name.removeprefix("x-"): value
            for name, value in self.options.items()
            if name.startswith("x-")
        }
        limits = {
            f"{unit}-{kind}{suffix}": int(suffix == "-max-length")
            for unit in ("bps", "iops")
            for kind in ("total", "read", "write")
            for suffix in ("", "-max", "-max-length")
        }
        limits |= {"iops-size": 0, **given, **(self.options.get("limits") or {})}

        def put(changes: Mapping[str, int]) -> None:
            limits.update(changes)
            shown.values["limits"] = limits
            shown.values.update({f"x-{name}": value for name, value in limits.items()})

        put({})
        shown.writers["limits"] = put

    def close(self) -> None:
        """Let go of what it has of the world outside."""


class Secret(Created):
    """Bytes that must not be shown.

    Args:
        data: The bytes.
        options: What its user gave beside them.
    """

    __slots__ = ("data",)

    data: bytes

    def __init__(self, data: bytes, options: Mapping[str, Any] | None = None) -> None:
        super().__init__("secret", options or {})
        object.__setattr__(self, "data", data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.data == other.data

    def __hash__(self) -> int:
        return hash(self.data)

    def __repr__(self) -> str:
        return "Secret(...)"


@dataclass(slots=True)
class IOThread:
    """A thread for block devices.

    Attributes:
        poll_max_ns: Longest time that it polls, in nanoseconds.
        poll_grow: By what the time is multiplied when polling pays; 0 for QEMU's 2.
        poll_shrink: By what it is divided when it does not; 0: to zero at once.
        aio_max_batch: Most requests at once; 0 for as many as the engine likes.
        pool: Fewest and most threads of its pool.
        users: The paths of what uses it.
    """

    poll_max_ns: int = 32768
    poll_grow: int = 0
    poll_shrink: int = 0
    aio_max_batch: int = 0
    pool: tuple[int, int] = (0, 64)
    users: list[str] = field(default_factory=list, compare=False)
    _thread: ParkedThread | None = field(default=None, compare=False, repr=False)

    kind = "iothread"

    @property
    def thread_id(self) -> int:
        """The host's number of its thread, which is made when somebody asks first."""
        if self._thread is None:
            self._thread = ParkedThread("iothread")
        return self._thread.native_id

    def close(self) -> None:
        """End its thread, if it has one."""
        if self._thread is not None:
            self._thread.end()
            self._thread = None

    def show(self, shown: "QomObject") -> None:
        """Let its figures be seen and set."""
        for name in _POLLING:
            shown.live[name] = partial(getattr, self, name.replace("-", "_"))
            shown.writers[name] = partial(self.set, name)
        shown.live["thread-pool-min"] = lambda: self.pool[0]
        shown.live["thread-pool-max"] = lambda: self.pool[1]
        shown.writers["thread-pool-min"] = lambda value: self.set_pool(
            value, self.pool[1]
        )
        shown.writers["thread-pool-max"] = lambda value: self.set_pool(
            self.pool[0], value
        )

    def set(self, name: str, value: int) -> None:
        """Set a figure by its name on the wire, such as ``poll-max-ns``.

        Raises:
            GenericError: It is less than nothing.
        """
        if value < 0:
            message = f"{name} value must be in range [0, {_MOST_NS}]"
            raise GenericError(message)
        setattr(self, name.replace("-", "_"), value)

    def set_pool(self, fewest: int, most: int) -> None:
        """Set how many threads its pool has.

        Raises:
            GenericError: There are no such numbers.
        """
        for name, value in (("thread-pool-min", fewest), ("thread-pool-max", most)):
            if value < 0:
                message = f"{name} value must be in range [0, {_MOST_NS}]"
                raise GenericError(message)
        if fewest > most or not most:
            message = "bad thread-pool-min/thread-pool-max values"
            raise GenericError(message)
        self.pool = fewest, most


@dataclass(frozen=True, slots=True)
class MemoryBackend:
    """Memory for the guest.

    Attributes:
        size: In bytes.
        kind: Its type, such as ``memory-backend-ram``.
        options: What else its user gave.
        users: The paths of the devices that show it to the guest.
    """

    size: int
    kind: str = "memory-backend-ram"
    options: Mapping[str, Any] = field(default_factory=dict)
    users: list[str] = field(default_factory=list, compare=False)

    def option(self, name: str, otherwise: Any) -> Any:
        """Return what its user gave, or what there is without that."""
        return self.options.get(name, otherwise)

    def close(self) -> None:
        """Do nothing: it has no memory of the host's."""

    def show(self, shown: "QomObject") -> None:
        """Let its values be seen; some cannot be changed any more."""
        shown.values.update(_MEMORY_DEFAULTS)
        if self.kind == "memory-backend-memfd":
            shown.values |= {"share": True, "seal": True}
        shown.values.update(self.options)
        shown.values["size"] = self.size
        region = ObjectTemplate("memory-region", {"size": self.size})
        name = f"{shown.name}[0]"
        if self.option("x-use-canonical-path-for-ramblock-id", otherwise=False):
            name = f"\\x2fobjects\\x2f{name}"
        shown.add(name, region)

        def refuse_size(value: int) -> None:  # noqa: ARG001
            message = f"cannot change property size of {self.kind} "
            raise GenericError(message)

        def refuse(value: object) -> None:  # noqa: ARG001
            message = "cannot change property value"
            raise GenericError(message)

        shown.writers["size"] = refuse_size
        for name in ("share", "reserve"):
            shown.writers[name] = refuse


UserObject = Created | IOThread | MemoryBackend
