"""A schema out of annotations: each kind of annotation, and the way round."""

from __future__ import annotations

import enum
import json
from typing import Annotated, Any, Literal, NoReturn, NotRequired, TypedDict

import pytest
from msgspec import UNSET, Raw, Struct, UnsetType, defstruct

from qmpx.cli.schema_text import details, outline
from qmpx.errors import CommandError
from qmpx.qapi import Boxed, Described, Encoded, Signature, Size, Values, WireName
from qmpx.qapi.annotations import CommandDeclaration, EventDeclaration, schema_of
from qmpx.qapi.differences import differences
from qmpx.qapi.introspection.reading import from_introspection
from qmpx.qapi.introspection.telling import to_introspection
from qmpx.qapi.model import EMPTY, Feature, Schema
from qmpx.qapi.shipped import shipped_schema


class Colour(enum.Enum):
    RED = "red"
    BLUE = "deep-blue"


class Number(enum.Enum):
    ONE = 1


class Point(Struct, rename="kebab"):
    """A place.

    Attributes:
        x: From the left,
            in pixels.
    """

    x: int
    far_away: float | UnsetType = UNSET
    label: str | None = None


class Node(Struct):
    name: str
    children: list[Node] = []


class _Shape(Struct, tag_field="kind"):
    id: str


class Circle(_Shape, tag="circle"):
    radius: int


class Dot(_Shape, tag="dot"):
    pass


Reply = TypedDict("Reply", {"node-name": str, "old": NotRequired[list[int]]})


class Marked(TypedDict):
    gone: Annotated[NotRequired[str], Feature("deprecated")]


def declared(handler: Any, **options: Any) -> Schema:
    """Return the schema of one command, ``go``, with that handler."""
    signature = Signature("go", handler)
    return schema_of(
        [
            CommandDeclaration(
                "go", handler, signature.members, signature.returns, **options
            )
        ]
    )


def returned(annotation: Any) -> list[str]:
    """Return what is said of a command that returns that, and of the type."""
    declaration = CommandDeclaration("go", lambda: None, [], annotation)
    schema = schema_of([declaration])
    name = schema.commands["go"].returns
    return [name, *details(schema, schema.types[name])]


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (None, EMPTY),
        (type(None), EMPTY),
        (NoReturn, EMPTY),
        (str, "str"),
        (bool, "bool"),
        (int, "int"),
        (float, "number"),
        (Size, "size"),
        (Annotated[int, "anything else"], "int"),
        (Annotated[str, WireName("x")], "str"),
        (list[str], "[str]"),
        (list[list[int]], "[any]"),
        (tuple[int, ...], "[int]"),
        (str | None, "str"),
        (Encoded[list[str]], "[str]"),
        (Encoded, "any"),
        (Any, "any"),
        (object, "any"),
        (dict[str, int], "any"),
        (tuple[int, str], "any"),
        (Number, "any"),
        (list[str] | list[int], "any"),
        (list[Reply], "[Reply]"),
    ],
)
def test_an_annotation_is_a_type(annotation: Any, name: str) -> None:
    assert returned(annotation)[0] == name


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (Colour, ["Colour", "enum Colour", "  values", "    red", "    deep-blue"]),
        (
            Literal["on", "off"],
            ["GoResult", "enum GoResult", "  values", "    on", "    off"],
        ),
        (
            Annotated[str, Values("a")],
            ["GoResult", "enum GoResult", "  values", "    a"],
        ),
        (
            Point,
            [
                *("Point", "struct Point", "  A place.", "  members"),
                *("    x: int", "        From the left,", "        in pixels."),
                *("    far-away?: number", "    label?: str"),
            ],
        ),
        (
            Node,
            [
                "Node",
                "struct Node",
                "  members",
                "    name: str",
                "    children?: [Node]",
            ],
        ),
        (
            Reply,
            [
                "Reply",
                "struct Reply",
                "  members",
                "    node-name: str",
                "    old?: [int]",
            ],
        ),
        (
            Marked,
            ["Marked", "struct Marked", "  members", "    gone?: str  [deprecated]"],
        ),
        (
            Circle | Dot,
            [
                *("GoResult", "union GoResult", "  members"),
                *("    kind: GoResultKind", "    id: str"),
                *("    if kind is circle (Circle)", "      radius: int"),
            ],
        ),
        (
            Circle,
            [
                "Circle",
                "union Circle",
                "  members",
                "    kind: CircleKind",
                "    id: str",
                "    radius: int",
            ],
        ),
        (
            str | Point | None,
            [
                "GoResult",
                "alternate GoResult",
                "  one of",
                "    string: str",
                "    object: Point",
            ],
        ),
    ],
)
def test_a_type_has_what_its_class_has(annotation: Any, said: list[str]) -> None:
    assert returned(annotation) == said


def go(
    _: object,
    *,
    node_name: str,
    bps_rd: Annotated[int, WireName("bps_rd")] = 0,
    in_: Annotated[str | None, Feature("deprecated")] = None,
    mode: Literal["a", "b"] = "a",
) -> None:
    """Go on.

    Args:
        _: What it acts on.
        node_name: The node.
        in_: Where to.

    Raises:
        GenericError: It cannot.
    """


def test_arguments_are_the_keywords_of_the_handler() -> None:
    schema = declared(go, allow_oob=True, is_async=True, features=("unstable",))
    assert list(outline(schema)) == [
        "command go(node-name: str, bps_rd?: int, in?: str, mode?: GoMode)  [unstable]"
    ]
    command = schema.commands["go"]
    assert (command.allow_oob, command.coroutine, command.boxed) == (True, True, False)
    assert str(command.position).rpartition("/")[2].startswith("test_annotations.py:")
    lines = list(details(schema, command))
    assert lines[0] == "command go  [unstable]"
    assert lines[2:] == [
        *("  Go on.", "  arguments", "    node-name: str", "        The node."),
        *("    bps_rd?: int", "    in?: str  [deprecated]", "        Where to."),
        *("    mode?: GoMode", "  returns nothing"),
        "  may be executed out of band",
    ]


