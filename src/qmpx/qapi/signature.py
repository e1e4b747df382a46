"""The signature of a handler is the schema of its command.

Read once, when the handler is registered: a parameter that is keyword-only is an
argument on the wire, its annotation the type, a default the sign that it may be left
out. Positional parameters are what the monitor hands over, told apart by type. A slip
stops the import, not a request.

From it follow a compiled decoder (arguments in, keywords out), the check that words
refusals as QEMU does, and how the returned value is encoded.
"""

import enum
import inspect
import types
from collections.abc import Callable
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NotRequired,
    Required,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from qmpx.errors import GenericError
from qmpx.qapi.check import (
    Member,
    check_for,
    check_for_members,
    described_in,
    is_boxed,
    values_in,
    wire_name,
)
from qmpx.qapi.visitor import INT64_MAX, INT64_MIN, ROOT
from qmpx.wire.encode import encode
from qmpx.wire.framing import read_json

_INT64 = Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)]
_NOT_PLAIN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Signature:
    """What a handler takes and gives.

    Args:
        name: The command's name, for messages.
        handler: A function or coroutine function.

    Attributes:
        positional: The annotations of its positional parameters.
        members: Its arguments on the wire.
        returns: The annotation of what it returns.
        is_async: Whether it is a coroutine function.

    Raises:
        TypeError: The signature is no schema.
    """

    __slots__ = (
        "_boxed",
        "_check",
        "_decode",
        "_decode_wide",
        "_is_lax",
        "_last_text",
        "_last_value",
        "_names",
        "_returns_constants",
        "is_async",
        "may_return_doubles",
        "members",
        "positional",
        "returns",
    )

    def __init__(self, name: str, handler: Callable[..., Any]) -> None:
        self.positional: list[Any] = []
        self.members: list[Member] = []
        self._names: dict[str, str] = {}
        self._boxed: str | None = None
        fields: list[Any] = []
        wide_fields: list[Any] = []
        rename = self._names
        signature = inspect.signature(handler)
        hints = get_type_hints(handler, include_extras=True)
        for parameter in signature.parameters.values():
            annotation = hints.get(parameter.name, Any)
            match parameter.kind:
                case parameter.POSITIONAL_ONLY | parameter.POSITIONAL_OR_KEYWORD:
                    self.positional.append(annotation)
                    continue
                case parameter.VAR_POSITIONAL | parameter.VAR_KEYWORD:
                    message = f"{name}: {parameter} is no argument: name them all"
                    raise TypeError(message)
            if is_boxed(annotation):
                self._boxed = parameter.name
            required = parameter.default is parameter.empty
            wire = wire_name(parameter.name, annotation)
            self.members.append(Member(wire, annotation, required))
            rename[parameter.name] = wire
            fields.append(_field(parameter.name, _narrow(annotation), required))
            wide = _narrow(annotation, size=int)
            wide_fields.append(_field(parameter.name, wide, required))
        if self._boxed is not None and len(self.members) > 1:
            message = f"{name}: {self._boxed} is boxed, and so must stand alone"
            raise TypeError(message)
        try:
            self._check = (
                check_for_members(self.members)
                if self._boxed is None
                else check_for(self.members[0].annotation)
            )
            self._decode = self._decoder(fields)
            self._decode_wide = (
                self._decode if wide_fields == fields else self._decoder(wide_fields)
            )
        except (TypeError, ValueError) as error:
            message = f"{name}: {error}"
            raise TypeError(message) from None
        self._is_lax = any(_decodes_laxly(m.annotation) for m in self.members)
        self.returns = hints.get("return", Any)
        self.is_async = inspect.iscoroutinefunction(handler)
        self.may_return_doubles = _may_hold_doubles(self.returns, set())
        self._returns_constants = _is_constant(self.returns)
        self._last_value: Any = None
        self._last_text = b"{}"

    def _decoder(self, fields: list[Any]) -> Callable[[Any], Any]:
        is_boxed = self._boxed is not None
        return msgspec.json.Decoder(
            fields[0][1] if is_boxed else _arguments(fields, self._names)
        ).decode

    def read(self, arguments: Raw | UnsetType) -> dict[str, Any]:
        """Return the handler's keywords.

        Args:
            arguments: A well-formed JSON object, unread, or nothing.

        Raises:
            CommandError: They do not fit the signature; QEMU's text.
        """
        if not self._names and arguments is UNSET:
            return {}
        text = b"{}" if arguments is UNSET else arguments
        if self._is_lax:
            self._check(read_json(bytes(text)), ROOT)
        try:
            struct = self._decode(text)
        except _NOT_PLAIN:
            struct = self._read_slowly(bytes(text))
        if self._boxed is not None:
            return {self._boxed: struct}
        return {
            name: value
            for name in self._names
            if (value := getattr(struct, name)) is not UNSET
        }

    def _read_slowly(self, text: bytes) -> Any:
        """Return arguments that the decoder refused, or raise what QEMU says of them.

        What it refuses and QEMU takes are sizes beyond what 63 bits hold.
        """
        self._check(read_json(text), ROOT)
        try:
            return self._decode_wide(text)
        except _NOT_PLAIN as error:
            deep = isinstance(error, RecursionError)
            reason = "they are nested too deep" if deep else error
            message = f"Arguments cannot be read: {reason}"
            raise GenericError(message) from None

    def encode(self, value: Any) -> bytes:
        """Return what the handler returned in wire form; ``None`` is ``{}``.

        A value that cannot change is not encoded again when it is returned again.
        """
        if value is None:
            return b"{}"
        if value is self._last_value:
            return self._last_text
        if type(value) is Encoded:
            return value.text
        text = encode(value, may_hold_doubles=self.may_return_doubles)
        if self._returns_constants:
            self._last_value, self._last_text = value, text
        return text


