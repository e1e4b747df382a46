"""What the program prints and ends: its version, its options, lists of what there is.

The lists come from the profile; the list of options is our own.
"""

import json
import sys
from typing import TYPE_CHECKING, Final

from qmpx.standin.command_line import CommandLine
from qmpx.standin.failure import StartFailure
from qmpx.standin.options import FLAGS, VALUES
from qmpx.standin.profile.file import Profile

if TYPE_CHECKING:
    from typing import Any

_SAME: Final = {"-M": "-machine"}
_OWN_OPTIONS: Final = """\
Its own options, for tests:

--control ADDRESS      serve here the QMP commands that move the clock, add faults
                       and play the guest; may be given several times
--scenario FILE        what goes wrong, and when: a TOML file
--clock real|virtual   the machine's time: the host's, or one that only --control
                       moves
--guest auto|obedient|none
                       who answers the power button, the balloon and unplug
                       requests; auto: an obedient guest if there is something to
                       boot from
--guest-agent          the guest has QEMU's agent
--profile FILE         answer as this binary does: see 'qmpx profile capture'
"""
_DEFAULTS: Final = {"true": "on", "false": "off"}


def answer(line: CommandLine, profile: Profile, program: str) -> None:
    """Print what is asked for: the version, the options, or a list.

    Raises:
        StartFailure: The profile does not tell.
    """
    if line.asks_version:
        sys.stdout.write(version_text(profile))
    elif line.asks_help:
        sys.stdout.write(help_text(profile, program))
    else:
        option, what = line.lists[0]
        sys.stdout.write(list_text(profile, option, what))
    sys.stdout.flush()


def version_text(profile: Profile) -> str:
    """Return what ``-version`` prints: what the binary did, or else its first line."""
    told = profile.text("-version")
    if told is not None:
        return told
    version = json.loads(profile.version)
    numbers = version["qemu"]
    number = f"{numbers['major']}.{numbers['minor']}.{numbers['micro']}"
    package = f" ({version['package']})" if version.get("package") else ""
    return f"QEMU emulator version {number}{package}\n"


def help_text(profile: Profile, program: str) -> str:
    """Return the list of options."""
    lines = [
        version_text(profile).splitlines()[0],
        f"usage: {program} [options] [disk_image]",
        "",
        "This is qmpx, which stands in for QEMU. It takes these options:",
        "",
    ]
    lines += [
        f"-{name} VALUE" if name in VALUES else f"-{name}"
        for name in sorted(FLAGS | VALUES, key=str.lower)
    ]
    return "\n".join([*lines, "", _OWN_OPTIONS])


def list_text(profile: Profile, option: str, what: str) -> str:
    """Return a list of machines, processors, ..., or of the properties of a device.

    Raises:
        StartFailure: The profile does not tell.
    """
    option = _SAME.get(option, option)
    if what != "help":
        return _properties(profile, option, what)
    told = profile.text(f"{option} help")
    if told is None:
        told = _from_answers(profile, option)
    if told is None:
        raise StartFailure(f"the profile {profile.name} has no such list", option, what)
    return told


def _from_answers(profile: Profile, option: str) -> str | None:
    """Return a list made of what the binary said over QMP."""
    if option == "-machine" and (told := profile.find("query-machines")):
        lines = ["Supported machines are:"]
        lines += [f"{x['name']:<20} {x.get('alias', '')}" for x in json.loads(told)]
        return "\n".join(line.rstrip() for line in lines) + "\n"
    if option == "-cpu" and (told := profile.find("query-cpu-definitions")):
        names = sorted(x["name"] for x in json.loads(told))
        return "Available CPUs:\n" + "".join(f"x86 {name}\n" for name in names)
    if option == "-device" and (told := profile.find("qom-list-types")):
        kinds = json.loads(told)
        names = sorted(x["name"] for x in kinds if not x.get("abstract"))
        return "".join(f'name "{name}"\n' for name in names)
    return None


def _properties(profile: Profile, option: str, driver: str) -> str:
    """Return the properties of one device.

    Raises:
        StartFailure: There is none of that name.
    """
    from qmpx.errors import CommandError

    try:
        text = json.dumps({"typename": driver}, separators=(",", ":"))
        told = profile.find("device-list-properties", text)
    except CommandError:
        told = None
    if told is None:
        failure = StartFailure(f"Device '{driver}' not found", option, f"{driver},help")
        failure.status = 0  # QEMU has answered a question
        raise failure
    found: list[dict[str, Any]] = sorted(json.loads(told), key=lambda x: x["name"])
    lines = [f"{driver} options:"]
    for entry in found:
        name = f"{entry['name']}=<{entry['type']}>"
        parts = [entry.get("description", "")] if "description" in entry else []
        if "default-value" in entry:
            default = json.dumps(entry["default-value"])
            parts.append(f" (default: {_DEFAULTS.get(default, default)})")
        text = "".join(parts)
        lines.append(f"  {name:<22} - {text}" if text else f"  {name}")
    return "\n".join(lines) + "\n"
