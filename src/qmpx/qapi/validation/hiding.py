"""Output without what the policy hides: members of results and of events' data."""

from typing import Any

from qmpx.qapi.model import AlternateType, ArrayType, ObjectType, Schema
from qmpx.qapi.validation.decoders import reachable
from qmpx.qapi.validation.policy import Policy
from qmpx.qapi.validation.readers import json_kind, type_named
from qmpx.qapi.visitor import kind_of


class Hiding:
    """Leaves out of values what a policy hides.

    Values of enumerations are never hidden. Source: QEMU 7.2.

    Args:
        schema: The schema of one build: without conditions.
        policy: What is hidden.
    """

    __slots__ = ("_hides", "_policy", "_schema")

    def __init__(self, schema: Schema, policy: Policy) -> None:
        self._schema = schema
        self._policy = policy
        self._hides: dict[str, bool] = {}

    def concerns(self, type_name: str) -> bool:
        """Whether values of a type may have members that are hidden."""
        hides = self._hides.get(type_name)
        if hides is None:
            hides = not self._policy.hides_nothing and any(
                self._policy.hides(member.features)
                for name in reachable(self._schema, type_name)
                if isinstance(type_named(self._schema, name), ObjectType)
                for member in self._schema.members_of(name)
            )
            self._hides[type_name] = hides
        return hides

    def apply(self, type_name: str, value: Any) -> Any:
        """Return *value*, which is of that type, without what is hidden."""
        if not self.concerns(type_name):
            return value
        match type_named(self._schema, type_name):
            case ArrayType(element=element):
                return [self.apply(element, each) for each in value]
            case AlternateType(branches=branches):
                kind = kind_of(value)
                for branch in branches:
                    if json_kind(type_named(self._schema, branch.type)) == kind:
                        return self.apply(branch.type, value)
                return value
            case ObjectType():
                return self._object(type_name, value)
            case _:
                return value

    def _object(self, type_name: str, value: dict[str, Any]) -> dict[str, Any]:
        kept = dict(value)
        name: str | None = type_name
        while name is not None:
            for member in self._schema.members_of(name):
                if member.name not in kept:
                    continue
                if self._policy.hides(member.features):
                    del kept[member.name]
                else:
                    kept[member.name] = self.apply(member.type, kept[member.name])
            type_ = self._schema.object_type(name)
            tag = value.get(type_.discriminator) if type_.discriminator else None
            branch = type_.branch(tag) if isinstance(tag, str) else None
            name = None if branch is None else branch.type
        return kept
