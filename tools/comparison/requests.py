"""Random requests: valid ones, and ones that are nearly so.

The strategies are over the model of a schema. What a member takes is looked up by its
name (`tools.comparison.pools`), and is anything of its type if nothing is said there.
"""

import copy
import itertools
from collections.abc import Sequence
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st

from qmpx.qapi.model import (
    AlternateType,
    ArrayType,
    BuiltinType,
    EnumType,
    ObjectType,
    Schema,
)
from tools.comparison.pools import (
    BY_ARGUMENT,
    BY_MEMBER,
    DEVICE_PROPERTIES,
    NUMBERS,
    SIZES,
    WORDS,
)

LEFT_OUT: Final = {
    "quit": "ends the machine",
    "qmp_capabilities": "was negotiated before",
    "human-monitor-command": "has texts for people; other tests compare them",
    "x-exit-preconfig": "would end what cannot begin",
}
"""Commands that are not tried, and why."""

_UNWANTED: Final = {
    "netdev_add": {"tap", "bridge", "vhost-vdpa", "l2tpv3", "vde"},  # the host's
    "chardev-add": {
        "parallel",
        "serial",
        "stdio",
        "console",
        "vc",
        "testdev",
        "msmouse",
    },
    "chardev-change": {"parallel", "serial", "stdio", "console", "pty"},
    "blockdev-add": {"nvme", "nfs", "rbd", "gluster", "iscsi", "ssh", "http", "https"}
    | {"ftp", "ftps", "nbd"},  # the network's
    "object-add": {"input-linux", "qtest", "dbus-vmstate"},
}
"""Values of a union's tag that reach out of the folder, and that are not tried."""

_DEEPEST: Final = 5
"""How deep arguments are nested: then nothing optional comes any more."""

_VALID: Final = 7
"""How many of ten requests the schema allows."""

_WRONG: Final = [None, True, -1, 0, 1.5, "x", "", [], {}, [1], {"x": 1}, "5", 1 << 64]


class Requests:
    """Strategies for requests.

    Args:
        schema: What there is.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def of(self, name: str) -> st.SearchStrategy[dict[str, Any]]:
        """Return a strategy for requests; `_VALID` of ten are valid for the schema.

        Args:
            name: The command.
        """

        @st.composite
        def request(draw: st.DrawFn) -> dict[str, Any]:
            arguments = self._object(
                draw, name, self._schema.commands[name].arguments, 0
            )
            if name == "device_add":
                arguments |= draw(_PROPERTIES)
            if draw(st.integers(0, 9)) >= _VALID:
                arguments = self._nearly(draw, arguments)
            request = {"execute": name}
            return request | ({"arguments": arguments} if arguments else {})

        return request()

    def some(self, name: str, count: int, seed: int) -> list[dict[str, Any]]:
        """Return requests; some of them again, if there are not as many.

        Args:
            name: The command.
            count: How many.
            seed: The same seed makes the same requests.
        """
        made: list[dict[str, Any]] = []

        @with_seed(seed)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(self.of(name))
        def each(request: dict[str, Any]) -> None:
            made.append(copy.deepcopy(request))

        each()
        return list(itertools.islice(itertools.cycle(made), count))

    def _object(
        self, draw: st.DrawFn, command: str, type_name: str, depth: int
    ) -> dict[str, Any]:
        kind = self._schema.object_type(type_name)
        made: dict[str, Any] = {}
        members = self._schema.members_of(type_name)
        self._add(draw, command, members, made, depth, kind.discriminator)
        if kind.discriminator is not None:
            branch = kind.branch(made[kind.discriminator])
            if branch is not None:
                inner = self._object(draw, command, branch.type, depth)
                made |= inner
        return made

    def _add(
        self,
        draw: st.DrawFn,
        command: str,
        members: Sequence[Any],
        made: dict[str, Any],
        depth: int,
        tag: str | None,
    ) -> None:
        optional = [member.name for member in members if member.optional]
        chosen: set[str] = set()
        if optional and depth < _DEEPEST:
            most = draw(st.sampled_from([0, 1, 1, 2, 3]))
            chosen = {draw(st.sampled_from(optional)) for _ in range(most)}
        for member in members:
            if member.optional and member.name not in chosen:
                continue
            made[member.name] = self._value(
                draw,
                command,
                member.name,
                member.type,
                depth,
                is_tag=member.name == tag,
            )

    def _value(
        self,
        draw: st.DrawFn,
        command: str,
        name: str,
        type_name: str,
        depth: int,
        *,
        is_tag: bool = False,
    ) -> Any:
        kind = self._schema.types[type_name]
        match kind:
            case EnumType():
                unwanted = _UNWANTED.get(command, set()) if is_tag else set()
                if is_tag and command == "blockdev-reopen":
                    unwanted = _UNWANTED["blockdev-add"]
                values = [x.name for x in kind.values if x.name not in unwanted]
                return draw(st.sampled_from(values))
            case ArrayType():
                most = 0 if depth >= _DEEPEST else draw(st.sampled_from([0, 1, 1, 2]))
                return [
                    self._value(draw, command, name, kind.element, depth + 1)
                    for _ in range(most)
                ]
            case ObjectType():
                return self._object(draw, command, type_name, depth + 1)
            case AlternateType():
                branches = [branch.type for branch in kind.branches]
                plain = [
                    branch
                    for branch in branches
                    if not isinstance(self._schema.types[branch], ObjectType)
                ]
                if plain and (depth >= 1 or draw(st.booleans())):
                    branches = plain
                chosen = draw(st.sampled_from(branches))
                return self._value(draw, command, name, chosen, depth)
            case BuiltinType():
                return draw(_builtin(command, name, kind.json_type))
        raise TypeError(type_name)

    def _nearly(self, draw: st.DrawFn, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return arguments with one mistake."""
        places = list(_places(arguments))
        holder, key = draw(st.sampled_from([*places, (arguments, "nope")]))
        what = draw(st.sampled_from(["drop", "add", "wrong", "wrong", "wrap", "word"]))
        if key == "nope" or what == "add":
            (holder if isinstance(holder, dict) else arguments)["nope"] = draw(
                st.sampled_from(_WRONG)
            )
        elif what == "drop":
            del holder[key]
        elif what == "wrong":
            holder[key] = draw(st.sampled_from(_WRONG))
        elif what == "wrap":
            holder[key] = draw(st.sampled_from([[holder[key]], {"x": holder[key]}]))
        else:
            holder[key] = "nope"
        return arguments


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def _builtin(command: str, name: str, kind: str) -> st.SearchStrategy[Any]:
    pool = BY_ARGUMENT.get((command, name)) or BY_MEMBER.get(name) or []
    match kind:
        case "string":
            return st.sampled_from([x for x in pool if isinstance(x, str)] or WORDS)
        case "int":
            return st.sampled_from([x for x in pool if isinstance(x, int)] or NUMBERS)
        case "number":
            return st.sampled_from([0, 1, -1, 0.5, 1.0, 1e10])
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
    return st.sampled_from(pool or [*_WRONG, *SIZES])


@st.composite
def _properties(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(DEVICE_PROPERTIES), max_size=3))
    made = {}
    for name in names:
        pool = BY_ARGUMENT.get(("device_add", name)) or BY_MEMBER.get(name)
        made[name] = draw(st.sampled_from(pool or _WRONG))
    return made


_PROPERTIES: Final = _properties()
