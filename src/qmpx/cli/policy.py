"""``qmpx policy``: what a policy decides and why; what a role allows."""

import argparse
import json
from typing import Final

from qmpx.cli.output import printable
from qmpx.errors import AddressError
from qmpx.gateway.access.explaining import explain, role_named, role_of, tell
from qmpx.gateway.settings.configuration import Configuration, read_configuration

DENIED: Final = 5
"""The exit status where the answer is no."""


def run(arguments: argparse.Namespace) -> int:
    """Do what the word after it says.

    Raises:
        QmpxError: The configuration is wrong, or names nobody; `main` tells.
    """
    words: list[str] = arguments.words
    if arguments.action == "show":
        if len(words) != 1:
            message = "say which role: qmpx policy show ROLE"
            raise AddressError(message)
        return _show(arguments, words[0])
    if not 2 <= len(words) <= 3:
        message = "expected: qmpx policy explain FILE COMMAND [ARGUMENTS]"
        raise AddressError(message)
    return _explain(arguments, *words)


def _explain(
    options: argparse.Namespace, file: str, command: str, arguments: str = ""
) -> int:
    configuration = read_configuration(file)
    if (options.role is None) == (options.identity is None):
        message = "say for whom: --role NAME or --identity WHO"
        raise AddressError(message)
    if options.role is not None:
        role = role_named(configuration, options.role)
    else:
        role = role_of(configuration, options.identity, options.listener)
    decision = explain(role, command, arguments)
    if options.json:
        told = {
            "verdict": decision.verdict,
            "role": role.name,
            "rule": decision.rule,
            "reason": decision.reason,
        }
        print(json.dumps(told))
    else:
        verdict = "allowed" if decision.is_allowed else "denied"
        text = f"{verdict}: {command} as {role.name}\n  by {decision.rule}"
        text += f"\n  for {decision.reason}"
        if decision.named is not None:
            text += "\n  if its files and images are in order when it comes"
        print(printable(text))
    return 0 if decision.is_allowed else DENIED


def _show(options: argparse.Namespace, name: str) -> int:
    configuration = Configuration()
    if options.config:
        configuration = read_configuration(options.config)
    role = role_named(configuration, name)
    if role.is_unrestricted:
        print("everything: no policy, and nothing is looked at")
        return 0
    told = tell(role)
    if options.json:
        print(
            json.dumps(
                {
                    "role": role.name,
                    "profile": role.profile.name,
                    "commands": told.commands,
                    "by-arguments": told.conditional,
                    "events": told.events,
                    "hidden-in": told.hidden,
                    "lines": sorted(role.reach.lines),
                    "directories": role.reach.directories,
                }
            )
        )
        return 0
    print(f"{role.name} (profile {role.profile.name}: {role.profile.summary})")
    for danger, commands in told.commands.items():
        for each in commands:
            note = "  by its arguments" if each in told.conditional else ""
            print(f"  {danger:2}  {each}{note}")
    for line in sorted(role.reach.lines):
        print(f"  hmp {line}")
    for event in told.events:
        note = "  without what gives away peers or files" * (event in told.hidden)
        print(f"  event  {event}{note}")
    return 0
