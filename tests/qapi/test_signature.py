"""A handler's signature: what it takes, what it refuses, what it gives back."""

from __future__ import annotations

import enum
import typing
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw, Struct, UnsetType

from qmpx.errors import CommandError
from qmpx.qapi import Boxed, Encoded, Member, Signature, Size, WireName
from qmpx.wire.encode import encode


class Target:
    pass


class OnError(enum.Enum):
    REPORT = "report"
    STOP = "stop"


class Throttle(Struct, rename="kebab"):
    bps_max: int
    group: str | None = None
    ratio: float | UnsetType = UNSET


class Base(Struct, tag_field="qom-type", rename="kebab"):
    id: str


class Secret(Base, tag="secret"):
    data: str | None = None


class Memory(Base, tag="memory", kw_only=True):
    size: Size
    on_error: OnError = OnError.REPORT


def nothing(target: Target) -> None: ...


def eject(
    target: Target, *, device: str, force: bool = False, node_name: str | None = None
) -> None: ...


def numbers(*, n: int = 0, size: Size = 0, ratio: float = 0.0) -> None: ...


def lists(*, names: list[str], many: list[list[int]] | None = None) -> None: ...


def choices(
    *, mode: Literal["a", "b"] = "a", on_error: OnError | None = None
) -> None: ...


def structs(*, throttle: Throttle, more: list[Throttle] | None = None) -> None: ...


def anything(*, value: Any = None, data: dict[str, Any] | None = None) -> None: ...


def union(*, options: Annotated[Secret | Memory, Boxed()]) -> None: ...


def one_branch(*, options: Annotated[Secret, Boxed()]) -> None: ...


def free(*, arguments: Annotated[dict[str, Any], Boxed()]) -> None: ...


def renamed(
    *, in_: int = 0, bps_rd: Annotated[int | None, WireName("bps_rd")] = None
) -> None: ...


def read(handler: Any, arguments: bytes | None = None) -> dict[str, Any]:
    raw = UNSET if arguments is None else Raw(arguments)
    return Signature("x", handler).read(raw)


def refusal(handler: Any, arguments: bytes | None = None) -> str:
    with pytest.raises(CommandError) as caught:
        read(handler, arguments)
    return caught.value.desc


@pytest.mark.parametrize(
    ("handler", "arguments", "keywords"),
    [
        (nothing, None, {}),
        (nothing, b"{}", {}),
        (eject, b'{"device":"a"}', {"device": "a"}),
        (
            eject,
            b'{"node-name": "n", "force": true, "device": "\\u00e9"}',
            {"device": "é", "force": True, "node_name": "n"},
        ),
        (numbers, None, {}),
        (numbers, b'{"n": 9223372036854775807}', {"n": 2**63 - 1}),
        (numbers, b'{"n": -9223372036854775808}', {"n": -(2**63)}),
        (numbers, b'{"size": 18446744073709551615}', {"size": 2**64 - 1}),
        (numbers, b'{"size": -1}', {"size": -1}),
        (numbers, b'{"ratio": 1}', {"ratio": 1.0}),
        (numbers, b'{"ratio": 1e3}', {"ratio": 1000.0}),
        (lists, b'{"names": ["a", "b"]}', {"names": ["a", "b"]}),
        (lists, b'{"names": [], "many": [[1], []]}', {"names": [], "many": [[1], []]}),
        (choices, b'{"mode": "b"}', {"mode": "b"}),
        (choices, b'{"on-error": "stop"}', {"on_error": OnError.STOP}),
        (
            structs,
            b'{"throttle": {"bps-max": 1, "group": "g", "ratio": 2}}',
            {"throttle": Throttle(1, "g", 2.0)},
        ),
        (
            structs,
            b'{"throttle": {"bps-max": 1}, "more": [{"bps-max": 2}]}',
            {"throttle": Throttle(1), "more": [Throttle(2)]},
        ),
        (anything, b'{"value": null}', {"value": None}),
        (anything, b'{"value": [1, {"a": 1.5}]}', {"value": [1, {"a": 1.5}]}),
        (anything, b'{"data": {"a": {}}}', {"data": {"a": {}}}),
        (
            union,
            b'{"qom-type": "secret", "id": "s"}',
            {"options": Secret("s")},
        ),
        (
            union,
            b'{"id": "m", "size": 1, "qom-type": "memory", "on-error": "stop"}',
            {"options": Memory("m", size=1, on_error=OnError.STOP)},
        ),
        (
            one_branch,
            b'{"qom-type": "secret", "id": "s"}',
            {"options": Secret("s")},
        ),
        (free, None, {"arguments": {}}),
        (free, b'{"a": null}', {"arguments": {"a": None}}),
        (renamed, b'{"in": 1, "bps_rd": 2}', {"in_": 1, "bps_rd": 2}),
    ],
)
def test_arguments_become_keywords(
    handler: Any, arguments: bytes | None, keywords: dict[str, Any]
) -> None:
    found = read(handler, arguments)
    assert found == keywords
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in keywords.items()
    }


