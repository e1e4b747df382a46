"""How QEMU 0.13 checked the arguments of a command: by its args_type.

First whether one is missing, then whether one is unknown or of the wrong type; the
names in the order of 0.13's dictionaries. An option list (letter ``O``) takes anything:
names and types are then not looked at.

Source: QEMU 0.13.0, section 1.7 of the notes.
"""

import inspect
import json
from typing import Any, Final, get_type_hints

import msgspec
from msgspec import UNSET, Raw, UnsetType

from qmpx.errors import (
    GenericError,
    InvalidParameter,
    InvalidParameterType,
    MissingParameter,
)
from qmpx.monitor.human import HumanCommand, Parameter
from qmpx.qapi.check import Member
from qmpx.wire.json_2010 import INT64_MAX, INT64_MIN, encode
from qmpx.wire.member_order import order

_OPTIONS: Final = "O"
_TYPES: Final[dict[str, tuple[tuple[type, ...], str]]] = {
    "F": ((str,), "string"),
    "B": ((str,), "string"),
    "s": ((str,), "string"),
    "i": ((int,), "int"),
    "l": ((int,), "int"),
    "M": ((int,), "int"),
    "f": ((int, float), "number"),
    "T": ((int, float), "number"),
    "b": ((bool,), "bool"),
    "-": ((bool,), "bool"),
}
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class ArgumentsSignature:
    """What a command of 0.13 takes and gives, in QMP.

    Args:
        command: The command.
        positional: The annotations of its positional parameters.

    Attributes:
        positional: The same.
        members: Its arguments on the wire.
        returns: The annotation of what it returns.
        is_async: Whether its handler is a coroutine function.
    """

    def __init__(self, command: HumanCommand, positional: list[Any]) -> None:
        self.positional = positional
        self._parameters = {p.name: p for p in command.parameters}
        self._in_order = [self._parameters[name] for name in order(self._parameters)]
        self._options = next(
            (p.name for p in command.parameters if p.letter == _OPTIONS), None
        )
        self.members = [Member(p.name, Any, not p.is_optional) for p in self._in_order]
        self.returns = get_type_hints(command.handler).get("return", Any)
        self.is_async = inspect.iscoroutinefunction(command.handler)
        # A query throws its arguments away: see `read`.
        self._takes_anything = command.qmp_name != command.names[-1]

    def read(self, arguments: Raw | UnsetType) -> dict[str, Any]:
        """Return the handler's keywords.

        Raises:
            MissingParameter: One that is needed is not there.
            InvalidParameter: There is no such one.
            InvalidParameterType: One is of the wrong type.
        """
        if self._takes_anything:
            return {}
        given = {} if arguments is UNSET else _read(arguments)
        if self._options is not None:
            return {self._options: {name: given[name] for name in order(given)}}
        for parameter in self._in_order:
            if not parameter.is_optional and parameter.name not in given:
                raise MissingParameter(name=parameter.name)
        return {name: self._check(name, given[name]) for name in order(given)}

    def encode(self, value: Any) -> bytes:
        """Return what the handler returned in wire form; ``None`` is ``{}``."""
        return b"{}" if value is None else encode(value)

    def _check(self, name: str, value: Any) -> Any:
        parameter: Parameter | None = self._parameters.get(name)
        if parameter is None:
            raise InvalidParameter(name=name)
        types, expected = _TYPES[parameter.letter]
        if not isinstance(value, types) or (
            isinstance(value, bool) and bool not in types
        ):
            raise InvalidParameterType(name=name, expected=expected)
        if isinstance(value, int) and not isinstance(value, bool):
            value = min(max(value, INT64_MIN), INT64_MAX)
            return float(value) if float in types else value
        return value


def _read(arguments: Raw) -> dict[str, Any]:
    try:
        return _decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        pass  # a lone surrogate, say, which 0.13 passed on
    try:
        read: dict[str, Any] = json.loads(bytes(arguments))
    except (ValueError, RecursionError) as error:
        message = f"the arguments cannot be read: {error}"
        raise GenericError(message) from error
    return read
