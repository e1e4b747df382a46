"""Where VNC is to be had, as text."""

from __future__ import annotations

import pytest

from qmpx.machine.display.vnc_target import (
    VncTarget,
    VncTargetError,
    parse_vnc_target,
)

TCP = VncTarget(host="127.0.0.1", port=5977, last_port=5977)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("127.0.0.1:77", TCP),
        (":1", VncTarget(port=5901, last_port=5901)),
        ("localhost:0,to=99", VncTarget("localhost", 5900, 5999)),
        ("localhost:5,to=3", VncTarget("localhost", 5905, 5905)),
        ("[::1]:2", VncTarget("::1", 5902, 5902)),
        ("h:1,ipv4", VncTarget("h", 5901, 5901, family="ipv4")),
        ("h:1,ipv6=on", VncTarget("h", 5901, 5901, family="ipv6")),
        ("h:1,password", VncTarget("h", 5901, 5901, needs_password=True)),
        ("h:1,password=off", VncTarget("h", 5901, 5901)),
        ("h:1,acl,lossy", VncTarget("h", 5901, 5901, has_lists=True)),
        ("h:5500,reverse", VncTarget("h", 5500, 5900, is_reverse=True)),
        ("h:1,share=force-shared", VncTarget("h", 5901, 5901, share="force-shared")),
        ("unix:/run/vnc.sock", VncTarget(path="/run/vnc.sock", last_port=5900)),
        (
            "unix:a b,password",
            VncTarget(path="a b", last_port=5900, needs_password=True),
        ),
        ("h:59635", VncTarget("h", 65535, 65535)),
        ("h:1,to=99999", VncTarget("h", 5901, 65535)),
    ],
)
def test_a_target_is_read(text: str, target: VncTarget) -> None:
    assert parse_vnc_target(text) == target


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "it is no HOST:DISPLAY, unix:PATH or none"),
        ("localhost", "it is no HOST:DISPLAY, unix:PATH or none"),
        ("h:x", "it is no HOST:DISPLAY, unix:PATH or none"),
        ("h:-1", "it is no HOST:DISPLAY, unix:PATH or none"),
        ("::1:2", "it is no HOST:DISPLAY, unix:PATH or none"),
        ("h:59636", "there is no TCP port 65536"),
        ("unix:", "no path"),
        ("h:1,tls", "no option 'tls'"),
        ("h:1,sasl,x509=/etc", "no option 'sasl'"),
        ("h:1,passwrd", "no option 'passwrd'"),
        ("h:1,", "no option ''"),
        ("h:1,password=maybe", "password is on or off, not 'maybe'"),
        ("h:1,to=x", "'x' is no number"),
        ("h:1,ipv4,ipv6", "either ipv4 or ipv6"),
        (
            "h:1,share=me",
            "share is ignore, allow-exclusive, force-shared",
        ),
    ],
)
def test_what_is_no_target_is_said(text: str, complaint: str) -> None:
    with pytest.raises(VncTargetError) as caught:
        parse_vnc_target(text)
    assert str(caught.value) == complaint
