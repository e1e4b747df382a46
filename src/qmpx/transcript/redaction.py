"""Taking secrets out of messages before anybody else sees them.

Which members hold secrets follows from QEMU's schema: passwords of displays and of
block devices, the data of ``secret`` objects, launch secrets. What a member of such a
name holds is replaced, wherever it is.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import replace

from qmpx.transcript.entry import Entry

REDACTED: Final = "[redacted]"
"""What stands where a secret was."""

SECRET_MEMBERS: Final = frozenset(
    {
        "password",
        "passwd",
        "secret",
        "password-secret-data",
        "iv-data",
        "crypted-password",
        "guest-ssh-keys",
    }
)
"""Members whose values are secrets in whatever they are."""

_OF_COMMAND: Final = {
    "change-vnc-password": {"password"},
    "guest-set-user-password": {"password"},
    "guest-ssh-add-authorized-keys": {"keys"},
    "guest-file-write": {"buf-b64"},
    "sev-inject-launch-secret": {"secret", "packet-header"},
    "qom-set": {"value"},
    "block_passwd": {"password"},
    "set_password": {"password"},
    "add_client": {"password"},
    "x-qmpx-authenticate": {"token"},
}
_OF_SECRET_OBJECT: Final = {"data"}
_OBJECTS: Final = {"secret", "secret_keyring"}
_ASKING: Final = {"qom-get"}
_SECRET_LINES: Final = ("block_passwd", "change vnc", "object_add", "set_password")


def _secrets_of(command: str, arguments: Any) -> set[str]:
    secrets = set(_OF_COMMAND.get(command, ()))
    if command == "object-add" and isinstance(arguments, dict):
        properties = arguments.get("props")
        kind = arguments.get("qom-type")
        if kind in _OBJECTS or (
            isinstance(properties, dict) and properties.get("qom-type") in _OBJECTS
        ):
            secrets |= _OF_SECRET_OBJECT
    if command == "qom-set" and isinstance(arguments, dict):
        # Only what is below /objects may be a secret; all else is shown.
        path = arguments.get("path")
        if isinstance(path, str) and not path.startswith("/objects"):
            secrets.discard("value")
    return secrets


def _without(value: Any, secrets: set[str] | frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {
            name: REDACTED
            if name in secrets and isinstance(member, (str, list))
            else _without(member, secrets)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_without(each, secrets) for each in value]
    return value


def without_secrets(command: str, arguments: Any) -> Any:
    """Return a command's arguments without the secrets in them.

    Args:
        command: Its name.
        arguments: An object, parsed.
    """
    redacted = _without(arguments, SECRET_MEMBERS | _secrets_of(command, arguments))
    if command == "human-monitor-command" and isinstance(redacted, dict):
        line = redacted.get("command-line")
        words = " ".join(line.split()) if isinstance(line, str) else ""
        for beginning in _SECRET_LINES:
            if words.startswith(f"{beginning} "):
                redacted["command-line"] = f"{beginning} {REDACTED}"
    return redacted


def redactor() -> Callable[[Entry], Entry]:
    """Return a function that takes the secrets out of entries, in their order.

    It remembers which command asked for something secret, for the reply to it.
    """
    asked: dict[tuple[int, str], None] = {}

    def redact(entry: Entry) -> Entry:
        message = entry.message
        if message is UNSET or not isinstance(message, dict):
            return entry
        if entry.kind == "command":
            arguments = message.get("arguments")
            path = arguments.get("path") if isinstance(arguments, dict) else None
            if entry.name in _ASKING and str(path).startswith("/objects"):
                asked[entry.connection, repr(message.get("id"))] = None
                while len(asked) > MAX_ASKED:
                    asked.pop(next(iter(asked)))
            message = (
                {**message, "arguments": without_secrets(entry.name, arguments)}
                if ("arguments" in message)
                else message
            )
            return replace(entry, message=message)
        key = entry.connection, repr(message.get("id"))
        if "return" in message and key in asked:
            del asked[key]
            return replace(entry, message={**message, "return": REDACTED})
        return replace(entry, message=_without(message, SECRET_MEMBERS))

    return redact


MAX_ASKED: Final = 4096
"""Commands whose secret replies are awaited; the oldest are forgotten, for these were
never answered."""
