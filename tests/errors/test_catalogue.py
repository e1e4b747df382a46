"""The errors of QMP: each with its class, its texts of both eras and its data."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest

import qmpx.errors
from qmpx.errors import (
    MODERN_CLASSES,
    BadBusForDevice,
    BusNoHotplug,
    BusNotFound,
    CommandError,
    CommandNotFound,
    DeviceEncrypted,
    DeviceInitFailed,
    DeviceInUse,
    DeviceLocked,
    DeviceMultipleBusses,
    DeviceNoBus,
    DeviceNotActive,
    DeviceNotEncrypted,
    DeviceNotFound,
    DeviceNotRemovable,
    DuplicateId,
    FdNotFound,
    FdNotSupplied,
    GenericError,
    InvalidBlockFormat,
    InvalidParameter,
    InvalidParameterType,
    InvalidParameterValue,
    InvalidPassword,
    JSONParsing,
    KVMMissingCap,
    MigrationExpected,
    MissingParameter,
    NegotiationError,
    NoBusForDevice,
    OpenFileFailed,
    PropertyNotFound,
    PropertyValueBad,
    PropertyValueInUse,
    PropertyValueNotFound,
    QMPBadInputObject,
    QMPBadInputObjectMember,
    QMPExtraInputObjectMember,
    QmpxError,
    SetPasswdFailed,
    TooManyFiles,
    UndefinedError,
    VNCServerFailed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each error: its class on the wire, its text today and in 2010, its data.
ROWS: list[tuple[CommandError, str, str, str, dict[str, Any]]] = [
    (GenericError("it {broke}"), "GenericError", "it {broke}", "it {broke}", {}),
    (NegotiationError("not {yet}"), "CommandNotFound", "not {yet}", "not {yet}", {}),
    (
        CommandNotFound(name="x"),
        "CommandNotFound",
        "The command x has not been found",
        "The command x has not been found",
        {"name": "x"},
    ),
    (
        JSONParsing("JSON parse error, expecting value"),
        "JSONParsing",
        "JSON parse error, expecting value",
        "Invalid JSON syntax",
        {},
    ),
    (
        QMPBadInputObject(expected="object"),
        "QMPBadInputObject",
        "QMP input must be a JSON object",
        "Expected 'object' in QMP input",
        {"expected": "object"},
    ),
    (
        QMPBadInputObject(expected="execute"),
        "QMPBadInputObject",
        "QMP input lacks member 'execute'",
        "Expected 'execute' in QMP input",
        {"expected": "execute"},
    ),
    (
        QMPBadInputObjectMember(member="execute", expected="string"),
        "QMPBadInputObjectMember",
        "QMP input member 'execute' must be a string",
        "QMP input object member 'execute' expects 'string'",
        {"member": "execute", "expected": "string"},
    ),
    (
        QMPBadInputObjectMember(member="arguments", expected="object"),
        "QMPBadInputObjectMember",
        "QMP input member 'arguments' must be an object",
        "QMP input object member 'arguments' expects 'object'",
        {"member": "arguments", "expected": "object"},
    ),
    (
        QMPExtraInputObjectMember(member="x"),
        "QMPExtraInputObjectMember",
        "QMP input member 'x' is unexpected",
        "QMP input object member 'x' is unexpected",
        {"member": "x"},
    ),
    (
        MissingParameter(name="device"),
        "MissingParameter",
        "Parameter 'device' is missing",
        "Parameter 'device' is missing",
        {"name": "device"},
    ),
    (
        InvalidParameter(name="x"),
        "InvalidParameter",
        "Parameter 'x' is unexpected",
        "Invalid parameter 'x'",
        {"name": "x"},
    ),
    (
        InvalidParameterType(name="a.b", expected="string"),
        "InvalidParameterType",
        "Invalid parameter type for 'a.b', expected: string",
        "Invalid parameter type, expected: string",
        {"name": "a.b", "expected": "string"},
    ),
    (
        InvalidParameterValue(name="size", expected="uint64"),
        "InvalidParameterValue",
        "Parameter 'size' expects uint64",
        "Parameter 'size' expects uint64",
        {"name": "size", "expected": "uint64"},
    ),
    (
        DeviceNotFound(device="ide0"),
        "DeviceNotFound",
        "Device 'ide0' not found",
        "Device 'ide0' not found",
        {"device": "ide0"},
    ),
    (
        DeviceNotActive(device="balloon"),
        "DeviceNotActive",
        "No balloon device has been activated",
        "Device 'balloon' has not been activated",
        {"device": "balloon"},
    ),
    (
        DeviceLocked(device="cd0"),
        "DeviceLocked",
        (
            "Device 'cd0' is locked and force was not specified, wait for tray to open "
            "and try again"
        ),
        "Device 'cd0' is locked",
        {"device": "cd0"},
    ),
    (
        DeviceNotRemovable(device="hd0"),
        "DeviceNotRemovable",
        "Device 'hd0' is not removable",
        "Device 'hd0' is not removable",
        {"device": "hd0"},
    ),
    (
        KVMMissingCap(capability="X", feature="balloon"),
        "KVMMissingCap",
        "Using KVM without X, balloon unavailable",
        "Using KVM without X, balloon unavailable",
        {"capability": "X", "feature": "balloon"},
    ),
    (
        FdNotSupplied(),
        "FdNotSupplied",
        "No file descriptor supplied via SCM_RIGHTS",
        "No file descriptor supplied via SCM_RIGHTS",
        {},
    ),
    (
        FdNotFound(name="f"),
        "FdNotFound",
        "File descriptor named 'f' not found",
        "File descriptor named 'f' not found",
        {"name": "f"},
    ),
    (
        UndefinedError(),
        "UndefinedError",
        "An undefined error has occurred",
        "An undefined error has ocurred",
        {},
    ),
    (
        BadBusForDevice(device="d", bad_bus_type="SCSI"),
        "BadBusForDevice",
        "Device 'd' can't go on a SCSI bus",
        "Device 'd' can't go on a SCSI bus",
        {"device": "d", "bad_bus_type": "SCSI"},
    ),
    (
        BusNotFound(bus="pci.9"),
        "BusNotFound",
        "Bus 'pci.9' not found",
        "Bus 'pci.9' not found",
        {"bus": "pci.9"},
    ),
    (
        BusNoHotplug(bus="pci.9"),
        "BusNoHotplug",
        "Bus 'pci.9' does not support hotplugging",
        "Bus 'pci.9' does not support hotplugging",
        {"bus": "pci.9"},
    ),
    (
        DeviceEncrypted(device="d"),
        "DeviceEncrypted",
        "Device 'd' is encrypted",
        "Device 'd' is encrypted",
        {"device": "d"},
    ),
    (
        DeviceInitFailed(device="d"),
        "DeviceInitFailed",
        "Device 'd' could not be initialized",
        "Device 'd' could not be initialized",
        {"device": "d"},
    ),
    (
        DeviceInUse(device="d"),
        "DeviceInUse",
        "Device 'd' is in use",
        "Device 'd' is in use",
        {"device": "d"},
    ),
    (
        DeviceMultipleBusses(device="d"),
        "DeviceMultipleBusses",
        "Device 'd' has multiple child busses",
        "Device 'd' has multiple child busses",
        {"device": "d"},
    ),
    (
        DeviceNotEncrypted(device="d"),
        "DeviceNotEncrypted",
        "Device 'd' is not encrypted",
        "Device 'd' is not encrypted",
        {"device": "d"},
    ),
    (
        DeviceNoBus(device="d"),
        "DeviceNoBus",
        "Device 'd' has no child bus",
        "Device 'd' has no child bus",
        {"device": "d"},
    ),
    (
        DuplicateId(id="a", object="device"),
        "DuplicateId",
        "Duplicate ID 'a' for device",
        "Duplicate ID 'a' for device",
        {"id": "a", "object": "device"},
    ),
    (
        InvalidBlockFormat(name="x"),
        "InvalidBlockFormat",
        "Unknown driver 'x'",
        "Invalid block format 'x'",
        {"name": "x"},
    ),
    (
        InvalidPassword(),
        "InvalidPassword",
        "Password incorrect",
        "Password incorrect",
        {},
    ),
    (
        MigrationExpected(),
        "MigrationExpected",
        "An incoming migration is expected before this command can be executed",
        "An incoming migration is expected before this command can be executed",
        {},
    ),
    (
        NoBusForDevice(device="d", bus="pci.9"),
        "NoBusForDevice",
        "No 'pci.9' bus found for device 'd'",
        "No 'pci.9' bus found for device 'd'",
        {"device": "d", "bus": "pci.9"},
    ),
    (
        OpenFileFailed(filename="/no"),
        "OpenFileFailed",
        "Could not open '/no'",
        "Could not open '/no'",
        {"filename": "/no"},
    ),
    (
        PropertyNotFound(device="d", property="addr"),
        "PropertyNotFound",
        "Property 'd.addr' not found",
        "Property 'd.addr' not found",
        {"device": "d", "property": "addr"},
    ),
    (
        PropertyValueBad(device="d", property="addr", value="zz"),
        "PropertyValueBad",
        "Property 'd.addr' doesn't take value 'zz'",
        "Property 'd.addr' doesn't take value 'zz'",
        {"device": "d", "property": "addr", "value": "zz"},
    ),
    (
        PropertyValueInUse(device="d", property="addr", value="zz"),
        "PropertyValueInUse",
        "Property 'd.addr' can't take value 'zz', it's in use",
        "Property 'd.addr' can't take value 'zz', it's in use",
        {"device": "d", "property": "addr", "value": "zz"},
    ),
    (
        PropertyValueNotFound(device="d", property="addr", value="zz"),
        "PropertyValueNotFound",
        "Property 'd.addr' can't find value 'zz'",
        "Property 'd.addr' can't find value 'zz'",
        {"device": "d", "property": "addr", "value": "zz"},
    ),
    (
        SetPasswdFailed(),
        "SetPasswdFailed",
        "Could not set password",
        "Could not set password",
        {},
    ),
    (TooManyFiles(), "TooManyFiles", "Too many open files", "Too many open files", {}),
    (
        VNCServerFailed(target=":1"),
        "VNCServerFailed",
        "Could not start VNC server on :1",
        "Could not start VNC server on :1",
        {"target": ":1"},
    ),
]
ERRORS = [error for error, *_ in ROWS]


@pytest.mark.parametrize(("error", "error_class", "desc", "desc_2010", "data"), ROWS)
def test_each_error_has_its_class_texts_and_data(
    error: CommandError,
    error_class: str,
    desc: str,
    desc_2010: str,
    data: dict[str, Any],
) -> None:
    assert error.error_class == error_class
    assert error.desc == desc
    assert error.desc_2010 == desc_2010
    assert error.data == data
    assert error.command is None
    assert {name: getattr(error, name) for name in data} == data
    assert str(error) == f"{error_class}: {desc}"
    assert error.exit_status == 1
    assert isinstance(error, QmpxError)


def test_every_error_has_a_row_and_is_exported() -> None:
    declared = {
        each
        for each in CommandError.catalogue.values()
        if each.__module__ == "qmpx.errors.catalogue"
    }
    assert {type(error) for error in ERRORS} == declared | {NegotiationError}
    assert {each.__name__ for each in declared} <= {*qmpx.errors.__all__}


def test_the_classes_of_today_are_declared() -> None:
    assert {
        "GenericError",
        "CommandNotFound",
        "DeviceNotActive",
        "DeviceNotFound",
        "KVMMissingCap",
    } == MODERN_CLASSES
    assert CommandError.catalogue.keys() >= MODERN_CLASSES


def test_what_is_in_the_data_is_not_taken_for_a_template() -> None:
    error = DeviceNotFound(device="{x} {device} %s")
    assert error.desc == "Device '{x} {device} %s' not found"
    assert error.desc_2010 == error.desc


@pytest.mark.parametrize(
    ("declared", "data", "text"),
    [
        (DeviceNotFound, {}, "DeviceNotFound takes device; got nothing"),
        (DeviceNotFound, {"name": "x"}, "DeviceNotFound takes device; got name"),
        (
            DeviceNotFound,
            {"device": "x", "name": "y"},
            "DeviceNotFound takes device; got device, name",
        ),
        (
            KVMMissingCap,
            {"feature": "x"},
            "KVMMissingCap takes capability, feature; got feature",
        ),
        (FdNotSupplied, {"name": "x"}, "FdNotSupplied takes nothing; got name"),
    ],
)
def test_wrong_data_are_refused(
    declared: type[CommandError], data: dict[str, str], text: str
) -> None:
    with pytest.raises(TypeError) as caught:
        declared(**data)
    assert str(caught.value) == text


# Declaring.


@pytest.fixture
def catalogue() -> Iterator[dict[str, type[CommandError]]]:
    """Return the catalogue, which is as it was when the test is over."""
    before = dict(CommandError.catalogue)
    yield CommandError.catalogue
    CommandError.catalogue.clear()
    CommandError.catalogue.update(before)


@pytest.mark.usefixtures("catalogue")
def test_a_declared_error_takes_its_annotations_as_data() -> None:
    class DiskOnFire(
        CommandError, template="Disk {disk} burns at {heat} K", template_2010="Fire!"
    ):
        disk: str
        heat: int

    error = DiskOnFire(disk="sda", heat=900)
    assert (error.disk, error.heat) == ("sda", 900)
    assert (error.error_class, error.desc) == ("DiskOnFire", "Disk sda burns at 900 K")
    assert error.desc_2010 == "Fire!"
    assert DiskOnFire.members == ("disk", "heat")
    assert CommandError.catalogue["DiskOnFire"] is DiskOnFire
    reply = CommandError.from_reply("DiskOnFire", "hot", {}, None)
    assert type(reply) is DiskOnFire


@pytest.mark.usefixtures("catalogue")
def test_an_error_can_be_declared_once() -> None:
    with pytest.raises(TypeError) as caught:
        type("DeviceNotFound", (CommandError,), {}, template="again")
    assert str(caught.value) == "error class 'DeviceNotFound' is declared twice"
    assert CommandError.catalogue["DeviceNotFound"] is DeviceNotFound


def test_a_class_without_a_template_is_no_entry(
    catalogue: dict[str, type[CommandError]],
) -> None:
    before = dict(catalogue)

    class LostDevice(DeviceNotFound):
        """A kind of error within a program, not on the wire."""

    assert catalogue == before
    error = LostDevice(device="x")
    assert (error.error_class, error.desc) == ("LostDevice", "Device 'x' not found")
    assert isinstance(error, DeviceNotFound)


# From a reply.


@pytest.mark.parametrize("error_class", [*CommandError.catalogue])
def test_a_reply_becomes_the_declared_class_with_the_peers_words(
    error_class: str,
) -> None:
    declared = CommandError.catalogue[error_class]
    data = dict.fromkeys(declared.members, "x")
    error = CommandError.from_reply(error_class, "in its own words", data, "stop")
    assert type(error) is declared
    assert error.error_class == error_class
    assert error.desc == "in its own words"
    assert error.command == "stop"
    assert error.data == data
    assert {name: getattr(error, name) for name in data if name != "desc"} == {
        name: "x" for name in data if name != "desc"
    }
    assert str(error) == f"{error_class}: in its own words"


def test_a_class_that_is_not_declared_is_kept_by_name() -> None:
    error = CommandError.from_reply("OhNo", "it broke", {"why": 1}, "stop")
    assert type(error) is CommandError
    assert (error.error_class, error.desc, error.data) == (
        "OhNo",
        "it broke",
        {"why": 1},
    )
    assert str(error) == "OhNo: it broke"
    assert error.desc_2010 == "it broke"


def test_data_that_are_no_members_are_only_kept() -> None:
    data = {"device": "x", "desc": "y", "args": 1, "command": "z"}
    error = CommandError.from_reply("DeviceNotFound", "gone", data, "eject")
    assert isinstance(error, DeviceNotFound)
    assert (error.device, error.desc, error.command) == ("x", "gone", "eject")
    assert error.data == data


def test_a_reply_of_today_has_no_data() -> None:
    error = CommandError.from_reply("DeviceNotFound", "Device 'x' not found", {}, None)
    assert isinstance(error, DeviceNotFound)
    assert error.data == {}


def test_a_class_asked_for_its_own_is_not_made_into_a_stranger() -> None:
    error = DeviceNotFound.from_reply("CommandNotFound", "gone", {}, None)
    assert type(error) is DeviceNotFound
    assert error.error_class == "CommandNotFound"


# Between processes.

FROM_REPLIES = [
    CommandError.from_reply("OhNo", "it broke", {"why": [1]}, "stop"),
    CommandError.from_reply("DeviceNotFound", "gone", {"device": "x"}, "eject"),
    CommandError.from_reply("DeviceNotFound", "gone", {}, "eject"),
    CommandError.from_reply("GenericError", "{odd}", {}, None),
]


@pytest.mark.parametrize("error", [*ERRORS, *FROM_REPLIES])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_goes_between_processes(error: CommandError, protocol: int) -> None:
    for again in (
        pickle.loads(pickle.dumps(error, protocol)),  # noqa: S301
        copy.copy(error),
        copy.deepcopy(error),
    ):
        assert type(again) is type(error)
        assert vars(again) == vars(error)
        assert str(again) == str(error)
        assert again.args == error.args


def test_an_error_that_came_without_data_keeps_the_text_that_it_came_with() -> None:
    error = CommandError.from_reply("DeviceNotActive", "No balloon", {}, "balloon")
    assert isinstance(error, DeviceNotActive)
    assert error.desc_2010 == "No balloon"