def wrong(expected: str, path: str) -> str:
    return f"Invalid parameter type for '{path}', expected: {expected}"


@pytest.mark.parametrize(
    ("handler", "arguments", "text"),
    [
        # A command without arguments refuses any, even one that is null.
        (nothing, b'{"a": 1}', "Parameter 'a' is unexpected"),
        (nothing, b'{"a": null}', "Parameter 'a' is unexpected"),
        (eject, None, "Parameter 'device' is missing"),
        (eject, b"{}", "Parameter 'device' is missing"),
        (eject, b'{"force": 1}', "Parameter 'device' is missing"),
        (eject, b'{"device": null}', wrong("string", "device")),
        (eject, b'{"device": "a", "force": null}', wrong("boolean", "force")),
        (eject, b'{"device": "a", "force": 1}', wrong("boolean", "force")),
        (eject, b'{"device": "a", "force": "true"}', wrong("boolean", "force")),
        (eject, b'{"device": "a", "node-name": null}', wrong("string", "node-name")),
        (
            eject,
            b'{"device": "a", "node_name": "n"}',
            "Parameter 'node_name' is unexpected",
        ),
        (eject, b'{"x": 1, "device": 1}', wrong("string", "device")),
        (eject, b'{"x": 1, "device": "a"}', "Parameter 'x' is unexpected"),
        # Integers: no point, no exponent, 64 bits.
        (numbers, b'{"n": 1.0}', wrong("integer", "n")),
        (numbers, b'{"n": 1e0}', wrong("integer", "n")),
        (numbers, b'{"n": "1"}', wrong("integer", "n")),
        (numbers, b'{"n": true}', wrong("integer", "n")),
        (numbers, b'{"n": 9223372036854775808}', wrong("integer", "n")),
        (numbers, b'{"n": -9223372036854775809}', wrong("integer", "n")),
        (numbers, b'{"n": %b}' % (b"9" * 5000), wrong("integer", "n")),
        (numbers, b'{"size": 1.5}', "Parameter 'size' expects uint64"),
        (numbers, b'{"size": "1"}', "Parameter 'size' expects uint64"),
        (numbers, b'{"size": 18446744073709551616}', "Parameter 'size' expects uint64"),
        (numbers, b'{"size": -9223372036854775809}', "Parameter 'size' expects uint64"),
        (numbers, b'{"ratio": "1"}', wrong("number", "ratio")),
        (numbers, b'{"ratio": true}', wrong("number", "ratio")),
        (lists, b'{"names": "a"}', wrong("array", "names")),
        (lists, b'{"names": ["a", 1]}', wrong("string", "names[1]")),
        (lists, b'{"names": [], "many": [[], [null]]}', wrong("integer", "many[1][0]")),
        (
            lists,
            b'{"names": [], "many": [[9223372036854775808]]}',
            wrong("integer", "many[0][0]"),
        ),
        (choices, b'{"mode": "c"}', "Parameter 'mode' does not accept value 'c'"),
        (choices, b'{"mode": 1}', wrong("string", "mode")),
        (
            choices,
            b'{"on-error": "x"}',
            "Parameter 'on-error' does not accept value 'x'",
        ),
        (choices, b'{"on-error": null}', wrong("string", "on-error")),
        # In a Struct as well as outside.
        (structs, b'{"throttle": {}}', "Parameter 'throttle.bps-max' is missing"),
        (
            structs,
            b'{"throttle": {"bps-max": 1, "x": 1}}',
            "Parameter 'throttle.x' is unexpected",
        ),
        (
            structs,
            b'{"throttle": {"bps-max": 9223372036854775808}}',
            wrong("integer", "throttle.bps-max"),
        ),
        (
            structs,
            b'{"throttle": {"bps-max": 1, "group": null}}',
            wrong("string", "throttle.group"),
        ),
        (
            structs,
            b'{"throttle": {"bps-max": 1}, "more": [{"bps-max": 1.0}]}',
            wrong("integer", "more[0].bps-max"),
        ),
        (
            structs,
            b'{"throttle": {"bps-max": 1}, "more": null}',
            wrong("array", "more"),
        ),
        (anything, b'{"data": []}', wrong("object", "data")),
        (anything, b'{"data": null}', wrong("object", "data")),
        # Boxed: the paths begin with the members.
        (union, None, "Parameter 'qom-type' is missing"),
        (union, b'{"id": "a"}', "Parameter 'qom-type' is missing"),
        (union, b'{"qom-type": "x"}', "Parameter 'qom-type' does not accept value 'x'"),
        (union, b'{"qom-type": "memory", "id": "m"}', "Parameter 'size' is missing"),
        (union, b'{"qom-type": "memory", "size": "1"}', "Parameter 'id' is missing"),
        (
            union,
            b'{"qom-type": "memory", "id": "m", "size": 18446744073709551616}',
            "Parameter 'size' expects uint64",
        ),
        (
            union,
            b'{"qom-type": "secret", "id": "s", "data": null}',
            wrong("string", "data"),
        ),
        (
            union,
            b'{"qom-type": "secret", "id": "s", "size": 1}',
            "Parameter 'size' is unexpected",
        ),
        (one_branch, b'{"id": "s"}', "Parameter 'qom-type' is missing"),
        (renamed, b'{"in_": 1}', "Parameter 'in_' is unexpected"),
        (renamed, b'{"bps-rd": 1}', "Parameter 'bps-rd' is unexpected"),
        (renamed, b'{"bps_rd": null}', wrong("integer", "bps_rd")),
    ],
)
def test_arguments_are_refused_in_qemus_words(
    handler: Any, arguments: bytes | None, text: str
) -> None:
    assert refusal(handler, arguments) == text


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        (nothing, "Parameter 'value' is unexpected"),
        (numbers, "Parameter 'value' is unexpected"),
        (anything, "Arguments cannot be read: they are nested too deep"),
    ],
)
def test_arguments_nested_to_the_limit_are_answered(handler: Any, text: str) -> None:
    deep = b"[" * 1022 + b"]" * 1022
    assert refusal(handler, b'{"value": %b}' % deep) == text


