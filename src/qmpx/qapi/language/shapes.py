"""The shapes of expressions: which keys, which kinds of values, which names.

The second pass: each expression by itself, without a look at any other. It leaves them
in one spelling: where there is a short form (``'int'`` for ``{'type': 'int'}``, a bare
name for a value or a feature) the long one stands afterwards.

Source: QEMU, ``docs/devel/qapi-code-gen.rst``; observed on QEMU 7.2.
"""

import re
from collections.abc import Collection
from typing import Any, Final

from msgspec import Struct

from qmpx.qapi.language import names
from qmpx.qapi.language.comments import Doc
from qmpx.qapi.language.parser import Json
from qmpx.qapi.language.places import Place
from qmpx.qapi.language.releases import (
    COMPLETE_DOCUMENTATION,
    TYPE_TEXTS,
    Release,
)

KINDS: Final = ("enum", "struct", "union", "alternate", "command", "event")

_REQUIRED: Final = {
    "enum": {"enum", "data"},
    "struct": {"struct", "data"},
    "union": {"union", "base", "discriminator", "data"},
    "alternate": {"alternate", "data"},
    "command": {"command"},
    "event": {"event"},
}
_FLAGS: Final = {
    "gen": False,
    "success-response": False,
    "boxed": True,
    "allow-oob": True,
    "allow-preconfig": True,
    "coroutine": True,
}
_OPTIONAL: Final = {
    "enum": {"prefix"},
    "struct": {"base"},
    "union": set[str](),
    "alternate": set[str](),
    "command": {"data", "returns", *_FLAGS},
    "event": {"data", "boxed"},
}
_ANYWHERE: Final = {"if", "features"}

_SYMBOL = re.compile(r"[A-Z][A-Z0-9_]*")


class Pragma(Struct):
    """What a schema says about the rules that it is to be held to.

    Attributes:
        documentation_required: Whether each definition has to have documentation.
        command_names: The commands that may have ``_`` in their names.
        command_returns: Those that may return what is no object.
        member_names: The types whose members may have ``_`` and upper case.
        undocumented: The definitions whose members need no documentation.
        release: The release by whose rules the schema is read.
    """

    release: Release
    documentation_required: bool = False
    command_names: Collection[str] = ()
    command_returns: Collection[str] = ()
    member_names: Collection[str] = ()
    undocumented: Collection[str] = ()


def check_shape(value: Json, place: Place, doc: Doc | None, pragma: Pragma) -> str:
    """Check one expression, and enter its kind and name at its place.

    Args:
        value: The expression; short forms in it are replaced by long ones.
        place: Where it begins.
        doc: The documentation before it.
        pragma: The rules.

    Returns:
        Its kind. Its place may tell that of another: it is of a line.

    Raises:
        SchemaError: It is not what it should be.
    """
    kinds = value.keys() & set(KINDS)
    if len(kinds) != 1:
        message = "expression must have exactly one key " + _quoted(KINDS)
        raise place.error(message)
    kind = kinds.pop()
    name = _name(value[kind], place, f"'{kind}'")
    place.kind = kind
    place.name = name
    names.check_definition(name, place, underscore=name in pragma.command_names)
    if doc is not None:
        _check_doc(doc, value, place, pragma)
    elif pragma.documentation_required:
        message = "documentation comment required"
        raise place.error(message)
    optional = _OPTIONAL[kind] | _ANYWHERE
    _check_keys(value, place, kind, _REQUIRED[kind], optional)
    _Shape(value, place, pragma).check()
    _check_condition(value, place, kind)
    _check_features(value, place)
    _check_flags(value, place)
    return kind


def _check_doc(doc: Doc, value: Json, place: Place, pragma: Pragma) -> None:
    if doc.symbol != place.name:
        message = f"documentation comment is for '{doc.symbol}'"
        raise place.error(message)
    returns, errors = doc.section("Returns"), doc.section("Errors")
    if pragma.release < COMPLETE_DOCUMENTATION:
        if returns and place.kind != "command":
            message = "'Returns:' is only valid for commands"
            raise doc.place.error(message)
    elif place.kind != "command":
        for part in (returns, errors):
            if part is not None:
                message = f"'{part.tag}' section is only valid for commands"
                raise doc.error(part, message)
    elif returns and "returns" not in value:
        message = "'Returns' section, but command doesn't return anything"
        raise doc.error(returns, message)


