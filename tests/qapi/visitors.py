"""The schema of the types that QEMU's own tests of its visitors use."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qmpx.errors import CommandError
from qmpx.qapi.language import load_schema
from qmpx.qapi.validation import Policy, Validator

if TYPE_CHECKING:
    from qmpx.qapi.model import Schema


@cache
def visitors() -> Schema:
    """Return that schema."""
    return load_schema(Path(__file__).parent / "schemas" / "visitors.json")


@cache
def validator(policy: str = "") -> Validator:
    """Return a validator for it, with a policy as QEMU's option ``-compat`` has it."""
    return Validator(visitors(), Policy.parse(policy))


def type_of(schema: Schema, spelled: Any) -> str:
    """Return the name of a type as the recorded cases spell it."""
    if isinstance(spelled, list):
        return f"[{spelled[0]}]"
    if isinstance(spelled, dict):
        return schema.commands[spelled["command"]].arguments
    return str(spelled)


def told(check: Any, *arguments: Any) -> str | None:
    """Return what a check says, or None if it is content."""
    try:
        check(*arguments)
    except CommandError as error:
        return error.desc
    return None
