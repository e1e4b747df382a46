"""What is told of a value that does not fit: QEMU's texts, and its order of checks."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal, Optional, TypedDict

import pytest
from msgspec import UNSET, Struct, UnsetType, field

from qmpx.errors import (
    CommandError,
    GenericError,
    InvalidParameter,
    InvalidParameterType,
    InvalidParameterValue,
    MissingParameter,
)
from qmpx.qapi import Boxed, Member, Size, WireName
from qmpx.qapi.check import (
    check_for,
    check_for_members,
    is_boxed,
    struct_members,
    wire_name,
)
from qmpx.qapi.visitor import ROOT


class OnError(enum.Enum):
    REPORT = "report"
    STOP = "stop"


class Throttle(Struct, rename="kebab"):
    bps_max: int
    group: str | None = None


class Device(Struct):
    name: str
    throttle: Throttle
    all: list[Throttle] = []


class Base(Struct, tag_field="type"):
    id: str


class Blank(Base, tag="blank"):
    pass


class FileOptions(Base, tag="file"):
    path: str
    size: Size | UnsetType = UNSET


class Nested(Struct):
    options: Blank | FileOptions


class Renamed(Struct):
    one: int = field(name="ONE")
    two: int | UnsetType = UNSET


class Untagged(Struct):
    x: int


class Other(Struct):
    y: int


def told(annotation: Any, value: Any) -> str | None:
    """Return what is told of an argument called x; None if it fits."""
    try:
        check_for_members([Member("x", annotation, required=True)])({"x": value}, ROOT)
    except CommandError as error:
        return error.desc
    return None


def wrong(expected: str, path: str = "x") -> str:
    return f"Invalid parameter type for '{path}', expected: {expected}"


SAMPLES: dict[str, list[Any]] = {
    "string": ["", "a"],
    "integer": [0, -1, 2**63 - 1, -(2**63)],
    "number": [0.0, 1.0, 1.5, 2**63, 2**64, float("inf")],
    "boolean": [True, False],
    "null": [None],
    "array": [[], [1]],
    "object": [{}, {"a": 1}],
}


@pytest.mark.parametrize(
    ("annotation", "expected", "fitting"),
    [
        (str, "string", {"string"}),
        (bool, "boolean", {"boolean"}),
        (int, "integer", {"integer"}),
        (float, "number", {"integer", "number"}),
        (None, "null", {"null"}),
        (type(None), "null", {"null"}),
        (dict, "object", {"object"}),
        (dict[str, Any], "object", {"object"}),
        (list[Any], "array", {"array"}),
        (list[object], "array", {"array"}),
        (Any, "", set(SAMPLES)),
        (object, "", set(SAMPLES)),
        # An optional argument may be left out; null does not mean that.
        (str | None, "string", {"string"}),
        (Optional[int], "integer", {"integer"}),  # noqa: UP045 - the other spelling
        (int | UnsetType, "integer", {"integer"}),
        (Annotated[bool, "why"], "boolean", {"boolean"}),
        (Annotated[int, WireName("X")], "integer", {"integer"}),
    ],
)
@pytest.mark.parametrize("kind", SAMPLES)
def test_each_type_takes_its_own_values_and_no_others(
    annotation: Any, expected: str, fitting: set[str], kind: str
) -> None:
    for value in SAMPLES[kind]:
        assert told(annotation, value) == (
            None if kind in fitting else wrong(expected)
        ), f"{value!r}"


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 1.0, True, "1", None])
def test_an_integer_has_64_bits_and_no_point(value: Any) -> None:
    assert told(int, value) == wrong("integer")


@pytest.mark.parametrize("value", [0, 2**63, 2**64 - 1, -1, -(2**63)])
def test_a_size_may_have_its_sign_bit_set(value: int) -> None:
    assert told(Size, value) is None


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 1.0, True, "1", None, [], {}])
def test_a_size_is_refused_in_other_words(value: Any) -> None:
    assert told(Size, value) == "Parameter 'x' expects uint64"
    assert told(Size | None, value) == "Parameter 'x' expects uint64"


@pytest.mark.parametrize("annotation", [Literal["report", "stop"], OnError])
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("report", None),
        ("stop", None),
        ("REPORT", "Parameter 'x' does not accept value 'REPORT'"),
        ("", "Parameter 'x' does not accept value ''"),
        ("é'", "Parameter 'x' does not accept value 'é''"),
        (1, wrong("string")),
        (None, wrong("string")),
        ([], wrong("string")),
    ],
)
def test_an_enum_takes_its_values(
    annotation: Any, value: Any, text: str | None
) -> None:
    assert told(annotation, value) == text


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (list[int], [1, 2], None),
        (list[int], [1, "2"], wrong("integer", "x[1]")),
        (list[list[int]], [[], [1, None]], wrong("integer", "x[1][1]")),
        (list[Literal["a"]], ["a", "b"], "Parameter 'null' does not accept value 'b'"),
        (
            list[list[Literal["a"]]],
            [["b"]],
            "Parameter 'null' does not accept value 'b'",
        ),
        (Device, {"name": "d", "throttle": {"bps-max": 1}}, None),
        (Device, {"throttle": {}}, "Parameter 'x.name' is missing"),
        (Device, {"name": 1, "throttle": {}}, wrong("string", "x.name")),
        (Device, {"name": "d", "throttle": []}, wrong("object", "x.throttle")),
        (
            Device,
            {"name": "d", "throttle": {"bps-max": 1.0}},
            wrong("integer", "x.throttle.bps-max"),
        ),
        (
            Device,
            {"name": "d", "throttle": {"bps_max": 1}},
            "Parameter 'x.throttle.bps-max' is missing",
        ),
        (
            Device,
            {"name": "d", "throttle": {"bps-max": 1, "x": 1}},
            "Parameter 'x.throttle.x' is unexpected",
        ),
        (
            Device,
            {"name": "d", "throttle": {"bps-max": 1, "group": None}},
            wrong("string", "x.throttle.group"),
        ),
        (
            Device,
            {"name": "d", "throttle": {"bps-max": 1}, "all": [{"bps-max": "1"}]},
            wrong("integer", "x.all[0].bps-max"),
        ),
        (Renamed, {"ONE": 1, "two": 2}, None),
        (Renamed, {"one": 1}, "Parameter 'x.ONE' is missing"),
        # Tagged unions: first the tag, then what its branch asks for.
        (Nested, {"options": {"type": "blank", "id": "a"}}, None),
        (Nested, {"options": {"id": "a"}}, "Parameter 'x.options.type' is missing"),
        (Nested, {"options": {"type": 1}}, wrong("string", "x.options.type")),
        (
            Nested,
            {"options": {"type": "disk", "zzz": 1}},
            "Parameter 'type' does not accept value 'disk'",
        ),
        (
            Nested,
            {"options": {"type": "blank"}},
            "Parameter 'x.options.id' is missing",
        ),
        (
            Nested,
            {"options": {"type": "blank", "id": "a", "path": "p"}},
            "Parameter 'x.options.path' is unexpected",
        ),
        (
            Nested,
            {"options": {"type": "file", "id": "a", "path": "p", "size": 2**64 - 1}},
            None,
        ),
        (
            Nested,
            {"options": {"type": "file", "id": "a", "path": "p", "size": "1"}},
            "Parameter 'x.options.size' expects uint64",
        ),
        (Nested, {"options": "file"}, wrong("object", "x.options")),
        (
            list[Blank | FileOptions],
            [{"type": "x"}],
            "Parameter 'type' does not accept value 'x'",
        ),
        # A Struct with a tag that stands alone wants it as well.
        (FileOptions, {"type": "file", "id": "a", "path": "p"}, None),
        (FileOptions, {"id": "a", "path": "p"}, "Parameter 'x.type' is missing"),
        (FileOptions | None, {"id": "a"}, "Parameter 'x.type' is missing"),
        (
            FileOptions,
            {"type": "blank"},
            "Parameter 'type' does not accept value 'blank'",
        ),
    ],
)
def test_a_message_names_the_whole_path(
    annotation: Any, value: Any, text: str | None
) -> None:
    assert told(annotation, value) == text


MEMBERS = [
    Member("first", str, required=True),
    Member("second", int, required=False),
    Member("third", list[str], required=True),
    Member("fourth", OnError, required=False),
]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"first": "", "third": []}, None),
        ({"fourth": "stop", "third": [], "second": 1, "first": ""}, None),
        ({}, "Parameter 'first' is missing"),
        # In the order of the schema: missing or ill-typed, whichever stands first.
        ({"second": "x", "third": 1}, "Parameter 'first' is missing"),
        ({"first": 1, "second": "x"}, wrong("string", "first")),
        ({"first": "", "second": "x"}, wrong("integer", "second")),
        ({"first": "", "second": None, "third": []}, wrong("integer", "second")),
        ({"first": "", "fourth": 1}, "Parameter 'third' is missing"),
        ({"first": "", "third": [1], "fourth": 1}, wrong("string", "third[0]")),
        (
            {"first": "", "third": [], "fourth": "x"},
            "Parameter 'fourth' does not accept value 'x'",
        ),
        # What is unknown comes last.
        ({"zzz": 1}, "Parameter 'first' is missing"),
        ({"zzz": 1, "first": "", "third": 1}, wrong("array", "third")),
        ({"zzz": 1, "first": "", "third": []}, "Parameter 'zzz' is unexpected"),
        ({"": 1, "first": "", "third": []}, "Parameter '' is unexpected"),
        ({"First": 1, "first": "", "third": []}, "Parameter 'First' is unexpected"),
    ],
)
def test_the_order_of_the_checks_is_that_of_the_schema(
    value: dict[str, Any], text: str | None
) -> None:
    try:
        check_for_members(MEMBERS)(value, ROOT)
    except CommandError as error:
        assert error.desc == text  # noqa: PT017 - None is a row as well
    else:
        assert text is None


def test_without_members_any_is_unexpected() -> None:
    check = check_for_members([])
    check({}, ROOT)
    with pytest.raises(InvalidParameter) as caught:
        check({"x": None}, ROOT)
    assert caught.value.desc == "Parameter 'x' is unexpected"


@pytest.mark.parametrize(
    ("annotation", "value", "error_class", "data"),
    [
        (int, "1", InvalidParameterType, {"name": "x", "expected": "integer"}),
        (Size, "1", InvalidParameterValue, {"name": "x", "expected": "uint64"}),
        (Throttle, {}, MissingParameter, {"name": "x.bps-max"}),
        (Throttle, {"bps-max": 1, "y": 1}, InvalidParameter, {"name": "x.y"}),
        (OnError, "y", GenericError, {}),
    ],
)
def test_a_complaint_is_an_error_of_the_catalogue(
    annotation: Any, value: Any, error_class: type[CommandError], data: dict[str, str]
) -> None:
    check = check_for_members([Member("x", annotation, required=True)])
    with pytest.raises(CommandError) as caught:
        check({"x": value}, ROOT)
    assert type(caught.value) is error_class
    assert caught.value.data == data


class Typed(TypedDict):
    a: int


class Number(enum.Enum):
    ONE = 1


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (bytes, "<class 'bytes'> has no equivalent in a schema"),
        (list, "<class 'list'> has no equivalent in a schema"),
        (set[int], "set[int] has no equivalent in a schema"),
        (tuple[int], "tuple[int] has no equivalent in a schema"),
        (list[bytes], "<class 'bytes'> has no equivalent in a schema"),
        (complex | None, "<class 'complex'> has no equivalent in a schema"),
        (Typed, f"{Typed!r} has no equivalent in a schema"),
        (int | str, "a union needs tagged Structs; <class 'int'> is none"),
        (Untagged | Other, f"a union needs tagged Structs; {Untagged!r} is none"),
        (FileOptions | Other, f"a union needs tagged Structs; {Other!r} is none"),
        (Literal["a", 1], "an enum needs strings; ('a', 1) are none"),
        (Number, "an enum needs strings; (1,) are none"),
    ],
)
def test_what_is_no_schema_is_refused(annotation: Any, reason: str) -> None:
    with pytest.raises(TypeError) as caught:
        check_for(annotation)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("name", "annotation", "wire"),
    [
        ("device", str, "device"),
        ("node_name", str, "node-name"),
        ("in_", str, "in"),
        ("job_id_", str, "job-id"),
        ("bps_rd", Annotated[int, WireName("bps_rd")], "bps_rd"),
        ("x", Annotated[str | None, "why", WireName("X-y")], "X-y"),
        ("x_y", Annotated[int, "why"], "x-y"),
    ],
)
def test_the_name_on_the_wire(name: str, annotation: Any, wire: str) -> None:
    assert wire_name(name, annotation) == wire


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Annotated[Throttle, Boxed()], True),
        (Annotated[Blank | FileOptions, "why", Boxed()], True),
        (Annotated[Throttle, "boxed"], False),
        (Throttle, False),
    ],
)
def test_what_is_boxed(annotation: Any, expected: bool) -> None:
    assert is_boxed(annotation) is expected


def test_the_members_of_a_struct_are_those_on_the_wire() -> None:
    assert struct_members(Throttle) == [
        Member("bps-max", int, required=True),
        Member("group", str | None, required=False),
    ]
