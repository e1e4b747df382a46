"""What definitions mean together: references, kinds, clashes, documentation.

The last pass: definitions are checked in their order, each with all that it refers to.

Source: QEMU, ``docs/devel/qapi-code-gen.rst``; observed on QEMU 7.2.
"""

import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from qmpx.qapi import model
from qmpx.qapi.language.definitions import Entity, is_implicit, spelled
from qmpx.qapi.language.documented import check_documentation
from qmpx.qapi.language.names import in_c
from qmpx.qapi.language.places import Place
from qmpx.qapi.language.releases import (
    BOXED_CONDITIONS,
    OWNER_TEXTS,
    UNIONS_IN_UNIONS,
)
from qmpx.qapi.language.shapes import Pragma

MAX_INHERITANCE: Final = 64
"""How many types may extend or hold each other in a row; QEMU's own schemas need 4.

So that no schema can exhaust the interpreter's stack.
"""

_SPECIAL = (model.DEPRECATED, model.UNSTABLE)
_NUMERIC = re.compile(r"[-+0-9.]")
_ALTERNATIVES: Final = {  # JSON types that can be told apart
    "string": "string",
    "number": "number",
    "int": "number",
    "boolean": "boolean",
    "null": "null",
}


class _Named(Struct, frozen=True):
    """Something with a name that may clash, for errors.

    `owner` is the name of the type that it is a member of, or else of what defines it.
    """

    role: str
    name: str
    owner: str
    member: model.Member | None = None


def check_meaning(entities: dict[str, Entity], pragma: Pragma) -> None:
    """Check all definitions of a schema, and complete the unions among them.

    Args:
        entities: The definitions.
        pragma: The rules.

    Raises:
        SchemaError: Something does not fit.
    """
    checking = _Checking(entities, pragma)
    for entity in entities.values():
        checking.check(entity)


