"""What ``-cpu`` asks of a processor beside its model: ``qemu64,+svm,level=5``.

Source: QEMU 7.2.22, observed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qmpx.errors import CommandError
from qmpx.machine.qom.globals import Global
from qmpx.machine.qom.values import read_text
from qmpx.standin.failure import StartFailure

if TYPE_CHECKING:
    from qmpx.machine.qom.types import TypeSource

_HOST: Final = "host"
_TRANSLATED: Final = {"tsc-freq": "tsc-frequency"}


def check_processor(text: str, types: TypeSource, *, has_kvm: bool) -> None:
    """Check what stands after ``-cpu``; that there is such a model is known.

    Args:
        text: That.
        types: What types there are.
        has_kvm: Whether KVM runs the guest's code.

    Raises:
        StartFailure: The model needs KVM, has no such property, or that takes no such
            value.
    """
    model, _, rest = text.partition(",")
    if model == _HOST and not has_kvm:
        message = "CPU model 'host' requires KVM or HVF"
        raise StartFailure(message)
    kind = f"{model}-x86_64-cpu"
    known = types.device_properties(kind)
    if not rest or len(known) < 2:  # the profile does not know the type
        return
    later: list[str] = []
    for part in rest.split(","):
        if part[:1] in ("+", "-"):
            later.append(_property(part[1:]))
            continue
        name, equals, value = part.partition("=")
        asked = Global(kind, _property(name), value if equals else "on")
        if asked.name not in known:
            reason = f"Property '{kind}.{asked.name}' not found"
            raise StartFailure(asked.failure(reason).desc)
        try:
            read_text(asked.name, known[asked.name].type, asked.text)
        except CommandError as error:
            raise StartFailure(asked.refusal(error, known[asked.name]).desc) from None
    for name in later:
        if name not in known:
            message = f"Property '{kind}.{name}' not found"
            raise StartFailure(message)


def _property(name: str) -> str:
    plain = name.replace("_", "-")
    return _TRANSLATED.get(plain, plain)