def test_boxed_arguments_are_the_type_itself() -> None:
    def add(*, shape: Annotated[Circle | Dot, Boxed()]) -> None:
        """Add a shape."""

    add.__annotations__["shape"] = Annotated[Circle | Dot, Boxed()]
    schema = declared(add)
    assert schema.commands["go"].boxed
    arguments = schema.object_type(schema.commands["go"].arguments)
    assert [branch.name for branch in arguments.branches] == ["circle", "dot"]
    assert [m.name for m in schema.members_of(arguments.name)] == ["kind", "id"]


def test_boxed_arguments_that_may_be_anything_are_not_checked() -> None:
    def add(*, options: Any) -> None:
        """Add something."""

    add.__annotations__["options"] = Annotated[dict[str, Any], Boxed()]
    command = declared(add).commands["go"]
    assert (command.arguments, command.gen) == (EMPTY, False)


def test_the_same_values_are_one_enumeration() -> None:
    def handler(*, a: Literal["x", "y"], b: Literal["x", "y"], c: Literal["x"]) -> None:
        """Choose."""

    members = declared(handler).members_of("q_obj_go-arg")
    assert [member.type for member in members] == ["GoA", "GoA", "GoC"]


def test_types_of_one_name_are_told_apart() -> None:
    other = defstruct("Point", [("z", int)])
    declarations = [
        CommandDeclaration("one", lambda: None, [], Point),
        CommandDeclaration("two", lambda: None, [], other),
        CommandDeclaration("Point3", lambda: None, [], None),
    ]
    schema = schema_of(declarations)
    names = [command.returns for command in schema.commands.values()]
    assert names == ["Point", "Point2", EMPTY]


def test_events_have_the_data_that_is_declared() -> None:
    events = [
        EventDeclaration("GONE"),
        EventDeclaration("MOVED", Point, ("deprecated",)),
    ]
    assert list(outline(schema_of([], events))) == [
        "event GONE()",
        "event MOVED(x: int, far-away?: number, label?: str)  [deprecated]",
    ]


def test_the_data_of_an_event_are_an_object() -> None:
    with pytest.raises(TypeError, match=r"the data of an event are an object; .*int"):
        schema_of([], [EventDeclaration("GONE", int)])


def test_what_is_declared_survives_the_way_round() -> None:
    def handler(*, shape: Circle | Dot, where: list[Point], size: Size) -> Node:
        """Do."""
        raise NotImplementedError

    handler.__annotations__ |= {
        "shape": Circle | Dot,
        "where": list[Point],
        "size": Size,
        "return": Node,
    }
    schema = declared(handler)
    told = to_introspection(schema)
    again = from_introspection(told)
    assert to_introspection(again) == told
    assert differences(schema, again) == differences(again, schema) == []


def add(
    _: object,
    *,
    options: Annotated[
        dict[str, Any], Boxed(), Described("BlockdevOptions", {"null-co", "raw"})
    ],
) -> list[Annotated[Any, Described("BlockdevOptions")]]:
    """Add a node."""
    return [options]


def test_what_is_described_is_the_type_of_qemus_schema() -> None:
    schema = declared(add)
    command = schema.commands["go"]
    assert (command.arguments, command.returns) == (
        "BlockdevOptions",
        "[BlockdevOptions2]",
    )
    lines = list(details(schema, schema.types["BlockdevOptions"]))
    assert lines[:4] == [
        *("union BlockdevOptions", "  members", "    driver: BlockdevOptionsTag"),
        "    node-name?: str",
    ]
    assert [line for line in lines if " is " in line] == [
        "    if driver is null-co (BlockdevOptionsNull)",
        "    if driver is raw (BlockdevOptionsRaw)",
    ]
    whole = shipped_schema("7.2").object_type("BlockdevOptions")
    assert len(schema.object_type("BlockdevOptions2").branches) == len(whole.branches)
    told = to_introspection(schema)
    assert to_introspection(from_introspection(told)) == told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (b'{"driver": "null-co", "size": 1}', None),
        (b'{"driver": "raw", "file": {"driver": "null-co"}}', None),
        (b'{"driver": "qcow2"}', "Parameter 'file' is missing"),
        (b'{"driver": "raw"}', "Parameter 'file' is missing"),
        (
            b'{"driver": "raw", "file": {"driver": "null-co", "size": "1"}}',
            "Invalid parameter type for 'file.size', expected: integer",
        ),
    ],
)
def test_arguments_that_are_described_are_held_against_it(
    arguments: bytes, message: str | None
) -> None:
    signature = Signature("go", add)
    if message is None:
        assert signature.read(Raw(arguments)) == {"options": json.loads(arguments)}
        return
    with pytest.raises(CommandError) as raised:
        signature.read(Raw(arguments))
    assert raised.value.desc == message


def test_a_size_can_be_described() -> None:
    def handler(*, count: int) -> None:
        """Count."""

    handler.__annotations__["count"] = Annotated[int, Described("uint8")]
    schema = declared(handler)
    assert [m.type for m in schema.members_of("q_obj_go-arg")] == ["uint8"]
    with pytest.raises(CommandError, match="Parameter 'count' expects uint8_t"):
        Signature("go", handler).read(Raw(b'{"count": 256}'))