class _Checking:
    def __init__(self, entities: dict[str, Entity], pragma: Pragma) -> None:
        self._entities = entities
        self._pragma = pragma
        self._release = pragma.release
        self._open: set[str] = set()  # object types that are being checked
        # Of those that are done: their members, and these with all of their branches'.
        self._members: dict[str, dict[str, _Named]] = {}
        self._reached: dict[str, dict[str, _Named]] = {}

    def check(self, entity: Entity) -> None:
        """Check one definition, and what it is documented to be."""
        match entity.definition:
            case model.ObjectType() as definition:
                self._check_object(entity, definition, 0)
            case model.EnumType() as definition:
                self._check_features(entity)
                values = definition.values
                names = (_Named("value", v.name, definition.name) for v in values)
                self._check_clashes(entity.place, names, {})
            case model.ArrayType() as definition:
                self._check_array(entity, definition)
            case model.AlternateType() as definition:
                self._check_features(entity)
                self._check_alternate(entity, definition)
            case model.Command() as definition:
                self._check_features(entity)
                self._check_arguments(entity, definition)
                self._check_returns(entity, definition)
            case model.Event() as definition:
                self._check_features(entity)
                self._check_arguments(entity, definition)
            case _:
                pass
        if entity.doc is not None:
            check_documentation(entity, entity.doc, self._entities, self._pragma)

    # -- types that are referred to ---------------------------------------------------

    def _type(self, name: str, place: Place, what: str) -> Entity:
        entity = self._entities.get(name)
        if entity is None or isinstance(entity.definition, model.Command | model.Event):
            message = f"{what} uses unknown type '{spelled(name)}'"
            raise place.error(message)
        return entity

    def _check_array(self, entity: Entity, definition: model.ArrayType) -> None:
        place = entity.place
        element = self._type(definition.element, place, place.kind)
        if isinstance(element.definition, model.ArrayType):
            # On which QEMU's own generator breaks down.
            message = f"{place.kind} uses an array of {element.describe()}"
            raise place.error(message)

    def _check_arguments(
        self, entity: Entity, definition: model.Command | model.Event
    ) -> None:
        place = entity.place
        kind = "command" if isinstance(definition, model.Command) else "event"
        found = self._type(definition.arguments, place, f"{kind}'s 'data'")
        arguments = found.definition
        if not isinstance(arguments, model.ObjectType):
            message = f"{kind}'s 'data' cannot take {found.describe()}"
            raise place.error(message)
        if definition.boxed:
            return
        if arguments.is_union:
            message = (
                f"{kind}'s 'data' can take {found.describe()} only with 'boxed': true"
            )
            raise place.error(message)
        if self._release >= BOXED_CONDITIONS:
            members = self._check_object(found, arguments, 0).values()
            if any(named.member and named.member.condition for named in members):
                message = f"conditional {kind} arguments require 'boxed': true"
                raise place.error(message)

    def _check_returns(self, entity: Entity, definition: model.Command) -> None:
        place = entity.place
        found = self._type(definition.returns, place, "command's 'returns'")
        returned = found.definition
        if isinstance(returned, model.ArrayType):
            returned = self._type(returned.element, place, place.kind).definition
        if definition.name not in self._pragma.command_returns and not isinstance(
            returned, model.ObjectType
        ):
            message = f"command's 'returns' cannot take {found.describe()}"
            raise place.error(message)

    # -- object types -----------------------------------------------------------------

    def _check_object(
        self, entity: Entity, definition: model.ObjectType, depth: int
    ) -> dict[str, _Named]:
        """Check an object type, unless that is done; return its members, as in C."""
        name, place = definition.name, entity.place
        if name in self._members:
            return self._members[name]
        if name in self._open:
            message = f"object {name} contains itself"
            raise place.error(message)
        if depth > MAX_INHERITANCE:
            message = f"object {name} is nested deeper than {MAX_INHERITANCE} types"
            raise place.error(message)
        self._open.add(name)
        self._check_features(entity)
        members: dict[str, _Named] = {}
        if definition.base not in (None, model.EMPTY):
            base = self._base(entity, definition.base or "", depth)
            self._check_clashes(place, base.values(), members)
        for member in definition.members:
            named = _Named("member", member.name, name, member)
            self._type(member.type, place, self._describe(named, place))
            features = (_Named("feature", f.name, member.name) for f in member.features)
            self._check_clashes(place, features, {})
            self._check_clashes(place, [named], members)
        self._reached[name] = members
        if definition.is_union:
            self._check_union(entity, definition, members, depth)
        self._members[name] = members
        return members

    def _base(self, entity: Entity, name: str, depth: int) -> dict[str, _Named]:
        found = self._type(name, entity.place, "'base'")
        base = found.definition
        if not isinstance(base, model.ObjectType) or base.is_union:
            message = f"'base' requires a struct type, {found.describe()} isn't"
            raise entity.place.error(message)
        return self._check_object(found, base, depth + 1)

    def _check_union(
        self,
        entity: Entity,
        definition: model.ObjectType,
        members: dict[str, _Named],
        depth: int,
    ) -> None:
        place = entity.place
        tag, values = self._tag(place, definition, members)
        named = {branch.name for branch in definition.branches}
        branches = [
            *definition.branches,
            *(
                model.Branch(value.name, model.EMPTY, value.condition)
                for value in values.values
                if value.name not in named
            ),
        ]
        if not branches:
            message = "union has no branches"
            raise place.error(message)
        known = {value.name for value in values.values}
        found = []
        for branch in branches:
            owner = definition.name if branch.name in named else tag.owner
            what = self._describe(_Named("branch", branch.name, owner), place)
            type_ = self._type(branch.type, place, what)
            if branch.name not in known:
                enum = self._entities[values.name].describe()
                message = f"branch '{branch.name}' is not a value of {enum}"
                raise place.error(message)
            object_type = type_.definition
            if not isinstance(object_type, model.ObjectType) or (
                object_type.is_union and self._release < UNIONS_IN_UNIONS
            ):
                message = f"{what} cannot use {type_.describe()}"
                raise place.error(message)
            self._check_object(type_, object_type, depth + 1)
            found.append(object_type)
        reached = dict(members)
        for object_type in found:
            names = self._reached[object_type.name]
            self._check_clashes(place, names.values(), dict(members))
            reached = names | reached
        self._reached[definition.name] = reached
        entity.definition = replace(definition, branches=tuple(branches))

    def _tag(
        self, place: Place, definition: model.ObjectType, members: dict[str, _Named]
    ) -> tuple[_Named, model.EnumType]:
        """Return the member that tells a union's branches apart, and its type."""
        name = definition.discriminator or ""
        tag = members.get(in_c(name))
        if tag is None or tag.member is None or tag.name != name:
            message = f"discriminator '{name}' is not a member of 'base'"
            raise place.error(message)
        base = "'base'" if is_implicit(tag.owner) else f"base type '{tag.owner}'"
        what = f"discriminator member '{name}' of {base}"
        values = self._entities[tag.member.type].definition
        if not isinstance(values, model.EnumType):
            message = f"{what} must be of enum type"
            raise place.error(message)
        if tag.member.optional:
            message = f"{what} must not be optional"
            raise place.error(message)
        if tag.member.condition is not None:
            message = f"{what} must not be conditional"
            raise place.error(message)
        return tag, values

    # -- alternates -------------------------------------------------------------------

    def _check_alternate(self, entity: Entity, definition: model.AlternateType) -> None:
        place = entity.place
        branches = []
        for branch in definition.branches:
            named = _Named("branch", branch.name, definition.name)
            what = self._describe(named, place)
            branches.append((named, what, self._type(branch.type, place, what)))
        names: dict[str, _Named] = {}
        taken: dict[str, str] = {}
        for named, what, type_ in branches:
            self._check_clashes(place, [named], names)
            kinds = _kinds(type_.definition)
            if not kinds:
                message = f"{what} cannot use {type_.describe()}"
                raise place.error(message)
            for kind in kinds:
                if kind in taken:
                    message = f"{what} can't be distinguished from '{taken[kind]}'"
                    raise place.error(message)
                taken[kind] = named.name

    # -- names and features -----------------------------------------------------------

    def _check_features(self, entity: Entity) -> None:
        definition = entity.definition
        features = definition.features
        names = (_Named("feature", f.name, definition.name) for f in features)
        self._check_clashes(entity.place, names, {})
        if not isinstance(definition, model.Command | model.Event):
            for feature in features:
                if feature.name in _SPECIAL:
                    message = f"feature '{feature.name}' is not supported for types"
                    raise entity.place.error(message)

    def _check_clashes(
        self, place: Place, names: Iterable[_Named], seen: dict[str, _Named]
    ) -> None:
        """Add names to those that were seen, unless they are the same in C."""
        for named in names:
            other = seen.get(in_c(named.name))
            if other is not None:
                what, which = self._describe(named, place), self._describe(other, place)
                message = f"{what} collides with {which}"
                raise place.error(message)
            seen[in_c(named.name)] = named

    def _describe(self, named: _Named, place: Place) -> str:
        role, owner, kind = named.role, named.owner, "type"
        is_implied = owner.startswith("q_obj_")
        if is_implied:
            definition, _, suffix = owner.removeprefix("q_obj_").rpartition("-")
            if suffix == "arg":
                role = "parameter"
                defined = self._entities[definition].definition
                kind = "command" if isinstance(defined, model.Command) else "event"
            else:
                role = f"base {role}"
            if self._release < OWNER_TEXTS:
                return f"{role} '{named.name}'"
            owner = definition
        if owner == place.name:
            return f"{role} '{named.name}'"
        return f"{role} '{named.name}' of {kind} '{owner}'"


def _kinds(definition: model.Definition) -> list[str]:
    """Return which JSON values an alternative claims; none if it cannot be one.

    On the command line all scalars are strings: so a string leaves no room for numbers
    and booleans, nor does a value of an enumeration that looks like one.
    """
    match definition:
        case model.BuiltinType(name="str"):
            return ["string", "number", "boolean"]
        case model.BuiltinType(json_type=json_type):
            kind = _ALTERNATIVES.get(json_type)
            return [] if kind is None else [kind]
        case model.EnumType(values=values):
            kinds = ["string"]
            if any(value.name in ("on", "off") for value in values):
                kinds.append("boolean")
            if any(_NUMERIC.match(value.name) for value in values):
                kinds.append("number")
            return kinds
        case model.ArrayType():
            return ["array"]
        case model.ObjectType():
            return ["object"]
        case _:
            return []