def test_a_number_beyond_doubles_is_answered() -> None:
    assert refusal(numbers, b'{"ratio": 1e400}') == (
        "Arguments cannot be read: Number out of range - at `$.ratio`"
    )


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**66), 2**66)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "a", "secret", "memory", "report"])
)
values = (
    scalars
    | st.lists(scalars, max_size=3)
    | st.dictionaries(st.sampled_from(["bps-max", "group", "x"]), scalars, max_size=3)
)
NAMES = [
    "device",
    "force",
    "n",
    "size",
    "names",
    "many",
    "mode",
    "throttle",
    "qom-type",
]
HANDLERS = [nothing, eject, numbers, lists, choices, structs, union, renamed]


@given(
    st.sampled_from(HANDLERS),
    st.dictionaries(
        st.sampled_from(NAMES),
        values,
        max_size=4,
    ),
)
def test_any_arguments_are_read_or_refused_with_a_path(
    handler: Any, arguments: dict[str, Any]
) -> None:
    try:
        found = read(handler, encode(arguments))
    except CommandError as error:
        assert error.desc.startswith(("Parameter '", "Invalid parameter type for '"))  # noqa: PT017
        return
    assert len(found) <= max(len(arguments), 1)
    for value in found.values():
        assert value is not None


# What a signature says.


