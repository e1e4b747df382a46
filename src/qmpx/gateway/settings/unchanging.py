"""Which answers stay the same for as long as a monitor's program runs."""

from collections.abc import Mapping
from typing import Final

UNCHANGING: Final[Mapping[str, str]] = {
    "query-version": "it is compiled in",
    "query-qmp-schema": "it is compiled in; nothing adds to it at run time",
    "query-commands": "the table of commands is complete before a monitor answers",
    "query-command-line-options": "it is compiled in",
    "query-target": "it is compiled in: a program emulates one architecture",
    "query-name": "it is the option -name; no command changes it",
    "query-uuid": "it is the option -uuid; no command changes it",
    "query-kvm": "the accelerator is chosen before the machine is made",
    "query-accelerators": "the same",
    "query-machines": "the types of machines are compiled in",
    "query-gic-capabilities": "it is what the host's kernel can do",
    "query-sev-capabilities": "it is what the host's processor can do",
    "query-sgx-capabilities": "the same",
    "query-tpm-models": "they are compiled in",
    "query-tpm-types": "they are compiled in",
    "query-chardev-backends": "they are compiled in",
}
"""The commands, each with the reason why its answer does not change.

Not here although it may seem so: ``query-cpu-definitions`` (an error before the machine
is made), ``qom-list-types`` (modules add types when they are loaded),
``query-vm-generation-id`` and ``query-memory-size-summary`` (they change).

Source: QEMU 7.2, observed; those of later releases by their documentation.
"""
