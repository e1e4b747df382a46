"""Generated Python: what it looks like, and that it works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec import UNSET

from qmpx.qapi.generation import generate_python
from qmpx.qapi.introspection.reading import from_introspection
from qmpx.qapi.introspection.telling import to_introspection
from qmpx.qapi.language import load_schema
from tests.conftest import SCHEMAS
from tests.qapi.generated import SMALL, module_of, schema_of, small, small_schema

if TYPE_CHECKING:
    from qmpx.qapi.call import Call

TEXT = generate_python(small_schema(), "a small schema")

ENUM = '''\
class Colour(Enum):
    """Colour in small.json, since 2.0.

    deep-blue since 2.5.
    """
    RED = "red"
    DEEP_BLUE = "deep-blue"
    N_3D = "3d"
    OLD = "old"
'''
STRUCT = '''\
class Named(Object, kw_only=True):
    """Named in small.json."""
    x: int
    y: float | UnsetType = UNSET
    node_name: str
    in_: bool | UnsetType = field(default=UNSET, name="in")
    int_: int | UnsetType = field(default=UNSET, name="int")
    notes: list[str] | UnsetType = UNSET
    colour: Colour | UnsetType = UNSET
'''
BRANCH = '''\
class Shape_circle(Object, kw_only=True, tag_field="kind", tag="circle"):
    """A Shape whose kind is circle."""
    kind: ClassVar[Kind] = Kind.CIRCLE
    label: str | UnsetType = UNSET
    radius: int
'''
UNION = '''\
Shape: TypeAlias = (
    Shape_circle
    | Shape_group
    | Shape_dot
    | Shape_unknown
)
"""Shape in small.json."""
'''
EVENT = '''\
class Painted(EventData, kw_only=True):
    """PAINTED in small.json."""
    event_name: ClassVar[str] = "PAINTED"
    node_name: str
    colour: Colour
    timestamp_: int | UnsetType = field(default=UNSET, name="timestamp")
'''
COMMAND = '''\
def paint(
    *,
    node_name: str,
    colour: Colour | UnsetType = UNSET,
    limit: NumberOrNull | UnsetType = UNSET,
) -> Call[None]:
    """paint in small.json, since 2.0.

    colour since 3.1.
    """
    return call("paint", None, {
        "node-name": node_name,
        "colour": colour,
        "limit": limit,
    })
'''
WITH_UNION = '''\
def shape_add(arguments: Shape, /) -> Call[None]:
    """shape-add in small.json. Unstable."""
    return call_with("shape-add", None, arguments)
'''
UNCHECKED = """\
def device_add(
    *,
    driver: str,
    bus: str | UnsetType = UNSET,
    **more: Any,
) -> Call[None]:
"""


@pytest.mark.parametrize(
    "part", [ENUM, STRUCT, BRANCH, UNION, EVENT, COMMAND, WITH_UNION, UNCHECKED]
)
def test_each_thing_has_its_form(part: str) -> None:
    assert f"\n{part}" in TEXT


def test_the_same_schema_gives_the_same_text() -> None:
    again = generate_python(schema_of(SMALL), "a small schema")
    assert again == TEXT


def test_the_source_cannot_break_the_docstring() -> None:
    text = generate_python(small_schema(), 'C:\\new\n"""x')
    assert text.startswith('"""The commands, events and types of C: new x.\n')
    module_of(text)


@pytest.mark.parametrize(
    ("call", "name", "arguments"),
    [
        (small().paint(node_name="n"), "paint", {"node-name": "n"}),
        (
            small().paint(node_name="n", colour=small().Colour.DEEP_BLUE, limit=None),
            "paint",
            {"node-name": "n", "colour": "deep-blue", "limit": None},
        ),
        (
            small().shape_add(small().Shape_circle(radius=1, label="x")),
            "shape-add",
            {"kind": "circle", "label": "x", "radius": 1},
        ),
        (
            small().shape_add(
                small().Shape_group(shapes=["a", small().Shape_dot(label="y")])
            ),
            "shape-add",
            {"kind": "group", "shapes": ["a", {"kind": "dot", "label": "y"}]},
        ),
        (
            small().device_add(driver="e1000", mac="x"),
            "device_add",
            {"driver": "e1000", "mac": "x"},
        ),
        (small().query_point(), "query-point", {}),
    ],
)
def test_a_call_is_what_goes_over_the_wire(
    call: Call[Any], name: str, arguments: Any
) -> None:
    assert call.name == name
    assert msgspec.json.decode(msgspec.json.encode(call.arguments)) == arguments


