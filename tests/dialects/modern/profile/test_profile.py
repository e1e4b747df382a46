"""A monitor that says of itself what a certain binary would."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec import UNSET, Raw

from qmpx.dialects.modern import modern_monitor, status
from qmpx.dialects.modern.profile.answers import ProfileAnswers
from qmpx.dialects.modern.profile.profile import apply_profile
from qmpx.errors import CommandError
from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry, Monitor, Session
from qmpx.monitor.frontend import Frontend
from qmpx.standin.profile.file import shipped_profile


@pytest.fixture(scope="module")
def session() -> Session:
    profile = shipped_profile()
    monitor = modern_monitor(Machine("m"), offers_async=False)
    apply_profile(monitor, profile, ProfileAnswers(profile))
    return Session(monitor, Frontend())


def ask(session: Session, name: str, **arguments: Any) -> Any:
    entry = session.monitor.entries[name]
    text = Raw(json.dumps(arguments).encode()) if arguments else UNSET
    return json.loads(entry.encode(entry.invoke(session, text)))


def test_the_version_and_the_greeting_are_the_binarys(session: Session) -> None:
    assert ask(session, "query-version") == session.monitor.version
    assert b'"micro": 22, "minor": 2, "major": 7' in session.monitor.greeting


def test_the_commands_are_the_binarys(session: Session) -> None:
    listed = [entry["name"] for entry in ask(session, "query-commands")]
    assert listed == list(session.monitor.entries)
    schema = ask(session, "query-qmp-schema")
    assert sorted(listed) == sorted(
        entry["name"] for entry in schema if entry["meta-type"] == "command"
    )


def test_what_depends_on_the_machine_is_the_machines(session: Session) -> None:
    assert ask(session, "query-name") == {"name": "m"}
    assert ask(session, "query-kvm") == {"enabled": False, "present": False}


def test_types_can_be_narrowed_down(session: Session) -> None:
    devices = ask(session, "qom-list-types", implements="pci-device", abstract=False)
    assert {"name": "rtl8139", "parent": "pci-device"} in devices
    assert not any(entry.get("abstract") for entry in devices)
    all_ = ask(session, "qom-list-types", implements="pci-device", abstract=True)
    assert {"abstract": True, "name": "pci-device", "parent": "device"} in all_
    assert ask(session, "qom-list-types", implements="no-such-type") == []


def test_a_type_that_nobody_asked_for_by_name_has_its_children(
    session: Session,
) -> None:
    children = ask(session, "qom-list-types", implements="pc-dimm")
    assert sorted(entry["name"] for entry in children) == ["nvdimm", "pc-dimm"]


@pytest.mark.parametrize(
    ("name", "arguments", "error_class", "desc"),
    [
        (
            "device-list-properties",
            {"typename": "x"},
            "DeviceNotFound",
            "Device 'x' not found",
        ),
        (
            "qom-list-properties",
            {"typename": "x"},
            "DeviceNotFound",
            "Class 'x' not found",
        ),
        (
            "device-list-properties",
            {},
            "GenericError",
            "Parameter 'typename' is missing",
        ),
        (
            "query-command-line-options",
            {"option": "x"},
            "GenericError",
            "invalid option name: x",
        ),
        (
            "query-cpu-model-expansion",
            {"type": "static", "model": {"name": "x"}},
            "GenericError",
            "CPU model 'x' not found",
        ),
        (
            "query-cpu-model-expansion",
            {"type": "full", "model": {"name": "max", "props": {"x": True}}},
            "GenericError",
            "Property 'max-x86_64-cpu.x' not found",
        ),
        (
            "query-cpu-model-expansion",
            {"type": "full", "model": {"name": "max", "props": {"avx": "x"}}},
            "GenericError",
            "Invalid parameter type for 'avx', expected: boolean",
        ),
        (
            "query-cpu-model-expansion",
            {"type": "x", "model": {"name": "max"}},
            "GenericError",
            "Parameter 'type' does not accept value 'x'",
        ),
        (
            "query-block",
            {"x": 1},
            "GenericError",
            "Parameter 'x' is unexpected",
        ),
        (
            "xen-set-replication",
            {"enable": True},
            "GenericError",
            "Parameter 'primary' is missing",
        ),
    ],
)
def test_what_is_refused_is_refused_in_the_binarys_words(
    session: Session,
    name: str,
    arguments: dict[str, Any],
    error_class: str,
    desc: str,
) -> None:
    with pytest.raises(CommandError) as caught:
        ask(session, name, **arguments)
    shown = json.loads(session.monitor.encode_error(caught.value))
    assert shown == {"class": error_class, "desc": desc}


def test_a_model_with_other_properties_is_put_together(session: Session) -> None:
    model = {"name": "qemu64", "props": {"avx": True}}
    expanded = ask(session, "query-cpu-model-expansion", type="full", model=model)
    props = expanded["model"]["props"]
    assert props["avx"] is True
    del model["props"]
    alone = ask(session, "query-cpu-model-expansion", type="full", model=model)
    assert alone["model"]["props"] | {"avx": True} == props


def test_without_kvm_in_the_profile_the_host_is_what_the_emulator_makes_of_it() -> None:
    host = {"type": "static", "model": {"name": "host"}}
    emulated = ProfileAnswers(shipped_profile(), "tcg").expand(host)
    assert ProfileAnswers(shipped_profile(), "kvm").expand(host) == emulated


def test_commands_of_our_own_stay() -> None:
    profile = shipped_profile()
    monitor = modern_monitor(Machine())

    @monitor.command("x-qmpx-test")
    def test(_: Machine) -> int:
        return 1

    @monitor.command("x-other")
    def other(_: Machine) -> int:
        return 2

    apply_profile(monitor, profile, ProfileAnswers(profile))
    assert "x-qmpx-test" in monitor.entries
    assert "x-other" not in monitor.entries


def test_a_command_that_nobody_carries_out_says_so() -> None:
    profile = shipped_profile()
    monitor = Monitor(Machine(), commands=CommandRegistry(status.commands))
    apply_profile(monitor, profile, ProfileAnswers(profile))
    session = Session(monitor, Frontend())
    with pytest.raises(CommandError) as caught:
        ask(session, "eject", device="x")
    assert caught.value.desc == "The command eject is not carried out by this stand-in"
    with pytest.raises(CommandError, match="Parameter 'x' is unexpected"):
        ask(session, "eject", x=1)


def test_an_object_of_any_type_of_the_schema_can_be_named(session: Session) -> None:
    entry = session.monitor.entries["object-add"]
    text = Raw(b'{"qom-type": "authz-simple", "id": "a", "identity": "me"}')
    asyncio.run(entry.invoke(session, text))
    assert "a" in session.monitor.target.objects
    with pytest.raises(CommandError, match="Parameter 'identity' is missing"):
        entry.invoke(session, Raw(b'{"qom-type": "authz-simple", "id": "a"}'))
