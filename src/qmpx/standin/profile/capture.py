"""Asking a real QEMU everything that is always the same: making a profile.

The binary is started with no machine, once for each accelerator that it can use; it is
asked over a socket that it inherits. Source of what is asked: what libvirt 9.0 asks,
and the rest of what a QEMU 7.2 tells without a machine.
"""

import os
import re
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

import qmpx
from qmpx.client import Client
from qmpx.errors import CommandError, ConnectionLost, QmpxError
from qmpx.standin.profile.errors import ProfileError
from qmpx.standin.profile.file import (
    ANY,
    canonical,
    refused,
    returned,
    write_profile,
)
from qmpx.standin.profile.models import ask_models
from qmpx.transport.address import FdAddress
from qmpx.wire.encode import encode_exactly

START_SECONDS: Final = 30.0
"""Seconds that a binary gets to start: it takes a tenth of one."""

MAX_STARTS: Final = 64
"""Times that a binary is started: a QEMU 7.2 aborts at two of some 2,000 questions."""

TEXT_SECONDS: Final = 30.0
"""Seconds that a binary gets to print a list."""

QUESTIONS: Final = (
    "query-version",
    "query-commands",
    "query-qmp-schema",
    "query-target",
    "query-machines",
    "query-tpm-models",
    "query-tpm-types",
    "query-migrate-capabilities",
    "query-migrate-parameters",
    "query-sgx",
    "query-sgx-capabilities",
    "query-sev",
    "query-chardev-backends",
    "query-gic-capabilities",
    "query-dump-guest-memory-capability",
    "qom-list-types",
)
"""What is asked without arguments, where there is such a command."""

TEXTS: Final = (
    "-version",
    "-machine help",
    "-accel help",
    "-cpu help",
    "-device help",
    "-object help",
    "-chardev help",
    "-netdev help",
    "-display help",
)
"""What is asked of the program itself."""

PER_ACCELERATOR: Final = ("query-cpu-definitions", "query-sev-capabilities")
"""What depends on the accelerator, beside the expansions of models."""

OPTIONS_QUESTION: Final = "query-command-line-options"
"""What is asked when all devices are known."""

INTERFACES: Final = (
    "user-creatable",
    "hotplug-handler",
    "conventional-pci-device",
    "pci-express-device",
    "cxl",
    "acpi-device-interface",
    "acpi-dev-aml-interface",
    "memory-device",
    "fw-path-provider",
    "nmi",
    "stats-provider",
    "vmstate-if",
    "resettable",
    "tpm-interface",
)
"""Interfaces whose types are asked for: the list of all types does not name them."""

_TYPICAL: Final = (
    f"{ANY} device-list-properties {canonical({'typename': 'virtio-net-pci'})}",
    f"{ANY} qom-list-properties {canonical({'typename': 'max-x86_64-cpu'})}",
    "tcg query-cpu-model-expansion "
    + canonical({"type": "full", "model": {"name": "Skylake-Server-v4"}}),
)
"""Records that many others resemble: the dictionary, the most common at its end."""


def capture(
    binary: str,
    *,
    accelerators: Iterable[str] = ("kvm", "tcg"),
    asks_models: bool = True,
) -> bytes:
    """Ask a binary, and return the contents of a profile's file.

    Args:
        binary: The path of a ``qemu-system-*``.
        accelerators: With which it is asked what depends on them, as far as it can use
            them here.
        asks_models: Whether boards and device models are looked at, too: it takes most
            of the time.

    Raises:
        ProfileError: The binary cannot be started, or does not answer.
    """
    records: dict[str, bytes] = {}
    version = b""
    used = "tcg"
    for accelerator in accelerators:
        try:
            version = _ask_with(binary, accelerator, records)
            used = accelerator
        except _UnusableError as error:
            if accelerator == "tcg":
                raise ProfileError(str(error)) from None
    if not version:
        message = f"{binary}: no accelerator of {', '.join(accelerators)} can be used"
        raise ProfileError(message)
    for question in TEXTS:
        if (text := _text(binary, question)) is not None:
            records[f"text {question}"] = text
    listing = records.get("text -device help", b"").decode(errors="replace")
    if asks_models:
        ask_models(partial(_running, binary, used), listing, records)
    typical = [records[key] for key in _TYPICAL if key in records]
    return write_profile(version, records.items(), typical)


class _UnusableError(QmpxError):
    """The binary does not start with that accelerator."""


def _ask_with(binary: str, accelerator: str, records: dict[str, bytes]) -> bytes:
    """Ask a binary that runs with *accelerator*; return its version.

    Some binaries abort at some questions: they are started again, and asked the rest.
    """
    asking = _Asking(accelerator, records)
    for _ in range(MAX_STARTS):
        with _running(binary, accelerator) as vm:
            version = encode_exactly(vm.greeting.version)
            try:
                asking.ask_all(vm)
            except ConnectionLost:
                continue
            return version
    message = f"{binary} ended {MAX_STARTS} times while it was asked"
    raise ProfileError(message)


