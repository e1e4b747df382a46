"""What a monitor tells of itself, cut to what a role may run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qmpx.errors import GenericError
from qmpx.gateway.policy import EVERYTHING, SHOWN
from qmpx.gateway.policy.telling import tell_commands, tell_schema
from qmpx.gateway.settings.roles import RoleSettings, build_role, built_in_roles
from qmpx.qapi.introspection.reading import from_introspection
from qmpx.qapi.introspection.telling import to_introspection
from qmpx.qapi.shipped import shipped_schema

SCHEMA = json.dumps(to_introspection(shipped_schema("7.2"))).encode()
STORAGE = build_role("s", RoleSettings(profile="storage", directories=("/srv",)))
ROLES = [*built_in_roles().values(), STORAGE]


def names(infos: Any, kind: str) -> set[str]:
    return {info["name"] for info in infos if info["meta-type"] == kind}


def references(info: dict[str, Any]) -> set[str]:
    found = {
        info[name] for name in ("arg-type", "ret-type", "element-type") if name in info
    }
    if info["meta-type"] in {"object", "alternate"}:
        parts = [*info.get("members", ()), *info.get("variants", ())]
        found |= {part["type"] for part in parts}
    return found


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_the_schema_is_closed_and_has_what_the_role_may_run(role: Any) -> None:
    before, after = json.loads(SCHEMA), json.loads(tell_schema(SCHEMA, role))
    commands = names(before, "command")
    assert names(after, "command") == {name for name in commands if role.may_run(name)}
    events = names(before, "event")
    assert names(after, "event") == {name for name in events if role.sees(name)}
    there = {info["name"] for info in after}
    referred: set[str] = set().union(*(references(info) for info in after))
    assert referred <= there
    roots = names(after, "command") | names(after, "event")
    assert there - roots == referred
    from_introspection(after)  # it is a schema


def test_a_role_that_may_run_all_has_all_but_what_is_unstable() -> None:
    before = json.loads(SCHEMA)
    after = json.loads(tell_schema(SCHEMA, built_in_roles()["admin"]))
    gone = names(before, "command") - names(after, "command")
    assert gone == {name for name in gone if name.startswith("x-")}
    assert json.loads(tell_schema(SCHEMA, built_in_roles()["everything"])) == before


def test_the_actions_of_transactions_are_cut_alike() -> None:
    def actions(role: Any) -> tuple[set[str], set[str]]:
        infos = {info["name"]: info for info in json.loads(tell_schema(SCHEMA, role))}
        arguments = infos[infos["transaction"]["arg-type"]]
        (array,) = (m["type"] for m in arguments["members"] if m["name"] == "actions")
        union = infos[infos[array]["element-type"]]
        (tag,) = (m["type"] for m in union["members"] if m["name"] == union["tag"])
        values = {member["name"] for member in infos[tag]["members"]}
        assert set(infos[tag]["values"]) == values
        return {part["case"] for part in union["variants"]}, values

    bare = built_in_roles()["storage"]
    cases, values = actions(STORAGE)
    assert cases == values
    assert {"drive-backup", "abort", "block-dirty-bitmap-add"} <= cases
    without, values = actions(bare)
    assert without == values
    assert cases - without == {"drive-backup", "blockdev-snapshot-sync"}


def test_a_list_of_commands_keeps_its_order() -> None:
    listed = b'[{"name": "stop"}, {"name": "query-status"}, {"name": "query-name"}]'
    assert tell_commands(listed, built_in_roles()["observe"]) == (
        b'[{"name": "query-status"}, {"name": "query-name"}]'
    )


LOCAL = (
    {"name": "x-qmpx-lease", "meta-type": "command", "arg-type": "0", "ret-type": "0"},
    {"name": "x-qmpx-whoami", "meta-type": "command", "arg-type": "0", "ret-type": "0"},
)


def test_what_the_gateway_adds_is_told_to_whom_it_is_allowed() -> None:
    def told(role: str) -> set[str]:
        of = built_in_roles()[role]
        names_told = {
            info["name"] for info in json.loads(tell_commands(b"[]", of, LOCAL))
        }
        schema = json.loads(tell_schema(SCHEMA, of, LOCAL))
        listed = {name for name in names(schema, "command") if "qmpx" in name}
        assert listed == names_told
        return names_told

    assert told("observe") == {"x-qmpx-whoami"}
    assert told("operate") == {"x-qmpx-whoami", "x-qmpx-lease"}


def test_what_was_told_once_is_remembered_until_the_monitor_tells_otherwise() -> None:
    role = build_role("r", RoleSettings(profile="observe"))
    first = role.show("query-commands", b'[{"name": "stop"}]')
    assert role.show("query-commands", b'[{"name": "stop"}]') is first
    other = role.show("query-commands", b'[{"name": "query-name"}]')
    assert other == b'[{"name": "query-name"}]'
    assert role.show("query-status", b"{}") == b"{}"


NO_LISTS = [b"7", b"null", b'"x"', b"[7]", b"[[]]", b"[{}]", b'[{"name": 7}]', b"[{"]
ROWS = [
    *[(name, told) for told in NO_LISTS for name in SHOWN],
    ("query-commands", b"{}"),
    ("query-qmp-schema", b'[{"name": "transaction", "meta-type": "command"}]'),
    (
        "query-qmp-schema",
        b'[{"name": "query-name", "meta-type": "command", "arg-type": []}]',
    ),
]


@pytest.mark.parametrize(("name", "told"), ROWS)
def test_what_is_no_list_is_told_to_those_alone_who_may_see_all(
    name: str, told: bytes
) -> None:
    local = [{"name": "x-qmpx-whoami", "meta-type": "command"}]
    expected = f"behind the gateway returned to {name} what is not understood"
    for more in ((), local):
        with pytest.raises(GenericError, match=expected):
            built_in_roles()["observe"].show(name, told, more)
        EVERYTHING.show(name, told, more)
    assert EVERYTHING.show(name, told) == told
