"""Generated bindings for tests: of a small schema, as a module."""

from __future__ import annotations

import sys
from functools import cache
from itertools import count
from types import ModuleType
from typing import TYPE_CHECKING, Any

from qmpx.qapi.generation import generate_python
from qmpx.qapi.language import load_schema

if TYPE_CHECKING:
    from qmpx.qapi.model import Schema

SMALL = """
{ 'pragma': { 'command-returns-exceptions': [ 'query-number', 'query-names',
                                              'query-anything' ],
              'command-name-exceptions': [ 'device_add' ] } }

##
# @Colour:
#
# Something to paint with.
#
# @deep-blue: (since 2.5)
#
# Features:
# @deprecated: Of @old: too pale.
#
# Since: 2.0
##
{ 'enum': 'Colour', 'data': [ 'red', 'deep-blue', '3d',
                              { 'name': 'old', 'features': [ 'deprecated' ] } ] }

{ 'struct': 'Point', 'data': { 'x': 'int', '*y': 'number' } }
{ 'struct': 'Named', 'base': 'Point',
  'data': { 'node-name': 'str', '*in': 'bool', '*int': 'uint8',
            '*notes': [ 'str' ], '*colour': 'Colour' } }

{ 'struct': 'Circle', 'data': { 'radius': 'size' } }
{ 'struct': 'Group', 'data': { 'shapes': [ 'ShapeRef' ] } }
{ 'enum': 'Kind', 'data': [ 'circle', 'group', 'dot' ] }
{ 'union': 'Shape', 'base': { 'kind': 'Kind', '*label': 'str' },
  'discriminator': 'kind', 'data': { 'circle': 'Circle', 'group': 'Group' } }
{ 'alternate': 'ShapeRef', 'data': { 'definition': 'Shape', 'reference': 'str' } }
{ 'alternate': 'NumberOrNull', 'data': { 'n': 'int', 'z': 'null' } }

##
# @paint:
#
# @colour: which one (since 3.1)
#
# Since: 2.0
##
{ 'command': 'paint', 'data': { 'node-name': 'str', '*colour': 'Colour',
                                '*limit': 'NumberOrNull' } }
{ 'command': 'shape-add', 'data': 'Shape', 'boxed': true,
  'features': [ 'unstable' ] }
{ 'command': 'query-shapes', 'data': { '*names': [ 'str' ] }, 'returns': [ 'Shape' ] }
{ 'command': 'query-point', 'returns': 'Named' }
{ 'command': 'query-number', 'returns': 'int' }
{ 'command': 'query-names', 'returns': [ 'str' ] }
{ 'command': 'query-anything', 'returns': 'any' }
{ 'command': 'device_add', 'data': { 'driver': 'str', '*bus': 'str' }, 'gen': false }

{ 'event': 'PAINTED', 'data': { 'node-name': 'str', 'colour': 'Colour',
                                '*timestamp': 'int' } }
{ 'event': 'POINT', 'data': 'Point' }
{ 'event': 'DRAWN', 'data': 'Shape', 'boxed': true }
{ 'event': 'DONE' }
"""


def schema_of(text: str) -> Schema:
    """Return the schema that a text is."""

    def read(path: str) -> str:
        assert path == "small.json"
        return text

    return load_schema("small.json", read=read)


@cache
def small_schema() -> Schema:
    """Return a schema that has one of everything."""
    return schema_of(SMALL)


_numbers = count()


def module_of(source: str) -> Any:
    """Return a module for its source, importable by its name."""
    name = f"generated_{next(_numbers)}"
    module = ModuleType(name)
    sys.modules[name] = module  # where msgspec looks for the types in annotations
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)  # noqa: S102
    return module


@cache
def small() -> Any:
    """Return the bindings for the small schema."""
    return module_of(generate_python(small_schema(), "a small schema"))