@contextmanager
def _running(binary: str, accelerator: str, *more: str) -> Iterator[Client]:
    """Run a binary with some more of a command line, and connect to it."""
    ours, theirs = socket.socketpair()
    command = [binary, "-S", "-no-user-config", "-nodefaults", "-display", "none"]
    command += ["-machine", "none", "-accel", accelerator]
    command += ["-chardev", f"socket,id=profile,fd={theirs.fileno()}"]
    command += ["-mon", "chardev=profile,mode=control", *more]
    with ours, tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(  # noqa: S603 - it is what our user names
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                pass_fds=[theirs.fileno()],
            )
        except OSError as error:
            message = f"cannot start {binary}: {error.strerror}"
            raise ProfileError(message) from None
        finally:
            theirs.close()
        with process:
            try:
                address = FdAddress(ours.fileno())
                vm = qmpx.connect(address, connect_timeout=START_SECONDS)
            except QmpxError as error:
                process.kill()
                said.seek(0)
                reason = said.read().decode(errors="replace").strip() or error
                message = f"{binary} with -accel {accelerator}: {reason}"
                raise _UnusableError(message) from None
            try:
                with vm:
                    yield vm
            finally:
                process.kill()


class _Asking:
    """What was asked of a binary, perhaps over several conversations."""

    def __init__(self, accelerator: str, records: dict[str, bytes]) -> None:
        self._accelerator = accelerator
        self._records = records
        self._asked: set[str] = set()

    def ask_all(self, vm: Client) -> None:
        """Ask what was not asked yet.

        Raises:
            ConnectionLost: The binary did not survive a question.
        """
        commands = {entry["name"] for entry in vm.execute("query-commands")}
        for name in QUESTIONS:
            if name in commands:
                self._ask(vm, ANY, name)
        for name in PER_ACCELERATOR:
            if name in commands:
                self._ask(vm, self._accelerator, name)
        if "query-cpu-model-expansion" in commands:
            for arguments in _expansions(vm, commands):
                self._ask(vm, self._accelerator, "query-cpu-model-expansion", arguments)
        types: list[dict[str, Any]] = []
        if "qom-list-types" in commands:
            self._ask(vm, ANY, "qom-list-types", {"abstract": True})
            types = vm.execute("qom-list-types", abstract=True)
        for kind in types:
            named = {"typename": kind["name"]}
            for name in ("qom-list-properties", "device-list-properties"):
                if name in commands:
                    self._ask(vm, ANY, name, named)
        abstract = [kind["name"] for kind in types if kind.get("abstract")]
        for name in (*INTERFACES, *abstract) if types else ():
            among = {"abstract": True, "implements": name}
            self._ask(vm, ANY, "qom-list-types", among)
        if OPTIONS_QUESTION in commands:
            # Some options come with a module, which is loaded with a device of it.
            with suppress(CommandError):
                vm.execute("device-list-properties", typename="qxl")
            self._ask(vm, ANY, OPTIONS_QUESTION)

    def _ask(
        self,
        vm: Client,
        accelerator: str,
        name: str,
        arguments: dict[str, Any] | None = None,
    ) -> None:
        key = f"{accelerator} {name} {canonical(arguments or {})}"
        if key in self._asked or key in self._records:
            return
        self._asked.add(key)
        try:
            self._records[key] = returned(encode_exactly(vm.execute(name, arguments)))
        except CommandError as error:
            self._records[key] = refused(error.error_class, error.desc)


def _expansions(vm: Client, commands: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the arguments for all expansions that are worth asking for."""
    names = ["host", "max", "base"]
    if "query-cpu-definitions" in commands:
        names += [model["name"] for model in vm.execute("query-cpu-definitions")]
    for name in dict.fromkeys(names):
        for kind in ("static", "full"):
            yield {"type": kind, "model": {"name": name}}
    # What libvirt asks besides.
    for name in ("host", "max"):
        props: dict[str, Any] = {"migratable": False}
        for kind in ("static", "full"):
            yield {"type": kind, "model": {"name": name, "props": props}}
        props = {"migratable": False, "hv-passthrough": True}
        yield {"type": "full", "model": {"name": name, "props": props}}


def _text(binary: str, question: str) -> bytes | None:
    """Return what the program prints; ``None`` if it does not take the question."""
    try:
        answer = subprocess.run(  # noqa: S603 - it is what our user names
            [binary, *question.split()],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TEXT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    # Some of it differs from host to host: where its files are.
    return re.sub(rb"(?m)^Use .* for .*help.*\n", b"", answer.stdout)


def capture_to(binary: str, path: str | os.PathLike[str]) -> int:
    """Ask a binary, and write the profile; return how many bytes it has.

    Raises:
        ProfileError: The binary does not answer, or the file cannot be written.
    """
    data = capture(binary)
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        message = f"cannot write {os.fspath(path)}: {error.strerror}"
        raise ProfileError(message) from None
    return len(data)
