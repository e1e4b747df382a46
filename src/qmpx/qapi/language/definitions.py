"""Definitions: what the expressions of a schema define, by name.

The third pass: expressions, whose shapes are known to be right, become definitions of
the model, and the implicit types that they need are added. Duplicates are found here. A
type that is referred to need not exist yet; whether it does at all is asked later.

Source: QEMU, ``docs/devel/qapi-code-gen.rst``; observed on QEMU 7.2.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from qmpx.qapi import conditions, model
from qmpx.qapi.language.comments import Doc
from qmpx.qapi.language.parser import Json
from qmpx.qapi.language.places import Place

_BUILTIN: Final = {
    "str": "string",
    "number": "number",
    "int": "int",
    "int8": "int",
    "int16": "int",
    "int32": "int",
    "int64": "int",
    "uint8": "int",
    "uint16": "int",
    "uint32": "int",
    "uint64": "int",
    "size": "int",
    "bool": "boolean",
    "any": "value",
    "null": "null",
}
_QTYPE: Final = ("none", "qnull", "qnum", "qstring", "qdict", "qlist", "qbool")
_NOWHERE: Final = Place("", 0, None)


class Entity:
    """A definition and where it comes from.

    Args:
        definition: What is defined.
        place: Where; for an implicit type that of what needs it first.
        doc: Its documentation.

    Attributes:
        definition: What is defined. Checks may complete it.
        place: Where.
        doc: Its documentation.
    """

    __slots__ = ("definition", "doc", "place")

    def __init__(
        self,
        definition: model.Definition,
        place: Place = _NOWHERE,
        doc: Doc | None = None,
    ) -> None:
        self.definition = definition
        self.place = place
        self.doc = doc

    def describe(self) -> str:
        """Return what it is, for errors."""
        name = self.definition.name
        match self.definition:
            case model.BuiltinType():
                return f"built-in type '{name}'"
            case model.ArrayType(element=element):
                return f"array type ['{spelled(element)}']"
            case model.EnumType():
                return f"enum type '{name}'"
            case model.AlternateType():
                return f"alternate type '{name}'"
            case model.ObjectType(is_union=is_union):
                return f"{'union' if is_union else 'struct'} type '{name}'"
            case _:
                return f"'{name}'"


def array_of(element: str) -> str:
    """Return the name of the array of a type."""
    return f"[{element}]"


def is_implicit(name: str) -> bool:
    """Whether an object type has no definition of its own."""
    return name.startswith("q_")


def reference(name: str) -> str:
    """Return the name in the model of a type that a schema refers to by name.

    By accident ``XList`` is the array of X: nothing else can be called so. What looks
    like a name of the model, but cannot be one in a schema, is put in quotes.
    """
    if name.endswith("List"):
        return array_of(reference(name.removesuffix("List")))
    return f"'{name}'" if name.startswith("[") else name


def spelled(name: str) -> str:
    """Return a name as the schema spells it: the inverse of `reference`."""
    if name.startswith("["):
        return spelled(name[1:-1]) + "List"
    return name.strip("'")


class Definitions:
    """All definitions of a schema, in the order in which QEMU makes them.

    Attributes:
        entities: They, by name: predefined ones first, implicit types right before what
            needs them.
    """

    def __init__(self) -> None:
        self.entities: dict[str, Entity] = {}
        for name, json_type in _BUILTIN.items():
            self._define(Entity(model.BuiltinType(name=name, json_type=json_type)))
            self._array(name, _NOWHERE)
        self._define(Entity(model.ObjectType(name=model.EMPTY)))
        values = tuple(model.EnumValue(name=name) for name in _QTYPE)
        qtype = model.EnumType(name="QType", values=values, prefix="QTYPE")
        self._define(Entity(qtype))

    def add(
        self, kind: str, value: Json, place: Place, doc: Doc | None, module: str
    ) -> None:
        """Enter what an expression defines.

        Args:
            kind: The kind of what it defines.
            value: The expression.
            place: Where it is.
            doc: Its documentation.
            module: The name of its module.

        Raises:
            SchemaError: The name is taken.
        """
        definition = _Definition(self, kind, value, place, doc, module).make()
        self._define(Entity(definition, place, doc))

    def refer(self, value: str | list[str], place: Place) -> str:
        """Return the name in the model of a type that is referred to at a place."""
        if isinstance(value, list):
            return self._array(reference(value[0]), place)
        return reference(value)

    def implicit(self, definition: model.ObjectType, place: Place) -> None:
        """Enter an implicit object type, unless its definition is there twice."""
        if definition.name not in self.entities:
            self._define(Entity(definition, place))

    def _array(self, element: str, place: Place) -> str:
        name = array_of(element)
        if name not in self.entities:
            self._define(Entity(model.ArrayType(name=name, element=element), place))
        return name

    def _define(self, entity: Entity) -> None:
        name = entity.definition.name
        other = self.entities.get(name)
        if other is None:
            self.entities[name] = entity
        elif other.place is _NOWHERE:
            message = f"{other.describe()} is already defined"
            raise entity.place.error(message)
        else:
            message = f"'{name}' is already defined"
            previous = other.place.error("previous definition")
            raise entity.place.error(message, previous=previous)


class _Definition:
    # Makes one definition.

    def __init__(
        self,
        definitions: Definitions,
        kind: str,
        value: Json,
        place: Place,
        doc: Doc | None,
        module: str,
    ) -> None:
        self._definitions = definitions
        self._kind = kind
        self._value = value
        self._place = place
        self._name = str(value[kind])
        self._common: dict[str, Any] = {
            "name": self._name,
            "features": _features(value),
            "condition": _condition(value),
            "position": model.Position(place.file, place.line),
            "module": module,
            "documentation": doc.documentation() if doc else None,
        }

    def make(self) -> model.Definition:
        value, common = self._value, self._common
        match self._kind:
            case "enum":
                values = tuple(_enum_value(each) for each in value["data"])
                return model.EnumType(
                    **common, values=values, prefix=value.get("prefix")
                )
            case "struct":
                base = value.get("base")
                return model.ObjectType(
                    **common,
                    members=self._members(value["data"]),
                    base=None if base is None else self._refer(base),
                )
            case "union":
                return model.ObjectType(
                    **common,
                    base=self._members_or_type(value["base"], "base"),
                    discriminator=value["discriminator"],
                    branches=self._branches(),
                )
            case "alternate":
                return model.AlternateType(**common, branches=self._branches())
            case "command":
                return model.Command(
                    **common,
                    arguments=self._members_or_type(value.get("data", {}), "arg"),
                    returns=self._refer(value.get("returns", model.EMPTY)),
                    boxed="boxed" in value,
                    gen="gen" not in value,
                    success_response="success-response" not in value,
                    allow_oob="allow-oob" in value,
                    allow_preconfig="allow-preconfig" in value,
                    coroutine="coroutine" in value,
                )
            case _:
                return model.Event(
                    **common,
                    arguments=self._members_or_type(value.get("data", {}), "arg"),
                    boxed="boxed" in value,
                )

    def _refer(self, value: str | list[str]) -> str:
        return self._definitions.refer(value, self._place)

    def _members_or_type(self, value: str | Json, role: str) -> str:
        if isinstance(value, str):
            return self._refer(value)
        if not value:
            return model.EMPTY
        name = f"q_obj_{self._name}-{role}"
        definition = model.ObjectType(
            name=name,
            condition=self._common["condition"],
            position=self._common["position"],
            module=self._common["module"],
            members=self._members(value),
        )
        self._definitions.implicit(definition, self._place)
        return name

    def _members(self, members: Json) -> tuple[model.Member, ...]:
        return tuple(
            model.Member(
                name=key.removeprefix("*"),
                type=self._refer(member["type"]),
                optional=key.startswith("*"),
                features=_features(member),
                condition=_condition(member),
            )
            for key, member in members.items()
        )

    def _branches(self) -> tuple[model.Branch, ...]:
        return tuple(
            model.Branch(key, self._refer(branch["type"]), _condition(branch))
            for key, branch in self._value["data"].items()
        )


def _enum_value(value: Json) -> model.EnumValue:
    return model.EnumValue(
        name=value["name"], features=_features(value), condition=_condition(value)
    )


def _features(owner: Json) -> tuple[model.Feature, ...]:
    features = owner.get("features")
    if not features:
        return ()
    return tuple(model.Feature(each["name"], _condition(each)) for each in features)


def _condition(owner: Json) -> conditions.Condition | None:
    value = owner.get("if")
    return None if value is None else _read_condition(value)


def _read_condition(value: str | Mapping[str, Any]) -> conditions.Condition:
    if isinstance(value, str):
        return conditions.Defined(value)
    [(operator, operands)] = value.items()
    if operator == "not":
        return conditions.Not(_read_condition(operands))
    kind = conditions.AllOf if operator == "all" else conditions.AnyOf
    return kind(_read_all(operands))


def _read_all(values: Iterable[Any]) -> tuple[conditions.Condition, ...]:
    return tuple(_read_condition(value) for value in values)