@pytest.mark.parametrize(
    ("call", "text", "value"),
    [
        (small().paint(node_name="n"), b"{}", None),
        (small().query_number(), b"7", 7),
        (small().query_names(), b'["a"]', ["a"]),
        (small().query_anything(), b'{"x": [1]}', {"x": [1]}),
        (
            small().query_point(),
            b'{"x": 1, "node-name": "n", "in": true, "int": 2, "colour": "3d"}',
            small().Named(
                x=1, node_name="n", in_=True, int_=2, colour=small().Colour.N_3D
            ),
        ),
        (
            small().query_shapes(),
            b'[{"kind": "group", "shapes": ["a", {"kind": "circle", "radius": 1}]}]',
            [small().Shape_group(shapes=["a", small().Shape_circle(radius=1)])],
        ),
    ],
)
def test_a_reply_is_read_as_the_type_that_is_declared(
    call: Call[Any], text: bytes, value: Any
) -> None:
    assert call.read(text) == value


def test_what_is_left_out_is_unset() -> None:
    point = small().query_point().read(b'{"x": 1, "node-name": "n"}')
    assert point.y is UNSET
    assert msgspec.json.encode(point) == b'{"x":1,"node-name":"n"}'
    assert repr(point) == "Named(x=1, node_name='n')"


def test_a_union_within_a_union_is_one_class_for_each_outer_branch() -> None:
    text = """
        { 'enum': 'Letter', 'data': [ 'a', 'b' ] }
        { 'struct': 'One', 'data': { 'path': 'str', 'same': 'str', 'other': 'str' } }
        { 'struct': 'Two', 'data': { 'port': 'int', 'same': 'str', 'other': 'int' } }
        { 'union': 'Inner', 'base': { 'type': 'Letter' }, 'discriminator': 'type',
          'data': { 'a': 'One', 'b': 'Two' } }
        { 'union': 'Outer', 'base': { 'kind': 'Letter' }, 'discriminator': 'kind',
          'data': { 'a': 'Inner', 'b': 'Two' } }
        { 'command': 'go', 'boxed': true, 'data': 'Outer' }
    """
    schema = load_schema("t.json", release=(9, 2), read=lambda _: text)
    generated = generate_python(schema, "t")
    assert (
        """
    kind: ClassVar[Letter] = Letter.A
    type: Letter
    path: str | UnsetType = UNSET
    same: str | UnsetType = UNSET
    other: Any | UnsetType = UNSET
    port: int | UnsetType = UNSET
"""
        in generated
    )
    made = module_of(generated)
    call = made.go(made.Outer_a(type=made.Letter.B, port=1, same="x", other=2))
    assert msgspec.json.encode(call.arguments) == (
        b'{"kind":"a","type":"b","same":"x","other":2,"port":1}'
    )


def test_types_without_names_are_named_after_what_mentions_them() -> None:
    masked = from_introspection(to_introspection(small_schema(), masked=True))
    text = generate_python(masked, "a monitor")
    made = module_of(text)
    assert made.query_point().returns is made.QueryPointResult
    assert made.paint(node_name="n", colour=made.PaintColour.RED).name == "paint"
    assert '"""a type without a name."""' in text
    shape = made.ShapeAddArguments_circle(radius=1)
    assert msgspec.json.encode(made.shape_add(shape).arguments) == (
        b'{"kind":"circle","radius":1}'
    )


@pytest.mark.slow
@pytest.mark.peer("schemas")
@pytest.mark.parametrize(
    "path",
    [path.relative_to(SCHEMAS) for path in sorted(SCHEMAS.rglob("qapi-schema.json"))],
    ids=str,
)
@pytest.mark.parametrize("masked", [False, True])
def test_all_of_qemus_schemas_become_python_that_works(
    path: Path, *, masked: bool
) -> None:
    schema = load_schema(SCHEMAS / path)
    if masked:
        schema = from_introspection(to_introspection(schema))
    made = module_of(generate_python(schema, str(path)))
    calls = 0
    for name, value in vars(made).items():
        annotations = getattr(value, "__annotations__", {})
        if "return" not in annotations or name in ("call", "call_with"):
            continue
        # What a command returns, and takes, is a type that msgspec can decode.
        for annotation in annotations.values():
            text = annotation.removeprefix("Call[").removesuffix("]")
            if annotation.startswith("Call["):
                calls += 1
            else:
                text = annotation
            msgspec.json.Decoder(eval(text, made.__dict__))  # noqa: S307
    for value in vars(made).values():
        if isinstance(value, type) and issubclass(value, msgspec.Struct):
            msgspec.json.Decoder(value)
    assert calls == len(schema.commands)