def test_a_signature_tells_its_members_and_what_the_monitor_hands_over() -> None:
    signature = Signature("eject", eject)
    assert signature.members == [
        Member("device", str, required=True),
        Member("force", bool, required=False),
        Member("node-name", str | None, required=False),
    ]
    assert signature.positional == [Target]
    assert signature.returns is type(None)
    assert not signature.is_async


def test_what_is_not_annotated_is_anything() -> None:
    def handler(target, *, x, y=1):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return target, x, y

    signature = Signature("x", handler)
    assert signature.members == [
        Member("x", Any, required=True),
        Member("y", Any, required=False),
    ]
    assert (signature.positional, signature.returns) == ([Any], Any)
    assert signature.read(Raw(b'{"x": null}')) == {"x": None}


async def waits(_target: Target, *, seconds: int) -> int:
    return seconds


def test_a_coroutine_function_is_asynchronous() -> None:
    signature = Signature("waits", waits)
    assert signature.is_async
    assert signature.returns is int
    assert signature.read(Raw(b'{"seconds": 1}')) == {"seconds": 1}


def positional(*args: str) -> None: ...


def keywords(**kwargs: str) -> None: ...


def untyped_list(*, x: list) -> None: ...  # type: ignore[type-arg]


def raw_bytes(*, x: bytes) -> None: ...


def plain_union(*, x: int | str) -> None: ...


def number_enum(*, x: Literal[1, 2]) -> None: ...


def twice(*, a_b: int, a_b_: int) -> None: ...


def not_alone(*, x: Annotated[Throttle, Boxed()], y: int) -> None: ...


class Loose(Base, tag="loose", tag_field="kind"):
    pass


def two_tags(*, x: Annotated[Secret | Loose, Boxed()]) -> None: ...


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (positional, "x: *args: 'str' is no argument: name them all"),
        (keywords, "x: **kwargs: 'str' is no argument: name them all"),
        (untyped_list, "x: <class 'list'> has no equivalent in a schema"),
        (raw_bytes, "x: <class 'bytes'> has no equivalent in a schema"),
        (plain_union, "x: a union needs tagged Structs; <class 'int'> is none"),
        (number_enum, "x: an enum needs strings; (1, 2) are none"),
        (
            twice,
            "x: Multiple fields rename to the same name, field names must be unique",
        ),
        (not_alone, "x: x is boxed, and so must stand alone"),
    ],
)
def test_a_bad_signature_stops_the_registration(handler: Any, reason: str) -> None:
    with pytest.raises(TypeError) as caught:
        Signature("x", handler)
    assert str(caught.value) == reason


def test_branches_must_agree_on_their_tag() -> None:
    with pytest.raises(TypeError, match=r"^x: .*must have the same `tag_field`"):
        Signature("x", two_tags)


# What a handler returns.


class Typed(TypedDict):
    a: int


class TypedDouble(TypedDict):
    a: list[float]


class Plain(Struct):
    a: int
    again: Plain | None = None


class WithDouble(Struct):
    inner: dict[str, float]


class Pair(NamedTuple):
    a: float


