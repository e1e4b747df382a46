"""Whether two sides have said the same, in class, in shape, in values, in order."""

import re
from typing import Any, Final, NamedTuple

from tools.comparison.pair import Heard

_GENERATED: Final = re.compile(r"#block[0-9]*|#optional|/dev/pts/[0-9]+")
_NUMBERED: Final = re.compile(r"(127\.0\.0\.1:|\"port\": \")[0-9]+|0x[0-9a-f]{6,}")


class Verdict(NamedTuple):
    """What came out of one request.

    Attributes:
        is_error: Whether QEMU refused it.
        same_class: Whether both refused it with the same class, or none did.
        same_text: Errors: whether the texts are the same. Replies: whether they have
            the same shape.
        same_values: Whether the replies are the same altogether.
        same_events: Whether the same events came, on the same side of the reply.
    """

    is_error: bool
    same_class: bool
    same_text: bool
    same_values: bool
    same_events: bool

    @property
    def is_alike(self) -> bool:
        """Whether nothing of importance differs."""
        return self.same_class and self.same_text and self.same_events

    @property
    def has_parted(self) -> bool:
        """Whether the two machines are different ones from here on."""
        return not self.same_class


def shape(value: Any) -> Any:
    """Return what kinds of values there are, under which names.

    Of a list only the different shapes of its elements count: how many there are of
    each is a matter of values.
    """
    match value:
        case dict():
            return {key: shape(each) for key, each in sorted(value.items())}
        case list():
            shapes: list[Any] = []
            for each in value:
                if (found := shape(each)) not in shapes:
                    shapes.append(found)
            return sorted(shapes, key=str)
        case bool():
            return "boolean"
        case int() | float():
            return "number"
    return type(value).__name__


def text(message: str) -> str:
    """Return a text without what is another one each time."""
    return _NUMBERED.sub(r"\1N", _GENERATED.sub("#N", message))


def compare(theirs: Heard, ours: Heard) -> Verdict:
    """Compare what QEMU said to a request with what the stand-in did.

    QEMU has not ended.
    """
    their_error, our_error = theirs.reply.get("error"), ours.reply.get("error")
    same_class = (their_error is None) is (our_error is None) and not ours.has_ended
    if their_error is not None and our_error is not None:
        same_class = their_error["class"] == our_error["class"]
    same_text = same_values = False
    if same_class and their_error is not None and our_error is not None:
        same_text = text(their_error["desc"]) == text(our_error["desc"])
        same_values = same_text
    elif same_class:
        returned, ret = theirs.reply["return"], ours.reply["return"]
        same_text, same_values = shape(returned) == shape(ret), returned == ret
    return Verdict(
        is_error=their_error is not None,
        same_class=same_class,
        same_text=same_text,
        same_values=same_values,
        same_events=_events(theirs) == _events(ours),
    )


def _events(heard: Heard) -> list[list[Any]]:
    return [
        [[x["event"], shape(x.get("data"))] for x in side]
        for side in (heard.before, heard.after)
    ]
