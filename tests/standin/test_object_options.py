"""Options that describe an object in JSON, as QEMU reads that."""

from __future__ import annotations

import pytest

from qmpx.standin.failure import StartFailure
from qmpx.standin.parsing import parse_command_line


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"driver":"e1000","id":"a"}', {"driver": "e1000", "id": "a"}),
        ("{'driver': 'e1000', 'id': 'a'}", {"driver": "e1000", "id": "a"}),
        ('{"driver":"e1000", "x": [1, {"y": -2}]} ', {"x": [1, {"y": -2}]}),
        (
            '{"driver":"e1000","x":18446744073709551616}',
            {"x": 18446744073709551616.0},
        ),
        ('{"driver":"\\u00e9"}', {"driver": "é"}),
    ],
)
def test_json_is_read_as_on_a_monitor(text: str, values: dict[str, object]) -> None:
    line = parse_command_line(["-device", text])
    (backend,) = line.backends
    assert backend.is_json
    assert repr(backend.values) == repr({"driver": "e1000", **values})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"driver":"a"', "JSON parse error, premature EOI"),
        ('{"driver":"a","driver":"b"}', "JSON parse error, duplicate key"),
        ('{"driver":"a"} {}', "Expecting at most one JSON value"),
        ('{"driver":NaN}', "JSON parse error, stray 'N'"),
        ("{'driver':1}", "Parameter 'driver' is missing"),
        ("{}", "Parameter 'driver' is missing"),
    ],
)
def test_what_is_no_description_is_refused(text: str, message: str) -> None:
    with pytest.raises(StartFailure) as caught:
        parse_command_line(["-device", text])
    assert caught.value.text == f"-device {text}: {message}"


def test_what_is_said_of_a_network_several_times_is_a_list() -> None:
    text = "user,id=a,hostfwd=tcp::1-:2,dnssearch=x,hostfwd=udp::3-:4"
    (backend,) = parse_command_line(["-netdev", text]).backends
    assert backend.values == {
        "type": "user",
        "id": "a",
        "hostfwd": [{"str": "tcp::1-:2"}, {"str": "udp::3-:4"}],
        "dnssearch": [{"str": "x"}],
    }


@pytest.mark.parametrize(
    ("option", "text"),
    [("device", "e1000,id=a"), ("netdev", "user,id=a"), ("object", "iothread,id=a")],
)
def test_an_id_is_given_once(option: str, text: str) -> None:
    with pytest.raises(StartFailure) as caught:
        parse_command_line([f"-{option}", text] * 2)
    assert caught.value.text == f"-{option} {text}: Duplicate ID 'a' for {option}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-set", "foo"], '-set foo: can\'t parse: "foo"'),
        (["-set", "device.a=c"], '-set device.a=c: can\'t parse: "device.a=c"'),
        (
            ["-device", "e1000,id=b", "-set", "device.a.c=d"],
            '-set device.a.c=d: there is no device "a" defined',
        ),
        (
            ["-device", '{"driver":"e1000","id":"a"}', "-set", "device.a.c=d"],
            '-set device.a.c=d: there is no device "a" defined',
        ),
    ],
)
def test_nothing_is_set_later_where_nothing_is(words: list[str], message: str) -> None:
    with pytest.raises(StartFailure) as caught:
        parse_command_line(words)
    assert caught.value.text == message


def test_more_is_set_later() -> None:
    line = parse_command_line(
        [
            *("-device", "e1000,id=a", "-netdev", "user,id=a", "-drive", "id=d"),
            *("-chardev", "null,id=c", "-set", "device.a.mac=x=y"),
            *("-set", "netdev.a.net=z", "-set", "drive.d.if=none"),
            *("-set", "chardev.c.logfile=f"),
        ]
    )
    device, netdev = line.backends
    assert device.values == {"driver": "e1000", "id": "a", "mac": "x=y"}
    assert netdev.values == {"type": "user", "id": "a", "net": "z"}
    assert dict(line.drives[0]) == {"id": "d", "if": "none"}
    assert line.character_devices[0]["logfile"] == "f"
