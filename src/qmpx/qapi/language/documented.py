"""What documentation describes, held against what is defined.

Source: QEMU 7.2 and 9.2, ``docs/devel/qapi-code-gen.rst``.
"""

from collections.abc import Iterator, Mapping

from qmpx.qapi import model
from qmpx.qapi.language.comments import Doc, Part
from qmpx.qapi.language.definitions import Entity, is_implicit
from qmpx.qapi.language.releases import COMPLETE_DOCUMENTATION
from qmpx.qapi.language.shapes import Pragma


def check_documentation(
    entity: Entity, doc: Doc, entities: Mapping[str, Entity], pragma: Pragma
) -> None:
    """Check that what is described exists, and what has to be described is.

    Args:
        entity: A definition, checked before.
        doc: Its documentation; what it describes is marked in it.
        entities: All definitions.
        pragma: The rules.

    Raises:
        SchemaError: It is not so.
    """
    definition, place = entity.definition, entity.place
    is_new = pragma.release >= COMPLETE_DOCUMENTATION
    is_complete = is_new and definition.name not in pragma.undocumented
    _check_features(entity, doc, definition)
    for role, item in _members(definition, entities):
        part = doc.members.get(item.name)
        if part is not None:
            part.exists = True
        elif is_complete:
            message = f"{role} '{item.name}' lacks documentation"
            raise place.error(message)
        if not isinstance(item, model.Branch):
            _check_features(entity, doc, item)
    _check_existence("member", doc, doc.members, is_new=is_new)
    _check_existence("feature", doc, doc.features, is_new=is_new)


def _check_features(entity: Entity, doc: Doc, item: model.Element) -> None:
    for feature in item.features:
        part = doc.features.get(feature.name)
        if part is None:
            message = f"feature '{feature.name}' lacks documentation"
            raise entity.place.error(message)
        part.exists = True


def _check_existence(
    what: str, doc: Doc, parts: Mapping[str, Part], *, is_new: bool
) -> None:
    absent = [name for name, part in parts.items() if not part.exists]
    if absent:
        names = ", ".join(f"'{name}'" for name in absent)
        plural, verb = ("s", "do") if len(absent) > 1 else ("", "does")
        message = f"documented {what}{plural} {names} {verb} not exist"
        if is_new:
            raise doc.error(parts[absent[0]], message)
        raise doc.place.error(message)


def _members(
    definition: model.Definition, entities: Mapping[str, Entity]
) -> Iterator[tuple[str, model.Element | model.Branch]]:
    """Yield what a comment may describe, and what it is called.

    What a named base or a named type of arguments has is described there.
    """
    match definition:
        case model.EnumType(values=values):
            yield from (("value", value) for value in values)
        case model.AlternateType(branches=branches):
            yield from (("branch", branch) for branch in branches)
        case model.ObjectType(base=base, members=members):
            if base is not None and is_implicit(base):
                yield from _own_members(base, "member", entities)
            yield from (("member", member) for member in members)
        case model.Command(arguments=arguments) | model.Event(arguments=arguments):
            if is_implicit(arguments):
                yield from _own_members(arguments, "parameter", entities)
        case _:
            pass


def _own_members(
    name: str, role: str, entities: Mapping[str, Entity]
) -> Iterator[tuple[str, model.Element]]:
    definition = entities[name].definition
    if isinstance(definition, model.ObjectType):
        yield from ((role, member) for member in definition.members)
