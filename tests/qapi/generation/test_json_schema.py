"""JSON Schema: it is some, and takes what QEMU takes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import CommandError
from qmpx.qapi.generation import generate_json_schema
from qmpx.qapi.language import load_schema
from qmpx.qapi.shipped import RELEASES, shipped_schema
from qmpx.qapi.validation import Validator
from tests.conftest import SCHEMAS
from tests.qapi.generated import schema_of, small_schema

if TYPE_CHECKING:
    from collections.abc import Iterator


def references(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for key, inner in value.items():
                if key == "$ref":
                    yield inner
                yield from references(inner)
        case list():
            for inner in value:
                yield from references(inner)


@pytest.mark.parametrize("release", RELEASES)
def test_references_lead_somewhere_and_all_is_referred_to(release: str) -> None:
    written = generate_json_schema(shipped_schema(release), "QEMU")
    there = {f"#/$defs/{name}" for name in written["$defs"]}
    refer = set(references(written))
    assert refer <= there
    assert {name for name in there - refer if ":return:" not in name} == {
        name for name in there if name.startswith("#/$defs/return:")
    }


def test_all_of_a_small_schema_is_written() -> None:
    text = """
    { 'enum': 'Kind', 'data': [ 'dot', { 'name': 'row',
                                         'features': [ 'deprecated' ] } ] }
    { 'struct': 'Row', 'data': { 'length': 'uint8' } }
    { 'union': 'Shape', 'base': { 'kind': 'Kind', '*label': 'str' },
      'discriminator': 'kind', 'data': { 'row': 'Row' } }
    { 'alternate': 'Ref', 'data': { 'name': 'str', 'none': 'null' } }
    { 'command': 'draw', 'data': { 'shapes': [ 'Shape' ], '*ref': 'Ref' },
      'returns': 'Row', 'allow-oob': true }
    { 'event': 'DRAWN', 'data': { 'by': 'any' }, 'features': [ 'deprecated' ] }
    """
    written = generate_json_schema(schema_of(text), "shapes")
    closed: Any = {"additionalProperties": False}
    arguments = {"$ref": "#/$defs/arguments:draw"}

    def message(word: str) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {word: {"const": "draw"}, "id": True, "arguments": arguments},
            "required": [word, "arguments"],
            **closed,
        }

    label = {"type": "string"}
    assert written["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert written["title"] == "shapes"
    assert written["anyOf"] == [
        {"$ref": "#/$defs/command:draw"},
        {"$ref": "#/$defs/event:DRAWN"},
    ]
    definitions = written["$defs"]
    time = definitions["event:DRAWN"]["properties"].pop("timestamp")
    assert time["required"] == ["seconds", "microseconds"]
    assert definitions == {
        "command:draw": {"anyOf": [message("execute"), message("exec-oob")]},
        "arguments:draw": {"$ref": "#/$defs/type:q_obj_draw-arg"},
        "return:draw": {"$ref": "#/$defs/type:Row"},
        "event:DRAWN": {
            "deprecated": True,
            "type": "object",
            "properties": {
                "event": {"const": "DRAWN"},
                "data": {"$ref": "#/$defs/type:q_obj_DRAWN-arg"},
            },
            "required": ["event", "timestamp", "data"],
            **closed,
        },
        "type:q_obj_draw-arg": {
            "type": "object",
            "properties": {
                "shapes": {"type": "array", "items": {"$ref": "#/$defs/type:Shape"}},
                "ref": {"$ref": "#/$defs/type:Ref"},
            },
            "required": ["shapes"],
            **closed,
        },
        "type:Row": {
            "type": "object",
            "properties": {"length": {"type": "integer", "minimum": 0, "maximum": 255}},
            "required": ["length"],
            **closed,
        },
        "type:q_obj_DRAWN-arg": {
            "type": "object",
            "properties": {"by": {}},
            "required": ["by"],
            **closed,
        },
        "type:Shape": {
            "oneOf": [
                {
                    "type": "object",
                    "properties": {"kind": {"const": "dot"}, "label": label},
                    "required": ["kind"],
                    **closed,
                },
                {
                    "type": "object",
                    "properties": {
                        "kind": {"const": "row", "deprecated": True},
                        "label": label,
                        "length": {"type": "integer", "minimum": 0, "maximum": 255},
                    },
                    "required": ["kind", "length"],
                    **closed,
                },
            ]
        },
        "type:Ref": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    }


def test_it_is_json_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    for schema in (small_schema(), shipped_schema("9.2")):
        written = generate_json_schema(schema, "QEMU")
        jsonschema.Draft202012Validator.check_schema(json.loads(json.dumps(written)))


@pytest.mark.slow
@pytest.mark.peer("schemas")
def test_it_takes_the_arguments_that_qemu_takes() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = load_schema(SCHEMAS / "7.2.0" / "qapi" / "qapi-schema.json")
    definitions = generate_json_schema(schema, "QEMU")["$defs"]
    validator = Validator(schema)
    recorded = json.loads((SCHEMAS / "validation.public.json").read_text())["live"]
    different, verdicts = [], dict.fromkeys((True, False), 0)
    for case in recorded:
        name, given = case.get("command"), case.get("arguments", {})
        if name not in schema.commands:
            continue
        try:
            validator.check_command(name, json.dumps(given).encode())
            is_taken = True
        except CommandError:
            is_taken = False
        verdicts[is_taken] += 1
        one = {"$ref": f"#/$defs/arguments:{name}", "$defs": definitions}
        if jsonschema.Draft202012Validator(one).is_valid(given) is not is_taken:
            different.append((name, given))
    # JSON Schema does not tell 1.0 from 1.
    assert [each for each in different if ".0" not in json.dumps(each)] == []
    assert verdicts[True] > 20
    assert verdicts[False] > 200
