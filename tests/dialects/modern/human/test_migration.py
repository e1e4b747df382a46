"""Migration, as people set and watch it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

TYPED = 'Try "help migrate_set_capability" for more information\n'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("migrate nope", "Error: Parameter 'uri' expects a valid migration protocol\n"),
        ("migrate_set_capability zz on", "Error: invalid parameter value: zz\n"),
        ("migrate_set_capability xbzrle x", f"Expected 'on' or 'off'\n{TYPED}"),
        ("migrate_set_capability xbzrle on", ""),
        ("migrate_set_parameter zz 1", "Error: invalid parameter value: zz\n"),
        ("migrate_set_parameter max-bandwidth x", "Error: Invalid size x\n"),
        (
            "migrate_set_parameter block-incremental x",
            "Error: Parameter 'block-incremental' expects 'on' or 'off'\n",
        ),
        ("migrate_continue x", "Error: invalid parameter value: x\n"),
        ("migrate_cancel", ""),
        ("calc_dirty_rate 0", "Incorrect period length specified!\n"),
        (
            "calc_dirty_rate -r -b 1",
            "Either dirty ring or dirty bitmap can be specified!\n",
        ),
        ("info vcpu_dirty_limit", "Dirty page limit not enabled!\n"),
        ("client_migrate_info a b", "Error: Parameter 'protocol' expects 'spice'\n"),
    ],
)
def test_a_line_says(say: Callable[[str], str], line: str, said: str) -> None:
    assert say(line) == said


@pytest.mark.parametrize(
    ("parameter", "value", "shown"),
    [
        ("max-bandwidth", "1", "1048576 bytes/second"),
        ("max-bandwidth", "64k", "65536 bytes/second"),
        ("xbzrle-cache-size", "128M", "134217728 bytes"),
        ("downtime-limit", "0x10", "16 ms"),
        ("compress-wait-thread", "off", "off"),
        ("tls-hostname", "box", "'box'"),
        ("multifd-compression", "zlib", "zlib"),
    ],
)
def test_a_parameter_is_set_and_shown(
    say: Callable[[str], str], parameter: str, value: str, shown: str
) -> None:
    assert say(f"migrate_set_parameter {parameter} {value}") == ""
    assert f"{parameter}: {shown}\n" in say("info migrate_parameters")


def test_a_capability_is_set_and_shown(say: Callable[[str], str]) -> None:
    assert "events: off\n" in say("info migrate_capabilities")
    say("migrate_set_capability events on")
    assert "events: on\n" in say("info migrate_capabilities")
