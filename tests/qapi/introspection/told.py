"""A schema, as files have it and as it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qmpx.qapi.language import load_schema

if TYPE_CHECKING:
    from qmpx.qapi.model import Schema

TEXT = """
{ 'command': 'go', 'data': 'Un', 'boxed': true, 'returns': [ 'St' ],
  'allow-oob': true, 'features': [ 'deprecated', { 'name': 'f', 'if': 'A' } ] }
{ 'event': 'EV', 'data': { '*sizes': [ 'uint8' ], 'any': 'any' } }
{ 'command': 'only-a', 'if': 'A', 'data': { 'a': 'OnlyA' } }
{ 'struct': 'OnlyA', 'data': { '*self': 'OnlyA' } }
{ 'enum': 'En', 'data': [ 'x', { 'name': 'y', 'features': [ 'unstable' ] },
                          { 'name': 'z', 'if': 'A' } ] }
{ 'struct': 'Base', 'data': { 'k': 'En' } }
{ 'struct': 'St', 'base': 'Base', 'data': { 'more': 'Al' } }
{ 'struct': 'Br', 'data': { 'n': { 'type': 'size', 'features': [ 'deprecated' ] },
                            '*o': { 'type': [ 'Al' ], 'if': 'A' } } }
{ 'union': 'Un', 'base': 'Base', 'discriminator': 'k', 'data': { 'y': 'Br' } }
{ 'alternate': 'Al', 'data': { 'l': [ 'intList' ], 's': { 'type': 'str', 'if': 'A' } } }
""".replace("[ 'intList' ]", "[ 'int64' ]")


def read(text: str) -> Schema:
    return load_schema("t.json", read=lambda _: text)


TOLD: list[dict[str, Any]] = [
    {
        "name": "go",
        "meta-type": "command",
        "arg-type": "0",
        "ret-type": "[1]",
        "allow-oob": True,
        "features": ["deprecated", "f"],
    },
    {"name": "EV", "meta-type": "event", "arg-type": "2"},
    {"name": "only-a", "meta-type": "command", "arg-type": "3", "ret-type": "4"},
    {
        "name": "0",
        "meta-type": "object",
        "members": [{"name": "k", "type": "5"}],
        "tag": "k",
        "variants": [
            {"case": "y", "type": "6"},
            {"case": "x", "type": "4"},
            {"case": "z", "type": "4"},
        ],
    },
    {"name": "[1]", "meta-type": "array", "element-type": "1"},
    {
        "name": "1",
        "meta-type": "object",
        "members": [{"name": "k", "type": "5"}, {"name": "more", "type": "7"}],
    },
    {
        "name": "2",
        "meta-type": "object",
        "members": [
            {"name": "sizes", "type": "[int]", "default": None},
            {"name": "any", "type": "any"},
        ],
    },
    {"name": "3", "meta-type": "object", "members": [{"name": "a", "type": "8"}]},
    {"name": "4", "meta-type": "object", "members": []},
    {
        "name": "5",
        "meta-type": "enum",
        "members": [
            {"name": "x"},
            {"name": "y", "features": ["unstable"]},
            {"name": "z"},
        ],
        "values": ["x", "y", "z"],
    },
    {
        "name": "6",
        "meta-type": "object",
        "members": [
            {"name": "n", "type": "int", "features": ["deprecated"]},
            {"name": "o", "type": "[7]", "default": None},
        ],
    },
    {
        "name": "7",
        "meta-type": "alternate",
        "members": [{"type": "[int]"}, {"type": "str"}],
    },
    {"name": "[int]", "meta-type": "array", "element-type": "int"},
    {"name": "int", "meta-type": "builtin", "json-type": "int"},
    {"name": "any", "meta-type": "builtin", "json-type": "value"},
    {
        "name": "8",
        "meta-type": "object",
        "members": [{"name": "self", "type": "8", "default": None}],
    },
    {"name": "[7]", "meta-type": "array", "element-type": "7"},
    {"name": "str", "meta-type": "builtin", "json-type": "string"},
]
