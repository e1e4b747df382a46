"""Introspection made as exact as the schema it comes from."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.errors import CommandError
from qmpx.qapi.introspection.reading import from_introspection
from qmpx.qapi.introspection.telling import to_introspection
from qmpx.qapi.model import Schema
from qmpx.qapi.sharpening import sharpened
from qmpx.qapi.shipped import shipped_schema
from qmpx.qapi.validation import Validator

EXACT = shipped_schema("7.2")


def told(schema: Schema) -> Schema:
    """Return what is left of a schema when a QEMU has told it."""
    return from_introspection(to_introspection(schema))


@pytest.fixture(scope="module")
def sharp() -> Schema:
    """Return QEMU 7.2's schema, told and sharpened."""
    return sharpened(told(EXACT), EXACT)


@pytest.mark.parametrize(
    ("command", "arguments", "error"),
    [
        (
            "migrate-set-parameters",
            b'{"compress-threads": 256, "nope": 1}',
            "Parameter 'compress-threads' expects uint8_t",
        ),
        (
            "migrate-set-parameters",
            b'{"tls-creds": []}',
            "Invalid parameter type for 'tls-creds', expected: StrOrNull",
        ),
        (
            "block-dirty-bitmap-merge",
            b'{"node": "a", "target": "b", "bitmaps": [1]}',
            "Invalid parameter type for 'null', expected: BlockDirtyBitmapOrStr",
        ),
        (
            "object-add",
            b'{"qom-type": "memory-backend-ram", "id": "m", "size": []}',
            "Parameter 'size' expects uint64",
        ),
        (
            "set-numa-node",
            b'{"type": "dist", "src": 65536, "dst": 0, "val": 1}',
            "Parameter 'src' expects uint16_t",
        ),
    ],
)
def test_errors_are_those_of_the_source(
    sharp: Schema, command: str, arguments: bytes, error: str
) -> None:
    with pytest.raises(CommandError) as caught:
        Validator(sharp).check_command(command, arguments)
    assert caught.value.desc == error


def test_every_command_compiles_and_keeps_its_arguments(sharp: Schema) -> None:
    validator = Validator(sharp)
    for name, command in sharp.commands.items():
        validator.prepare(name)
        expected = [m.name for m in EXACT.members_of(EXACT.commands[name].arguments)]
        assert [m.name for m in sharp.members_of(command.arguments)] == expected


def test_nothing_is_added_that_the_binary_does_not_have() -> None:
    kept = [x for x in EXACT.definitions if x.name not in ("stop", "query-sgx")]
    schema = sharpened(told(Schema.of(kept)), EXACT)
    assert schema.commands.keys() == EXACT.commands.keys() - {"stop", "query-sgx"}


def test_what_only_the_binary_has_stays_as_it_was_told() -> None:
    own = told(EXACT)
    fewer = Schema.of(x for x in EXACT.definitions if x.name != "balloon")
    schema = sharpened(own, fewer)
    (value,) = schema.members_of(schema.commands["balloon"].arguments)
    assert value.type == "int"


def test_a_size_may_have_a_unit(sharp: Schema) -> None:
    arguments = sharp.commands["object-add"].arguments
    given: dict[str, Any] = {"qom-type": "memory-backend-ram", "id": "m", "size": "2M"}
    read = Validator(sharp).read_keyval(arguments, given)
    assert read["size"] == 2 << 20
