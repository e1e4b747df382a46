"""The gateway's own commands, as introspection tells them."""

from __future__ import annotations

from msgspec import Struct

from qmpx.gateway.sharing.local_schema import local_schema
from qmpx.monitor.registry import CommandRegistry
from qmpx.qapi.introspection.reading import from_introspection


class Found(Struct):
    name: str
    others: list[Found]


def test_their_types_have_names_of_their_own() -> None:
    commands = CommandRegistry()

    @commands.command("x-qmpx-find", allow_oob=True)
    def find(*, number: int, names: list[str]) -> list[Found]:
        return [Found(name, []) for name in names[:number]]

    told = local_schema(commands.values())
    assert {info["name"] for info in told if info["meta-type"] != "builtin"} == {
        "x-qmpx-find",
        "x-qmpx-q_obj_x-qmpx-find-arg",
        "[x-qmpx-Found]",
        "x-qmpx-Found",
        "[str]",
    }
    schema = from_introspection(list(told))
    assert schema.commands["x-qmpx-find"].allow_oob
    found = schema.object_type("x-qmpx-Found")
    assert [(m.name, m.type) for m in found.members] == [
        ("name", "str"),
        ("others", "[x-qmpx-Found]"),
    ]