def _field(name: str, annotation: Any, required: bool) -> tuple[Any, ...]:  # noqa: FBT001
    return (name, annotation) if required else (name, annotation | UnsetType, UNSET)


def _arguments(fields: list[Any], rename: dict[str, str]) -> type[Struct]:
    """Return the Struct that a handler's arguments are decoded into."""
    return msgspec.defstruct(
        "Arguments",
        fields,
        rename=rename.get,
        forbid_unknown_fields=True,
        gc=False,
        kw_only=True,
    )


T = TypeVar("T")


class Encoded(Struct, Generic[T], frozen=True):
    """A value that a handler returns in wire form, to be sent as it is.

    For replies that are large and always the same. `of` makes one. A handler that
    returns an ``Encoded[X]`` is one that returns an X, as far as its schema goes.

    Attributes:
        text: ASCII without newlines.
    """

    text: bytes

    @classmethod
    def of(cls, value: T) -> "Encoded[T]":
        """Encode *value* once, for many replies."""
        return cls(encode(value))


def _narrow(annotation: Any, *, size: Any = _INT64) -> Any:
    """Return *annotation* with its integers limited to QEMU's 64 bits.

    Args:
        annotation: The type.
        size: What sizes become. The decoder knows no bound beyond 63 bits: it refuses
            what is above, and the check decides.
    """
    if annotation is int:
        return _INT64
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        if "uint64" in annotation.__metadata__:
            return size
        if (values := values_in(annotation)) is not None:
            return Literal[values]
        return _narrow(args[0], size=size)
    if origin is list:
        return list[_narrow(args[0], size=size)]  # type: ignore[misc]
    if origin in (Union, types.UnionType):
        kept = [_narrow(a, size=size) for a in args if a is not types.NoneType]
        return Union[tuple(kept)]  # noqa: UP007 - the members are known at run time
    return annotation


def _decodes_laxly(annotation: Any) -> bool:
    """Whether the decoder takes more than the check does: what is in a Struct, say."""
    if described_in(annotation) is not None:
        return True
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return True
    args = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _decodes_laxly(args[0])
    return any(_decodes_laxly(arg) for arg in args)


def _may_hold_doubles(annotation: Any, seen: set[Any]) -> bool:
    """Whether a value of this type might hold a double somewhere."""
    if annotation in (str, int, bool, None, types.NoneType, bytes, Encoded):
        return False
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Literal, Encoded):
        return False
    if origin in (Annotated, Required, NotRequired):
        return _may_hold_doubles(args[0], seen)
    if origin in (list, dict, tuple, Union, types.UnionType):
        return not args or any(
            _may_hold_doubles(a, seen) for a in args if a is not Ellipsis
        )
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return False
    if isinstance(annotation, type) and (
        issubclass(annotation, Struct) or is_typeddict(annotation)
    ):
        if annotation in seen:
            return False
        hints = get_type_hints(annotation, include_extras=True)
        return any(_may_hold_doubles(h, seen | {annotation}) for h in hints.values())
    return annotation is not UnsetType


def _is_constant(annotation: Any) -> bool:
    """Whether values of this type never change: frozen Structs of scalars."""
    if not (isinstance(annotation, type) and issubclass(annotation, Struct)):
        return False
    hints = get_type_hints(annotation).values()
    return annotation.__struct_config__.frozen and all(map(_is_scalar, hints))


def _is_scalar(annotation: Any) -> bool:
    is_union = get_origin(annotation) in (Union, types.UnionType)
    return {*(get_args(annotation) if is_union else (annotation,))} <= _SCALARS


_SCALARS = {str, int, bool, float, types.NoneType}
