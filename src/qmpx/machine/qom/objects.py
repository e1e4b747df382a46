"""Objects in a tree: with a name in their parent, a type, and properties."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

from qmpx.errors import GenericError
from qmpx.machine.qom.child_order import as_listed
from qmpx.machine.qom.types import (
    ObjectTemplate,
    Property,
    Template,
    TypeSource,
    derives,
    zero,
)
from qmpx.machine.qom.values import read_json

WORKER: Final = "virtio-backend"
"""The part of a virtio device that does its work; most properties are its own."""

_NEVER_SET: Final = frozenset({"legacy-addr"})
_READ_ONLY: Final = frozenset(
    {"type", "parent_bus", "hotplugged", "hotpluggable", "guest-stats"}
)
_EACH_HAS: Final = frozenset(
    {"type", "parent_bus", "hotplugged", "hotpluggable", "realized"}
)
_CHANGEABLE: Final = frozenset({"family", "model", "stepping", "vendor", "model-id"})
_OWN: Final = "@"  # in a template: the path of the first object

Reader = Callable[[], Any]
Writer = Callable[[Any], None]


class QomObject:
    """An object.

    Args:
        types: What types there are.
        facts: Its type, and what of it differs from other objects of that.
        name: Its name in its parent.
        parent: Where it is.

    Attributes:
        children: What is in it, by name.
        values: Values that were given to it.
        extra: Types of properties that came later.
        live: What reads properties that change of themselves.
        writers: What is told of values that somebody sets; it may raise.
        is_device: Whether its properties cannot be set any more.
        called: Its id, if its user gave it one.
    """

    __slots__ = (
        "__weakref__",
        "_facts",
        "_types",
        "called",
        "children",
        "extra",
        "is_device",
        "live",
        "name",
        "origin",
        "parent",
        "values",
        "writers",
    )

    def __init__(
        self,
        types: TypeSource,
        facts: ObjectTemplate,
        name: str,
        parent: "QomObject | None",
        origin: "QomObject | None" = None,
    ) -> None:
        self._types = types
        self._facts = facts
        self.name = name
        self.parent = parent
        self.origin = origin or self
        self.children: dict[str, QomObject] = {}
        self.values: dict[str, Any] = {}
        self.extra: dict[str, str] = {}
        self.live: dict[str, Reader] = {}
        self.writers: dict[str, Writer] = {}
        self.is_device = False
        self.called: str | None = None

    @property
    def type(self) -> str:
        """Its type."""
        return self._facts.type

    @property
    def path(self) -> str:
        """Where it is, from the root on."""
        if self.parent is None:
            return "/"
        above = self.parent.path
        return f"{above.rstrip('/')}/{self.name}"

    @property
    def is_there(self) -> bool:
        """Whether it is still in the tree."""
        at = self
        while at.parent is not None:
            if at.parent.children.get(at.name) is not at:
                return False
            at = at.parent
        return True

    def add(self, name: str, facts: ObjectTemplate) -> "QomObject":
        """Make an object in it, and return it.

        Raises:
            GenericError: The name is taken.
        """
        if name in self.children:
            message = (
                f"attempt to add duplicate property '{name}' to object "
                f"(type '{self.type}')"
            )
            raise GenericError(message)
        made = QomObject(self._types, facts, name, self)
        self.children[name] = made
        return made

    def grow(self, template: Template) -> None:
        """Make in it what a template has below its first object."""
        for path, facts in template.items():
            at = self
            *above, name = path.split("/")
            if not name:
                continue
            for part in above:
                at = at.children[part]
            at.children[name] = QomObject(self._types, facts, name, at, self)

    def walk(self) -> Iterator["QomObject"]:
        """Yield it, and all below it."""
        yield self
        for child in self.children.values():
            yield from child.walk()

    def isa(self, ancestor: str) -> bool:
        """Whether its type is another, or derives from it."""
        return derives(self._types, self.type, ancestor)

    # Properties.

    def property_types(self) -> dict[str, str]:
        """Return the types of all properties by name; those of children, too."""
        known = {
            name: item.type
            for name, item in self._types.properties(self.type).items()
            if name not in self._facts.less and not item.type.startswith("child<")
        }
        known |= self._facts.more
        known |= self.extra
        for name in (*self.live, *self.values):
            if name not in known:
                known[name] = self._kind_of(name)
        inner = self.children
        names = as_listed(inner) if self.type == "container" else inner
        known |= {name: f"child<{inner[name].type}>" for name in names}
        return known

    def has(self, name: str) -> bool:
        """Whether it has a property."""
        if name in self.children or name in self.live or name in self.values:
            return True
        if name in self._facts.more or name in self.extra:
            return True
        item = self._types.properties(self.type).get(name)
        return (
            item is not None
            and name not in self._facts.less
            and not item.type.startswith("child<")
        )

    def type_of(self, name: str) -> str:
        """Return the type of a property.

        Raises:
            GenericError: It has none of that name.
        """
        if name in self.children:
            return f"child<{self.children[name].type}>"
        if not self.has(name):
            message = f"Property '{self.type}.{name}' not found"
            raise GenericError(message)
        if (type_ := self.extra.get(name)) is not None:
            return type_
        if (type_ := self._facts.more.get(name)) is not None:
            return type_
        item = self._types.properties(self.type).get(name)
        return self._kind_of(name) if item is None else item.type

    def _kind_of(self, name: str) -> str:
        """Return the type of a property that nobody has told, by what it shows."""
        value: Any = None
        if (read := self.live.get(name)) is not None:
            with suppress(GenericError):
                value = read()
        if isinstance(value, bool):
            return "bool"
        return "int" if isinstance(value, int) else "str"

    def get(self, name: str) -> Any:
        """Return the value of a property.

        Raises:
            GenericError: It has none of that name.
        """
        if name in self.children:
            return self.children[name].path
        if (reader := self.live.get(name)) is not None:
            return reader()
        if name in self.values:
            return self.values[name]
        if not self.has(name):
            message = f"Property '{self.type}.{name}' not found"
            raise GenericError(message)
        if name == "type":
            return self.type
        if (
            name.startswith("legacy-")
            and name not in self._facts.values
            and self.type_of(name) in ("str", "string")
        ):
            message = f"Property '{self.type}.{name}' is not readable"
            raise GenericError(message)
        if name == "crash-information":
            message = "No crash occurred"
            raise GenericError(message)
        if name in self._facts.values:
            value = self._facts.values[name]
            if isinstance(value, str) and value.startswith(_OWN):
                return self.origin.path + value.removeprefix(_OWN)
            return value
        return self._default(name)

    def _default(self, name: str) -> Any:
        item: Property | None = None
        if self.isa("device"):
            item = self._types.device_properties(self.type).get(name)
        if item is None or item.default is None:
            item = self._types.properties(self.type).get(name)
        if item is not None and item.default is not None:
            return item.default
        return zero(self.type_of(name))

    def set(self, name: str, value: Any) -> None:
        """Set a property, as somebody who looks at the running machine does.

        Raises:
            GenericError: It has none of that name; it takes no such value; it cannot be
                set any more.
        """
        if (writer := self.writers.get(name)) is not None:
            writer(read_json(name, self.type_of(name), value))
            return
        type_ = self.type_of(name)
        if name in _NEVER_SET:
            message = f"Property '{self.type}.{name}' is not writable"
            raise GenericError(message)
        worker = self.children.get(WORKER)
        if worker is not None and name not in _EACH_HAS and worker.has(name):
            worker.set(name, value)
            return
        if type_.startswith("child<") or name in _READ_ONLY:
            message = f"Property '{self.type}.{name}' is not writable"
            raise GenericError(message)
        if (
            self.is_device
            and name not in _CHANGEABLE
            and name in self._types.device_properties(self.type)
        ):
            whose = (
                f"device '{self.called}'"
                if self.called is not None
                else "anonymous device"
            )
            message = (
                f"Attempt to set property '{name}' on {whose} (type '{self.type}') "
                "after it was realized"
            )
            raise GenericError(message)
        if name in self.live or type_.startswith("link<"):
            message = f"Property '{self.type}.{name}' is not writable"
            raise GenericError(message)
        self.values[name] = read_json(name, type_, value)
