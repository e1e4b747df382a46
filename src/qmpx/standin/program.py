"""The program ``qmpx-system-x86_64``, from its first word to its exit status.

What is imported here is what a greeting needs. When the monitors are open, and whoever
comes is being greeted, `qmpx.standin.assembly` puts the machine together.

Source: QEMU 7.2.22, observed: the order of what happens, and of what fails.
"""

from __future__ import annotations

import gc
import os
import sys
from _signal import (  # type: ignore[import-not-found]
    SIG_DFL,  # the module `signal` makes enumerations of all this first
    SIGINT,
    signal,
)

from qmpx.standin.command_line import CommandLine, Place
from qmpx.standin.endpoints import Endpoint, check_backend, legacy_options
from qmpx.standin.failure import StartFailure
from qmpx.standin.needs import check_needs
from qmpx.standin.option_lists import OptionList
from qmpx.standin.options import CHARDEV
from qmpx.standin.parsing import parse_command_line
from qmpx.standin.process import Daemon, PidFile, Teller, name_process, open_log
from qmpx.standin.profile.file import Profile, read_profile, shipped_profile

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from qmpx.standin.stage import Stage

PROFILE_VARIABLE: Final = "QMPX_PROFILE"
"""The environment's name for what ``--profile`` says."""

FAILED: Final = 1
"""The exit status where a file or an address cannot be had."""

_FIRST_INHERITED: Final = 3  # what systemd hands over begins here


def main(argv: Sequence[str] | None = None) -> int:
    """Stand in for ``qemu-system-x86_64``.

    Args:
        argv: The program's name, as whoever starts it calls it, and the options; those
            of this process by default.

    Returns:
        The exit status.
    """
    if argv is None:
        # Until it serves an interrupt ends it without a word, as QEMU.
        signal(SIGINT, SIG_DFL)
    gc.disable()  # what a start makes stays: to look through it is in vain
    words = sys.argv if argv is None else argv
    program = os.path.basename(words[0])
    teller = Teller(program)
    try:
        return _run(words[1:], program, teller)
    except StartFailure as failure:
        who = Teller(failure.program) if failure.program else teller
        who.tell(failure.text, gap=failure.gap)
        for message in failure.further:
            teller.tell(message)
        return failure.status
    except Exception as error:
        from qmpx.errors import QmpxError  # a greeting needs none

        if not isinstance(error, QmpxError):
            raise
        teller.tell(str(error))
    finally:
        gc.enable()  # who called this may go on
    return FAILED


def _run(words: Sequence[str], program: str, teller: Teller) -> int:
    line = CommandLine()
    try:
        parse_command_line(words, line)
    finally:
        for warning in line.warnings:
            teller.tell(warning)
    teller.has_timestamps = line.has_timestamps
    profile = _profile(line)
    if line.asks_version or line.asks_help or line.lists:
        from qmpx.standin import listings

        listings.answer(line, profile, program)
        return 0
    check_needs(line, profile)
    return _start(line, profile, teller)


def _profile(line: CommandLine) -> Profile:
    path = line.profile or os.environ.get(PROFILE_VARIABLE)
    return read_profile(path) if path else shipped_profile()


def _start(line: CommandLine, profile: Profile, teller: Teller) -> int:
    daemon = Daemon()
    if line.is_daemon:
        daemon.enter()
    if line.process_name is not None:
        name_process(line.process_name)
    if line.log_file is not None:
        open_log(line.log_file)
    pid_file = None if line.pid_file is None else PidFile(line.pid_file)
    endpoints: list[Endpoint] = []
    try:
        _check_passed(line)
        endpoints += monitors_of(line)
        stage = _stage(line)
        if stage is not None:
            stage.hold_up([x.options["path"] for x in endpoints if "path" in x.options])
        for endpoint in endpoints:
            endpoint.open(teller.tell)
        return _serve(line, profile, endpoints, daemon, teller, stage)
    finally:
        for endpoint in endpoints:
            endpoint.remove()
        if pid_file is not None:
            pid_file.remove()


def _serve(
    line: CommandLine,
    profile: Profile,
    endpoints: list[Endpoint],
    daemon: Daemon,
    teller: Teller,
    stage: Stage | None,
) -> int:
    if stage is not None:
        # Who is to be greeted, and when, is for the faults to say.
        from qmpx.standin import running

        return running.run(line, profile, endpoints, daemon, teller, stage)
    from qmpx.standin.greeter import Greeter

    if is_empty(line) and all(x.listening or x.connected for x in endpoints):
        daemon.ready(keeps_errors=line.log_file is not None)  # nothing can fail now
    greeter = Greeter(endpoints, profile.version)
    try:
        from qmpx.standin import running  # all that takes long to import
    finally:
        greeter.stop()
    return running.run(line, profile, endpoints, daemon, teller)


def _stage(line: CommandLine) -> Stage | None:
    """Return the circumstances that were asked for, if any were."""
    if not (line.scenario or line.controls or line.clock):
        return None
    from qmpx.standin.faults.scenario import read_scenario
    from qmpx.standin.stage import Stage, end_process

    if line.clock not in (None, "real", "virtual"):
        raise StartFailure(f"--clock {line.clock}: expected real or virtual")
    scenario = read_scenario(line.scenario) if line.scenario else None
    return Stage(scenario, clock=line.clock, end=end_process)