RETURNS: list[tuple[Any, bool]] = [
    (None, False),
    (int, False),
    (str, False),
    (bool, False),
    (bytes, False),
    (Encoded, False),
    (OnError, False),
    (Literal["a"], False),
    (int | str | None, False),
    (list[int], False),
    (dict[str, list[str]], False),
    (tuple[int, ...], False),
    (Annotated[int, "why"], False),
    (Typed, False),
    (Plain, False),
    (list[Plain], False),
    (float, True),
    (Any, True),
    (object, True),
    (dict, True),
    (list, True),
    (typing.Dict, True),  # noqa: UP006 - the other spelling
    (typing.List, True),  # noqa: UP006
    (dict[str, Any], True),
    (int | float, True),
    (list[float], True),
    (Annotated[float, "why"], True),
    (TypedDouble, True),
    (WithDouble, True),
    (Pair, True),
]


@pytest.mark.parametrize(("annotation", "expected"), RETURNS)
def test_where_a_double_may_be_is_known_from_the_annotation(
    annotation: Any, expected: bool
) -> None:
    def handler() -> Any: ...

    handler.__annotations__["return"] = annotation
    assert Signature("x", handler).may_return_doubles is expected


def test_without_an_annotation_there_may_be_doubles() -> None:
    assert Signature("x", lambda: None).may_return_doubles


def returns_double() -> float:
    return 0.1


def returns_integer() -> dict[str, int]:
    return {}


@pytest.mark.parametrize(
    ("handler", "value", "text"),
    [
        (nothing, None, b"{}"),
        (returns_integer, None, b"{}"),
        (returns_integer, {}, b"{}"),
        (returns_integer, {"é": 1}, b'{"\\u00E9": 1}'),
        (returns_double, 0.1, b"0.10000000000000001"),
        (returns_double, 1.0, b"1"),
        (lambda: None, [1.5, {"a": 2.0}], b'[1.5, {"a": 2}]'),
        (nothing, "text", b'"text"'),
        (nothing, False, b"false"),
        (nothing, 0, b"0"),
        (nothing, [], b"[]"),
        (nothing, Throttle(1, "g"), b'{"bps-max": 1, "group": "g"}'),
        (nothing, OnError.STOP, b'"stop"'),
        (nothing, Encoded(b"[as it is]"), b"[as it is]"),
        (nothing, Encoded.of({"é": 0.1}), b'{"\\u00E9": 0.10000000000000001}'),
    ],
)
def test_what_a_handler_returned_is_encoded(
    handler: Any, value: Any, text: bytes
) -> None:
    assert Signature("x", handler).encode(value) == text


class Frozen(Struct, frozen=True):
    name: str
    size: int | None = None


class FrozenList(Struct, frozen=True):
    names: list[str]


def returns_frozen() -> Frozen:
    return Frozen("x")


def returns_frozen_list() -> FrozenList:
    return FrozenList([])


def returns_throttle() -> Throttle:
    return Throttle(1)


def test_a_value_that_cannot_change_is_encoded_once() -> None:
    signature = Signature("x", returns_frozen)
    value = Frozen("é")
    text = signature.encode(value)
    assert text == b'{"name": "\\u00E9", "size": null}'
    assert signature.encode(value) is text
    assert signature.encode(None) == b"{}"
    assert signature.encode(Frozen("b", 2)) == b'{"name": "b", "size": 2}'
    assert signature.encode(value) == text


def test_a_value_that_may_change_is_encoded_each_time() -> None:
    signature = Signature("x", returns_throttle)
    throttle = Throttle(1, "a")
    assert signature.encode(throttle) == b'{"bps-max": 1, "group": "a"}'
    throttle.bps_max = 2
    assert signature.encode(throttle) == b'{"bps-max": 2, "group": "a"}'
    signature = Signature("x", returns_integer)
    counts = {"a": 1}
    assert signature.encode(counts) == b'{"a": 1}'
    counts["a"] = 2
    assert signature.encode(counts) == b'{"a": 2}'
    signature = Signature("x", returns_frozen_list)
    names = FrozenList(["a"])
    assert signature.encode(names) == b'{"names": ["a"]}'
    names.names.append("b")
    assert signature.encode(names) == b'{"names": ["a", "b"]}'


def test_what_json_cannot_hold_is_the_handlers_fault() -> None:
    with pytest.raises(TypeError):
        Signature("x", nothing).encode(object())
