"""What becomes of deprecated and unstable parts of a schema: QEMU's ``-compat``.

Input can be accepted, rejected, or make the program abort; output can be accepted or
hidden. Source: QEMU 7.2, part of it observed over the wire.
"""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec
from msgspec import Struct

from qmpx.errors import CommandError, GenericError, QmpxError
from qmpx.qapi.model import DEPRECATED, UNSTABLE, Feature
from qmpx.qapi.visitor import Refusal

Input = Literal["accept", "reject", "crash"]
Output = Literal["accept", "hide"]


class Policy(Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """What becomes of deprecated and unstable parts of a schema.

    Attributes:
        deprecated_input: Commands, arguments and values that should not be used.
        deprecated_output: Events and members that should not be relied on.
        unstable_input: Commands, arguments and values that may change at any time.
        unstable_output: Events and members that may.
    """

    deprecated_input: Input = "accept"
    deprecated_output: Output = "accept"
    unstable_input: Input = "accept"
    unstable_output: Output = "accept"

    @classmethod
    def parse(cls, text: str) -> "Policy":
        """Return the policy that QEMU's option ``-compat`` would give.

        Args:
            text: Such as ``deprecated-input=reject,unstable-output=hide``.

        Raises:
            ValueError: That is no policy.
        """
        parts = (part.partition("=") for part in text.split(",") if part)
        return msgspec.convert({name: value for name, _, value in parts}, cls)

    @property
    def accepts_all_input(self) -> bool:
        """Whether no input is refused for its features."""
        return self.deprecated_input == self.unstable_input == "accept"

    @property
    def hides_nothing(self) -> bool:
        """Whether no output is left out."""
        return self.deprecated_output == self.unstable_output == "accept"

    def refusal(self, what: str, features: Iterable[Feature]) -> Refusal | None:
        """Return what refuses an input with these features, if anything does.

        Args:
            what: ``command``, ``parameter`` or ``value``.
            features: Of that command, parameter or value.
        """
        names = {feature.name for feature in features}
        for feature, word, rule in (
            (DEPRECATED, "Deprecated", self.deprecated_input),
            (UNSTABLE, "Unstable", self.unstable_input),
        ):
            if feature in names and rule != "accept":
                return _Refusal(f"{word} {what}", crashes=rule == "crash")
        return None

    def hides(self, features: Iterable[Feature]) -> bool:
        """Whether an output with these features is left out."""
        names = {feature.name for feature in features}
        return (DEPRECATED in names and self.deprecated_output == "hide") or (
            UNSTABLE in names and self.unstable_output == "hide"
        )


ACCEPT: Final = Policy()
"""The policy of a QEMU that was told nothing."""


class _Refusal:
    """Refuses an input by its name."""

    __slots__ = ("_crashes", "_what")

    def __init__(self, what: str, *, crashes: bool) -> None:
        self._what = what
        self._crashes = crashes

    def __call__(self, name: str) -> None:
        text = f"{self._what} {name} disabled by policy"
        if self._crashes:
            raise CrashRequested(text)
        if self._what.endswith(" command"):
            raise DisabledByPolicy(text)
        raise GenericError(text)


class DisabledByPolicy(CommandError):
    """A command that the policy rejects. On the wire it is a ``CommandNotFound``.

    Args:
        desc: The description.
    """

    def __init__(self, desc: str) -> None:
        self._set("CommandNotFound", desc, {}, None)


class CrashRequested(QmpxError):
    """An input came that the policy answers with ``abort()``: no error is sent.

    Whoever serves ends the program, or what stands for it.
    """
