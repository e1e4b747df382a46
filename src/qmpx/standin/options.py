"""Which options there are, and what the option lists of some of them may hold.

Source: QEMU 7.2.22 (``-help``, ``query-command-line-options``), observed.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from typing import Final

    from qmpx.standin.option_lists import OptionTypes

_FLAG_NAMES: Final = """
    h help version audio-help usb snapshot nographic portrait full-screen win2k-hack
    no-fd-bootchk no-acpi no-hpet mem-prealloc singlestep preconfig S s enable-kvm
    xen-attach xen-domid-restrict no-reboot no-shutdown daemonize only-migratable
    nodefaults no-user-config async-teardown enable-sync-profile old-param semihosting
"""
FLAGS: Final = frozenset(_FLAG_NAMES.split())
"""Options that stand alone."""

_VALUE_NAMES: Final = """
    M machine cpu accel smp numa add-fd set global boot m mem-path k audio audiodev
    device name uuid fda fdb hda hdb hdc hdd cdrom blockdev drive mtdblock sd fsdev
    virtfs iscsi usbdevice display spice rotate vga g vnc acpitable smbios netdev nic
    net chardev tpmdev bios pflash kernel append initrd dtb compat fw_cfg serial
    parallel monitor qmp qmp-pretty mon debugcon pidfile overcommit gdb d D dfilter
    seed L xen-domid action loadvm option-rom rtc icount watchdog-action echr incoming
    chroot runas sandbox readconfig trace plugin msg dump-vmstate object qtest
    qtest-log semihosting-config prom-env
"""
VALUES: Final = frozenset(_VALUE_NAMES.split())
"""Options with a value."""

STAND_IN_FLAGS: Final = frozenset({"guest-agent"})
"""Options of the stand-in alone that have no value, written with two hyphens."""

STAND_IN_VALUES: Final = frozenset({"profile", "scenario", "control", "clock", "guest"})
"""Options of the stand-in alone, written with two hyphens."""

CHARDEV: Final[OptionTypes] = {
    **dict.fromkeys(
        ("backend", "path", "host", "port", "fd", "localaddr", "localport"), "str"
    ),
    **dict.fromkeys(("name", "chardev", "logfile", "tls-creds", "tls-authz"), "str"),
    **dict.fromkeys(("to", "reconnect", "width", "height", "cols", "rows"), "number"),
    "debug": "number",
    "size": "size",
    **dict.fromkeys(("ipv4", "ipv6", "wait", "server", "delay", "nodelay"), "bool"),
    **dict.fromkeys(("telnet", "tn3270", "websocket", "mux", "signal"), "bool"),
    **dict.fromkeys(("append", "logappend", "mouse", "clipboard"), "bool"),
    **dict.fromkeys(("tight", "abstract"), "bool"),
}

MON: Final[OptionTypes] = {"chardev": "str", "mode": "str", "pretty": "bool"}
NAME: Final[OptionTypes] = {
    "guest": "str",
    "process": "str",
    "debug-threads": "bool",
}
MSG: Final[OptionTypes] = {"timestamp": "bool", "guest-name": "bool"}
ACTION: Final[OptionTypes] = {
    **dict.fromkeys(("reboot", "shutdown", "panic", "watchdog"), "str")
}
RTC: Final[OptionTypes] = {"base": "str", "clock": "str", "driftfix": "str"}
ADD_FD: Final[OptionTypes] = {"fd": "number", "set": "number", "opaque": "str"}
SANDBOX: Final[OptionTypes] = {
    "enable": "bool",
    **dict.fromkeys(("obsolete", "elevateprivileges", "spawn"), "str"),
    "resourcecontrol": "str",
}
OVERCOMMIT: Final[OptionTypes] = {"mem-lock": "bool", "cpu-pm": "bool"}
MEMORY: Final[OptionTypes] = {"size": "size", "slots": "number", "maxmem": "size"}
GLOBAL: Final[OptionTypes] = {"driver": "str", "property": "str", "value": "str"}

ACTIONS: Final = {
    "reboot": ("reset", "shutdown"),
    "shutdown": ("poweroff", "pause"),
    "panic": ("pause", "shutdown", "exit-failure", "none"),
    "watchdog": (
        "reset",
        "shutdown",
        "poweroff",
        "pause",
        "debug",
        "none",
        "inject-nmi",
    ),
}
"""What may follow upon an event: ``-action``."""

DISPLAYS: Final = ("none", "gtk", "sdl", "egl-headless", "curses", "spice-app", "dbus")
"""What ``-display`` takes, beside ``vnc=``."""

GUESTS: Final = ("auto", "obedient", "none")
"""What answers the power button, the balloon and unplug requests: ``--guest``.

``auto`` is an obedient one if the machine has something to boot from, else none."""