def is_empty(line: CommandLine) -> bool:
    """Whether there is nothing to be made beside the machine itself."""
    return not (
        line.backends
        or line.drives
        or line.ports
        or line.vnc
        or line.load
        or line.incoming
        or line.rtc
        or line.qtest
        or line.nodes
        or line.globals
        or line.machine.keys() - {"type"}
        or len(line.character_devices) > len(line.monitors)
    )


def _check_passed(line: CommandLine) -> None:
    for passed in line.passed:
        try:
            os.fstat(passed.number("fd"))
        except OSError:
            message = "fd is not valid or already in use"
            raise passed.failure(message) from None


def monitors_of(line: CommandLine) -> list[Endpoint]:
    """Return the monitors that a command line asks for; they are not open yet.

    Raises:
        StartFailure: One has no character device, or one that cannot be.
    """
    for device in line.character_devices:
        check_backend(device)
    endpoints = [
        _legacy(place.option, place.text, number)
        for number, place in enumerate(
            place for place in line.monitor_places if place.text != "none"
        )
        if not place.text.startswith("chardev:")
    ]
    taken: set[str] = set()
    for place in line.monitor_places:
        if place.text.startswith("chardev:"):
            label = place.text.removeprefix("chardev:")
            mode = OptionList(place.option, f"chardev={label}")
            mode.text = place.text
            mode["mode"] = "readline" if place.option == "-monitor" else "control"
            if place.option == "-qmp-pretty":
                mode["pretty"] = "on"
            endpoints.append(_on_chardev(line, mode, taken))
    endpoints += [_on_chardev(line, monitor, taken) for monitor in line.monitors]
    endpoints += _at_ports(line)
    if not endpoints and os.environ.get("LISTEN_PID") == str(os.getpid()):
        endpoints += _activated()
    _check_stdio(endpoints, line.ports)
    return endpoints


def _legacy(option: str, text: str, number: int) -> Endpoint:
    try:
        options = legacy_options(option, text, f"compat_monitor{number}")
    except StartFailure as failure:
        if "parse error" not in failure.text:
            failure.further.append(f"{option} {text}: parse error: {text}")
        raise
    is_control = option.startswith("-qmp")
    is_pretty = option == "-qmp-pretty"
    return Endpoint(options.id or "", options, is_control=is_control, pretty=is_pretty)


def _at_ports(line: CommandLine) -> list[Endpoint]:
    """Return the monitors that share their character device with a port."""
    endpoints = []
    for option in ("-serial", "-parallel"):
        ports = [x for x in line.ports if x.option == option and x.text != "none"]
        for number, place in enumerate(ports):
            if place.text.startswith("mon:"):
                label = f"{option[1:]}{number}-base"
                options = legacy_options(option, place.text, label)
                endpoint = Endpoint(label, options, is_control=False)
                endpoint.is_switched = True
                endpoints.append(endpoint)
    return endpoints


def _on_chardev(line: CommandLine, monitor: OptionList, taken: set[str]) -> Endpoint:
    mode = monitor.get("mode", "readline")
    if "chardev" not in monitor:
        raise monitor.failure("Parameter 'chardev' is missing")
    if mode not in ("control", "readline"):
        raise monitor.failure(f"Parameter 'mode' does not accept value '{mode}'")
    is_pretty = monitor.switch("pretty")
    if mode == "readline" and is_pretty:
        raise monitor.failure("'pretty' is not compatible with HMP monitors")
    label = monitor["chardev"]
    found = [x for x in line.character_devices if x.id == label]
    if not found:
        raise monitor.failure(f'chardev "{label}" not found')
    if label in taken and not found[0].switch("mux"):
        raise monitor.failure(f"Device '{label}' is in use")
    taken.add(label)
    is_control = mode == "control"
    return Endpoint(label, found[0], is_control=is_control, pretty=is_pretty)


def _activated() -> list[Endpoint]:
    """Return monitors on the sockets that a service manager hands over."""
    count = os.environ.get("LISTEN_FDS", "0")
    number = int(count) if count.isdecimal() else 0
    return [
        Endpoint(
            f"compat_monitor{index}",
            _inherited(_FIRST_INHERITED + index, index),
            is_control=True,
        )
        for index in range(number)
    ]


def _inherited(fd: int, index: int) -> OptionList:
    text = f"socket,id=compat_monitor{index},fd={fd},server=on,wait=off"
    return OptionList("LISTEN_FDS", text, CHARDEV, "backend")


def _check_stdio(endpoints: list[Endpoint], ports: list[Place]) -> None:
    message = "cannot use stdio by multiple character devices"
    users = [x for x in endpoints if x.backend == "stdio" and not x.is_switched]
    if len(users) > 1:
        raise users[1].options.failure(message)
    is_used = bool(users)
    for place in ports:
        if place.text not in ("stdio", "mon:stdio"):
            continue
        if is_used:
            failure = place.failure(message)
            failure.further.append(place.not_connected().text)
            raise failure
        is_used = True
