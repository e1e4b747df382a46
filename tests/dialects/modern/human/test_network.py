"""Network back ends, character devices, keys and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = (
    "Hub -1 (u):\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port "
    "RecvQ SendQ\n"
)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["netdev_add user"], "Error: Parameter 'id' is missing\n"),
        (["netdev_del x"], "Error: Device 'x' not found\n"),
        (
            ["netdev_add user,id=u,restrict=on", "info network"],
            "u: index=0,type=user,net=10.0.2.0,restrict=on\n",
        ),
        (
            ["netdev_add user,id=u", "device_add e1000,id=n,netdev=u", "info network"],
            (
                "n: index=0,type=nic,model=e1000,macaddr=52:54:00:12:34:56\n"
                " \\ u: index=0,type=user,net=10.0.2.0,restrict=off\n"
            ),
        ),
        (["netdev_add user,id=u", "info usernet"], HEAD),
        (["hostfwd_add tcp::5555-:22"], "user mode network stack not in use\n"),
        (
            ["netdev_add user,id=u", "hostfwd_add x"],
            "Invalid host forwarding rule 'x' (No : separators)\n",
        ),
        (
            ["netdev_add user,id=u", "hostfwd_add u tcp::5555-:22", "info usernet"],
            (
                f"{HEAD}  TCP[HOST_FORWARD]  -1               *  5555"
                "       10.0.2.15    22     0     0\n"
            ),
        ),
        (
            ["netdev_add user,id=u", "hostfwd_remove u tcp::5555"],
            "host forwarding rule for tcp::5555 not found\n",
        ),
        (["hostfwd_remove v tcp::5555"], "unrecognized netdev id 'v'\n"),
        (["set_link x on"], "Error: Device 'x' not found\n"),
        (["chardev-add null"], "Error: chardev: no id specified\n"),
        (["chardev-add x,id=c"], "Error: 'x' is not a valid char driver name\n"),
        (
            ["chardev-add ringbuf,id=c", "ringbuf_write c abc", "ringbuf_read c 2"],
            "ab\n",
        ),
        (
            ["chardev-add null,id=c", "chardev-remove c", "chardev-remove c"],
            "Error: Chardev 'c' not found\n",
        ),
        (["getfd x"], "Error: No file descriptor supplied via SCM_RIGHTS\n"),
        (["sendkey zz"], "invalid parameter: zz\n"),
        (["sendkey ctrl-alt-f1"], ""),
        (["mouse_set 0"], "Mouse at index '0' not found\n"),
        (["info vnc"], "None\n"),
        (["screendump /dev/null -f x"], "Error: invalid parameter value: x\n"),
        (["set_password x y"], "Error: invalid parameter value: x\n"),
        (["cpu 2"], "invalid CPU index\n"),
        (["gva2gpa 0"], "gpa: 0\n"),
        (["gpa2hva 0xffffffffff"], "No memory is mapped at address 0xffffffffff\n"),
        (["x /2xw 0xffffffffff"], "000000ffffffffff: Cannot access memory\n"),
        (["xp /2xb 0"], "0000000000000000: 0x00 0x00\n"),
        (
            ["xp /1i 0xfffffff0"],
            "0xfffffff0:  ea 5b e0 00 f0           ljmp     $0xf000,$0xe05b\n",
        ),
        (["mce 0 1 2 3 4 5"], "Invalid MCE status code\n"),
        (["boot_set zz"], "Invalid boot device 'z'\n"),
        (["boot_set c"], "boot device list now set to c\n"),
        (["info registers 9"], "CPU#9 not available\n"),
        (["trace-event x on"], 'unknown event "x"\n'),
        (["sync-profile on", "sync-profile"], "sync-profile is on\n"),
        (
            ["dump-guest-memory -z -l x"],
            "Error: only one of '-z|-l|-s|-w' can be set\n",
        ),
    ],
)
def test_a_line_says(say: Callable[[str], str], lines: list[str], said: str) -> None:
    *before, last = lines
    for line in before:
        assert say(line) == ""
    assert say(last) == said
