"""Schemas as ``query-qmp-schema`` tells them, from a model and to one.

Introspection knows less than the model: integers have no sizes, what is inherited is
flattened, and flags, conditions and documentation are gone. So only one of the two ways
round is exact: what was read from introspection gives the same again, if names are left
as they are, but for types that nothing refers to.

Source: QEMU 7.2, ``qapi/introspect.json``, and its replies.
"""

from typing import Any, TypeAlias

SchemaInfo: TypeAlias = dict[str, Any]
"""One element of what ``query-qmp-schema`` returns."""

__all__ = ["SchemaInfo"]