def _check_keys(
    value: Collection[str],
    place: Place,
    what: str,
    required: set[str],
    optional: set[str],
) -> None:
    keys = set(value)
    if missing := required - keys:
        plural = "s" if len(missing) > 1 else ""
        message = f"{what} misses key{plural} {_quoted(sorted(missing))}"
        raise place.error(message)
    allowed = required | optional
    if unknown := keys - allowed:
        plural = "s" if len(unknown) > 1 else ""
        message = (
            f"{what} has unknown key{plural} {_quoted(sorted(unknown))}\n"
            f"Valid keys are {_quoted(sorted(allowed))}."
        )
        raise place.error(message)


def _quoted(words: Collection[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _name(value: Any, place: Place, what: str) -> str:
    if not isinstance(value, str):
        message = f"{what} requires a string name"
        raise place.error(message)
    return value


def _check_flags(value: Json, place: Place) -> None:
    for flag, only in _FLAGS.items():
        if flag in value and value[flag] is not only:
            word = "true" if only else "false"
            message = f"flag '{flag}' may only use {word} value"
            raise place.error(message)
    if "allow-oob" in value and "coroutine" in value:
        message = "flags 'allow-oob' and 'coroutine' are incompatible"
        raise place.error(message)


def _check_condition(owner: Json, place: Place, what: str) -> None:
    if "if" in owner:
        _check_one_condition(owner["if"], place, what)


def _check_one_condition(condition: Any, place: Place, what: str) -> None:
    if isinstance(condition, str):
        if not _SYMBOL.fullmatch(condition):
            message = (
                f"'if' condition '{condition}' of {what} is not a valid identifier"
            )
            raise place.error(message)
        return
    if not isinstance(condition, dict):
        message = f"'if' condition of {what} must be a string or an object"
        raise place.error(message)
    keys = {"all", "any", "not"}
    _check_keys(condition, place, f"'if' condition of {what}", set(), keys)
    if len(condition) != 1:
        message = f"'if' condition of {what} has conflicting keys"
        raise place.error(message)
    [(operator, operands)] = condition.items()
    if operator == "not":
        _check_one_condition(operands, place, what)
        return
    if not isinstance(operands, list):
        message = f"'{operator}' condition of {what} must be an array"
        raise place.error(message)
    if not operands:
        message = f"'if' condition [] of {what} is useless"
        raise place.error(message)
    for operand in operands:
        _check_one_condition(operand, place, what)


def _check_features(owner: Json, place: Place) -> None:
    if "features" not in owner:
        return
    features = owner["features"]
    if not isinstance(features, list):
        message = "'features' must be an array"
        raise place.error(message)
    what = "'features' member"
    features[:] = [f if isinstance(f, dict) else {"name": f} for f in features]
    for feature in features:
        _check_keys(feature, place, what, {"name"}, {"if"})
        name = _name(feature["name"], place, what)
        named = f"{what} '{name}'"
        names.check_lower(name, place, named)
        _check_condition(feature, place, named)


class _Shape:
    """What an expression holds besides its name, condition, features and flags."""

    def __init__(self, value: Json, place: Place, pragma: Pragma) -> None:
        self._value = value
        self._data = value.get("data")
        self._place = place
        self._permissive = place.name in pragma.member_names
        self._new_texts = pragma.release >= TYPE_TEXTS

    def check(self) -> None:
        match self._place.kind:
            case "enum":
                self._check_enum()
            case "struct":
                self._check_struct()
            case "union":
                self._check_union()
            case "alternate":
                self._check_alternate()
            case _:
                self._check_arguments()

    def _check_enum(self) -> None:
        values, prefix = self._data, self._value.get("prefix", "")
        if not isinstance(values, list):
            message = "'data' must be an array"
            raise self._place.error(message)
        if not isinstance(prefix, str):
            message = "'prefix' must be a string"
            raise self._place.error(message)
        what, place = "'data' member", self._place
        values[:] = [v if isinstance(v, dict) else {"name": v} for v in values]
        for value in values:
            _check_keys(value, place, what, {"name"}, _ANYWHERE)
            name = _name(value["name"], place, what)
            named = f"{what} '{name}'"
            names.check_value(name, place, named, permissive=self._permissive)
            _check_condition(value, place, named)
            _check_features(value, place)

    def _check_struct(self) -> None:
        if isinstance(self._data, str):
            # On which QEMU's own generator of 7.2 breaks down.
            message = "'data' should be an object or type name"
            raise self._place.error(message)
        self._check_members(self._data, "'data'", permissive=self._permissive)
        if "base" in self._value:
            self._check_type(self._value["base"], "'base'")

    def _check_union(self) -> None:
        base, data = self._value["base"], self._data
        self._check_members(base, "'base'", permissive=self._permissive)
        _name(self._value["discriminator"], self._place, "'discriminator'")
        if not isinstance(data, dict):
            message = "'data' must be an object"
            raise self._place.error(message)
        _lengthen(data)
        for key, branch in data.items():
            what = f"'data' member '{key}'"
            _check_keys(branch, self._place, what, {"type"}, {"if"})
            _check_condition(branch, self._place, what)
            self._check_type(branch["type"], what)

    def _check_alternate(self) -> None:
        data = self._data
        if not isinstance(data, dict):
            message = "'data' must be an object"
            raise self._place.error(message)
        if not data:
            message = "'data' must not be empty"
            raise self._place.error(message)
        _lengthen(data)
        for key, branch in data.items():
            what = f"'data' member '{key}'"
            names.check_lower(key, self._place, what)
            _check_keys(branch, self._place, what, {"type"}, {"if"})
            _check_condition(branch, self._place, what)
            self._check_type(branch["type"], what, array=True)

    def _check_arguments(self) -> None:
        value = self._value
        if value.get("boxed"):
            if "data" not in value:
                message = "'boxed': true requires 'data'"
                raise self._place.error(message)
            self._check_type(self._data, "'data'")
        elif "data" in value:
            self._check_members(self._data, "'data'", permissive=False)
        if "returns" in value:
            self._check_type(value["returns"], "'returns'", array=True)

    def _check_type(self, value: Any, what: str, *, array: bool = False) -> None:
        """Check a reference to a type."""
        if isinstance(value, str):
            return
        if not isinstance(value, list):
            expected = (
                "type name or array" if array and self._new_texts else "type name"
            )
            message = f"{what} should be a {expected}"
            raise self._place.error(message)
        if not array:
            wrong = "should be a type name" if self._new_texts else "cannot be an array"
            raise self._place.error(f"{what} {wrong}")
        if len(value) != 1 or not isinstance(value[0], str):
            message = f"{what}: array type must contain single type name"
            raise self._place.error(message)

    def _check_members(self, value: Any, what: str, *, permissive: bool) -> None:
        """Check members, or the name of a type that has them."""
        if isinstance(value, str):
            return
        if isinstance(value, list) and not self._new_texts:
            self._check_type(value, what)
        if not isinstance(value, dict):
            message = f"{what} should be an object or type name"
            raise self._place.error(message)
        _lengthen(value)
        place = self._place
        for key, member in value.items():
            named = f"{what} member '{key}'"
            name = key.removeprefix("*")
            names.check_lower(
                name, place, named, upper=permissive, underscore=permissive
            )
            if name == "u" or names.in_c(name).startswith("has_"):
                message = f"{named} uses reserved name"
                raise place.error(message)
            _check_keys(member, place, named, {"type"}, _ANYWHERE)
            _check_condition(member, place, named)
            _check_features(member, place)
            self._check_type(member["type"], named, array=True)


def _lengthen(members: Json) -> None:
    for key, member in members.items():
        if not isinstance(member, dict):
            members[key] = {"type": member}
