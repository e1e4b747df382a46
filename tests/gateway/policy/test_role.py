"""What a role decides: by name, by its rules, by its profile, by the arguments."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from qmpx.gateway.policy import EVERYTHING, NOBODY, PROFILES, Role, Rule
from qmpx.gateway.policy.inspectors import ACTIONS, INSPECTORS
from qmpx.gateway.policy.role import MAX_NAME, MAX_NAMES, MAX_NESTING
from qmpx.gateway.settings.roles import RoleSettings, build_role, built_in_roles
from qmpx.qapi.danger import HAZARDS, HUMAN_LINES, Danger, is_unstable
from tests.gateway.policy.test_inspectors import ALLOWED, DENIED

ORDERED = ["observe", "read", "operate", "storage", "admin"]


def role(**settings: Any) -> Role:
    return build_role("web", msgspec.convert(settings, RoleSettings))


def on(profile: str) -> Role:
    return role(profile=profile, directories=["/srv"])


def verdict(of: Role, name: str, arguments: Any = None) -> bool:
    raw = UNSET if arguments is None else Raw(json.dumps(arguments).encode())
    return of.decide(name, raw)[0].is_allowed


@pytest.mark.parametrize(
    ("profile", "allowed", "denied"),
    [
        ("nothing", "qmp_capabilities", "query-status stop x-query-usb"),
        ("observe", "query-status query-jobs", "query-block qom-list stop quit"),
        ("read", "query-block qom-list", "ringbuf-read stop x-query-usb quit"),
        ("operate", "stop cont balloon ringbuf-read", "quit system_reset device_del"),
        ("storage", "quit block-job-cancel nbd-server-add", "device_add object-add"),
        ("admin", "quit migrate object-add getfd qom-set", "x-query-usb new-command"),
        ("agent", "query-status stop cont", "query-block balloon quit migrate"),
        ("everything", "quit x-query-usb new-command", ""),
    ],
)
def test_what_each_profile_allows(profile: str, allowed: str, denied: str) -> None:
    of = on(profile) if profile != "everything" else EVERYTHING
    assert [name for name in allowed.split() if not verdict(of, name)] == []
    assert [name for name in denied.split() if verdict(of, name)] == []


@pytest.mark.parametrize(
    "name",
    [
        "Query-Status",
        " query-status",
        "query-status ",
        "query_status",
        "QUERY-STATUS",
        "query-status\0",
        "",
        "quеry-status",  # noqa: RUF001 - a Cyrillic letter is the point
    ],
)
def test_a_name_is_that_name_alone(name: str) -> None:
    assert verdict(on("observe"), "query-status")
    assert not verdict(on("admin"), name)


def test_the_first_rule_that_holds_decides_and_deny_beats_allow() -> None:
    of = role(
        profile="observe",
        allow=["stop", "cont", "balloon"],
        deny=["cont"],
        rule=[
            {"verdict": "allow", "command": "cont"},
            {
                "verdict": "deny",
                "command": ["balloon", "set_link"],
                "where": [{"path": "value", "equals": 1}],
            },
            {"verdict": "allow", "command": "set_link"},
            {"verdict": "deny", "command": "set_link"},
        ],
    )
    told = {
        (name, text): (decision.verdict, decision.rule)
        for name, text in [
            ("stop", "{}"),
            ("cont", "{}"),
            ("balloon", '{"value": 1}'),
            ("balloon", '{"value": 2}'),
            ("set_link", '{"value": 1}'),
            ("set_link", "{}"),
            ("query-status", "{}"),
            ("quit", "{}"),
        ]
        for decision in [of.decide(name, Raw(text.encode()))[0]]
    }
    assert told == {
        ("stop", "{}"): ("allow", "role web: allow"),
        ("cont", "{}"): ("deny", "role web: deny"),
        ("balloon", '{"value": 1}'): ("deny", "role web: rule 2"),
        ("balloon", '{"value": 2}'): ("allow", "role web: allow"),
        ("set_link", '{"value": 1}'): ("deny", "role web: rule 2"),
        ("set_link", "{}"): ("allow", "role web: rule 3"),
        ("query-status", "{}"): ("allow", "role web: profile observe"),
        ("quit", "{}"): ("deny", "default"),
    }


def test_an_unstable_or_unknown_command_is_allowed_if_it_is_named() -> None:
    of = role(profile="nothing", allow=["x-query-usb", "brand-new"])
    assert verdict(of, "x-query-usb")
    assert verdict(of, "brand-new")
    assert not verdict(of, "x-query-roms")


def test_what_was_looked_at_is_what_goes_on() -> None:
    of = on("read")
    sent = Raw(b'{"path":"/x",  "property": "t\\u0079pe"}')
    decision, arguments = of.decide("qom-get", sent)
    assert decision.is_allowed
    assert arguments is not UNSET
    assert bytes(arguments) == b'{"path":"/x","property":"type"}'


def test_what_need_not_be_looked_at_goes_on_as_it_came() -> None:
    sent = Raw(b'{ "cpu" : 1 }')
    assert on("observe").decide("query-stats", sent)[1] is sent


@pytest.mark.parametrize(
    ("text", "is_allowed"),
    [
        # msgspec keeps the last of two, and so does what goes on.
        (b'{"path": "x", "property": "type", "property": "data"}', False),
        (b'{"path": "x", "property": "data", "property": "type"}', True),
        (b'{"path": "x", "proper\\u0074y": "d\\u0061ta"}', False),
        (b'{"path": "x", "property": "\\ud800"}', False),
        (b'{"path": ' + b"[" * 5000 + b"]" * 5000 + b"}", False),
        (b'{"path": "\xff", "property": "type"}', False),
    ],
)
def test_spelling_hides_nothing(text: bytes, is_allowed: bool) -> None:
    decision, arguments = on("read").decide("qom-get", Raw(text))
    assert decision.is_allowed is is_allowed
    if is_allowed:
        assert arguments is not UNSET
        assert bytes(arguments).count(b"property") == 1


@pytest.mark.parametrize(("name", "arguments"), ALLOWED)
def test_the_one_who_is_given_a_command_reaches_his_own(
    name: str, arguments: dict[str, Any]
) -> None:
    lines = sorted(HUMAN_LINES)
    trusted = {"host-files": "trusted"}
    given = role(allow=[name], directories=["/srv"], lines=lines, **trusted)
    assert verdict(given, name, arguments)


@pytest.mark.parametrize(("name", "arguments"), DENIED)
def test_the_one_who_is_given_a_command_reaches_no_further(
    name: str, arguments: dict[str, Any]
) -> None:
    assert not verdict(role(allow=[name], directories=["/srv"]), name, arguments)
    rule = {"verdict": "allow", "command": name}
    assert not verdict(role(rule=[rule], directories=["/srv"]), name, arguments)
    unchecked = role(rule=[rule | {"unchecked": True}])
    assert verdict(unchecked, name, arguments)
    assert verdict(on("admin"), name, arguments)


def test_descriptors_are_taken_from_those_who_may_hand_them_over() -> None:
    assert not verdict(role(allow=["getfd"]), "getfd", {"fdname": "x"})
    given = role(allow=["getfd"], **{"file-descriptors": True})
    assert given.takes_descriptors
    assert verdict(given, "getfd", {"fdname": "x"})


# Transactions.


def transaction(*actions: Any) -> dict[str, Any]:
    return {"actions": list(actions)}


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"actions": None},
        {"actions": {}},
        transaction("abort"),
        transaction({"type": "abort"}),
        transaction({"data": {}}),
        transaction({"type": ["abort"], "data": {}}),
        transaction({"type": "abort", "data": []}),
        transaction({"type": "quit-it", "data": {}}),
    ],
)
@pytest.mark.parametrize("profile", ["storage", "admin"])
def test_a_transaction_that_is_not_understood_is_refused(
    profile: str, arguments: Any
) -> None:
    assert not verdict(on(profile), "transaction", arguments)


def test_a_transaction_tells_which_action_is_refused() -> None:
    arguments = transaction(
        {"type": "abort", "data": {}},
        {"type": "drive-backup", "data": {"device": "d", "target": "/srv/x"}},
    )
    decision = on("storage").decide("transaction", Raw(json.dumps(arguments).encode()))[
        0
    ]
    assert decision.verdict == "deny"
    assert decision.rule == "arguments of drive-backup"
    assert decision.reason.startswith("action 2 (drive-backup): format must be given")


def test_transactions_are_nested_so_deep_and_no_deeper() -> None:
    arguments = transaction({"type": "abort", "data": {}})
    for _ in range(MAX_NESTING - 1):
        arguments = transaction({"type": "transaction", "data": arguments})
    assert verdict(on("admin"), "transaction", arguments)
    deeper = transaction({"type": "transaction", "data": arguments})
    assert not verdict(on("admin"), "transaction", deeper)


def test_who_is_denied_transactions_has_none() -> None:
    of = role(profile="admin", deny=["transaction"])
    assert not verdict(of, "transaction", transaction())
    assert verdict(role(profile="admin"), "transaction", transaction())


SAMPLES = [*ALLOWED, *DENIED]
ROWS: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(SAMPLES),
    st.tuples(st.sampled_from(sorted(HAZARDS)), st.just({})),
    st.tuples(st.text(max_size=12), st.just({})),
)
ROLES = st.builds(
    lambda profile, allow, deny: build_role(
        "r",
        RoleSettings(
            profile=profile,
            allow=tuple(allow),
            deny=tuple(deny),
            directories=("/srv",),
        ),
    ),
    st.sampled_from([name for name in PROFILES if name != "agent"]),
    st.lists(st.sampled_from(sorted(ACTIONS | INSPECTORS.keys())), max_size=4),
    st.lists(st.sampled_from(sorted(ACTIONS)), max_size=3),
)


@pytest.mark.slow
@given(ROLES, st.lists(ROWS, max_size=5))
def test_a_transaction_is_allowed_if_and_only_if_each_action_is(
    of: Role, rows: list[Any]
) -> None:
    rows = [(name, arguments) for name, arguments in rows if name != "transaction"]
    actions = [{"type": name, "data": arguments} for name, arguments in rows]
    itself = verdict(of, "transaction", transaction())
    each = all(verdict(of, name, arguments) for name, arguments in rows)
    assert verdict(of, "transaction", transaction(*actions)) is (itself and each)


@pytest.mark.slow
@given(ROWS)
def test_no_profile_allows_what_a_wider_one_refuses(row: Any) -> None:
    name, arguments = row
    verdicts = [verdict(on(profile), name, arguments) for profile in ORDERED]
    assert verdicts == sorted(verdicts)
    if verdict(on("agent"), name, arguments):
        assert verdict(on("operate"), name, arguments)


@given(ROWS, st.sampled_from([*ORDERED, "agent"]))
def test_what_may_not_run_at_all_does_not_run(row: Any, profile: str) -> None:
    name, arguments = row
    of = on(profile)
    if verdict(of, name, arguments):
        assert of.may_run(name)


@given(ROWS, st.sampled_from([*ORDERED, "agent"]))
def test_more_denials_allow_no_more(row: Any, profile: str) -> None:
    name, arguments = row
    of = role(profile=profile, directories=["/srv"], deny=["stop", name])
    assert not verdict(of, name, arguments) or name == "qmp_capabilities"


# What is listed.


@pytest.mark.parametrize("profile", [*ORDERED, "agent"])
def test_no_profile_lists_what_is_unstable(profile: str) -> None:
    of = on(profile)
    assert [name for name in HAZARDS if is_unstable(name) and of.may_run(name)] == []


def test_what_nothing_can_reach_is_not_listed() -> None:
    bare = role(profile="storage")
    assert not bare.may_run("drive-backup")
    assert on("storage").may_run("drive-backup")
    assert not role(allow=["getfd"]).may_run("getfd")
    assert not role(allow=["human-monitor-command"]).may_run("human-monitor-command")
    assert role(profile="observe").may_run("human-monitor-command")
    assert not role(profile="operate").may_run("transaction")
    assert bare.may_run("transaction")


def test_a_profile_of_agents_has_a_floor() -> None:
    with pytest.raises(ValueError, match="cannot be given 'quit' by any rule"):
        role(profile="agent", allow=["quit"])
    with pytest.raises(ValueError, match="cannot be given 'brand-new'"):
        role(profile="agent", rule=[{"verdict": "allow", "command": "brand-new"}])
    assert verdict(role(profile="agent", allow=["balloon"]), "balloon")


def test_no_agent_reaches_the_host_or_loses_anything() -> None:
    of = on("agent")
    worst = {Danger.LOSS, Danger.HOST}
    looked_into = {"human-monitor-command", "transaction"}
    assert {
        name
        for name, row in HAZARDS.items()
        if row.danger in worst and of.may_run(name)
    } <= looked_into


# Events, and who has yet to show who it is.


def test_events_are_seen_by_profile_and_by_rule() -> None:
    of = role(
        profile="observe",
        rule=[
            {"verdict": "deny", "event": ["STOP"]},
            {"verdict": "allow", "event": "NEW_EVENT"},
        ],
    )
    assert not of.sees("STOP")
    assert of.sees("RESUME")
    assert of.sees("NEW_EVENT")
    assert not of.sees("OTHER_NEW_EVENT")
    assert of.sees("X_QMPX_RECONNECTED")
    assert not role(profile="nothing").sees("STOP")
    peer = Raw(b'{"client":{"host":"h"}}')
    assert bytes(of.view_event("VNC_CONNECTED", peer)) == (  # type: ignore[arg-type]
        b'{"client":{"host":"(hidden)"}}'
    )
    assert role(profile="read").view_event("VNC_CONNECTED", peer) is peer


def test_who_is_not_known_may_only_say_who_it_is() -> None:
    names = [*HAZARDS, "x-qmpx-lease", "x-qmpx-subscribe"]
    assert [name for name in names if verdict(NOBODY, name)] == ["qmp_capabilities"]
    assert verdict(NOBODY, "x-qmpx-authenticate", {"token": "t"})
    assert not NOBODY.sees("STOP")
    assert not NOBODY.sees("X_QMPX_RECONNECTED")


def test_names_that_clients_invent_are_not_kept() -> None:
    of = on("observe")
    for number in range(MAX_NAMES + 10):
        of.decide(f"n{number}")
        of.sees(f"N{number}")
    of.decide("n" * (MAX_NAME + 1))
    assert len(of._fixed) <= MAX_NAMES  # noqa: SLF001
    assert len(of._views) <= MAX_NAMES  # noqa: SLF001
    assert not any(len(name) > MAX_NAME for name in of._fixed)  # noqa: SLF001


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "nothing"])
def test_each_profile_is_a_role_of_that_name(name: str) -> None:
    assert built_in_roles()[name].profile.name == name


def test_a_rule_is_about_something() -> None:
    with pytest.raises(ValueError, match="about a command or an event"):
        Rule(verdict="allow")
    with pytest.raises(ValueError, match="neither where nor unchecked"):
        Rule(verdict="allow", event="STOP", unchecked=True)
    with pytest.raises(ValueError, match="makes no sense"):
        Rule(verdict="deny", command="stop", unchecked=True)
