"""Is a message what a schema asks for? Arguments, return values and events."""

from qmpx.qapi.validation.policy import (
    CrashRequested,
    DisabledByPolicy,
    Policy,
)
from qmpx.qapi.validation.validator import Validator

__all__ = ["CrashRequested", "DisabledByPolicy", "Policy", "Validator"]