CHOICES = ["circle", "group", "dot", "unknown"]
REVEALED = [
    ("qapi.paint(node_name='x')", "qmpx.qapi.call.Call[None]"),
    ("qapi.query_point()", "qmpx.qapi.call.Call[small.Named]"),
    ("vm.run(qapi.query_point())", "small.Named"),
    ("vm.run(qapi.query_point()).node_name", "str"),
    ("vm.run(qapi.query_point()).y", "float | msgspec.UnsetType"),
    ("vm.run(qapi.query_names())", "list[str]"),
    (
        "vm.run(qapi.query_shapes())[0]",
        " | ".join(f"small.Shape_{each}" for each in CHOICES),
    ),
    (
        "[s.radius for s in SHAPES if isinstance(s, qapi.Shape_circle)]",
        "list[int]",
    ),
    ("qapi.Colour('x')", "small.Colour"),
    ("next(vm.events(qapi.Painted))", "small.Painted"),
    ("next(vm.events(qapi.Painted)).colour", "small.Colour"),
    ("vm.events(qapi.Painted).get(timeout=1.0)", "small.Painted"),
    ("next(vm.events('PAINTED'))", "qmpx.client.events.Event"),
    ("await avm.run(qapi.query_number())", "int"),
    ("await anext(avm.events(qapi.Done))", "small.Done"),
    ("await avm.supports('x')", "bool"),
    ("vm.supports('x', argument='y')", "bool"),
]
WRONG = [
    ("qapi.paint()", 'Missing named argument "node_name" for "paint"'),
    ("qapi.paint(node_name=1)", 'has incompatible type "int"; expected "str"'),
    ("qapi.paint(node_name='', colour='red')", 'expected "Colour | UnsetType"'),
    ("qapi.Shape_circle()", 'Missing named argument "radius" for "Shape_circle"'),
    ("qapi.shape_add(qapi.Named(x=1, node_name=''))", 'incompatible type "Named"'),
    ("vm.run(qapi.query_point()).nope", '"Named" has no attribute "nope"'),
    ("vm.events(qapi.Named)", 'cannot be "Named"'),
]


@pytest.mark.slow
def test_a_type_checker_knows_what_calls_return(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(TEXT)
    lines = ["import qmpx", "import small as qapi"]
    lines += ["async def check(vm: qmpx.Client, avm: qmpx.AsyncClient) -> None:"]
    shapes = "vm.run(qapi.query_shapes())"
    lines += [
        f"    reveal_type({expression.replace('SHAPES', shapes)})"
        for expression, _ in REVEALED
    ]
    lines += [f"    {expression}" for expression, _ in WRONG]
    (tmp_path / "use.py").write_text("\n".join(lines) + "\n")
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--no-error-summary"),
            *("--hide-error-context", "--config-file=", "use.py"),
        ],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(Path(__file__).parents[3] / "src")},
        capture_output=True,
        text=True,
        timeout=50,
    )
    told: dict[int, str] = {}
    for line in ended.stdout.splitlines():
        if not line.startswith("use.py:"):
            pytest.fail(ended.stdout + ended.stderr)
        number, _, text = line.removeprefix("use.py:").partition(": ")
        told.setdefault(int(number), text)
    got = [told.get(number, "") for number in range(4, 4 + len(REVEALED + WRONG))]
    # Versions of mypy differ in whether they name the module of what is built in.
    revealed = [text.replace("builtins.", "") for text in got[: len(REVEALED)]]
    for (expression, expected), found in zip(REVEALED, revealed, strict=True):
        assert f'Revealed type is "{expected}"' in found, expression
    for (expression, expected), found in zip(WRONG, got[len(REVEALED) :], strict=True):
        assert expected in found, expression
