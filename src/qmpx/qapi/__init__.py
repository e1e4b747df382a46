"""The vocabulary of a monitor as types: what a command takes, checks and returns."""

from qmpx.qapi.check import Boxed, Described, Member, Size, Values, WireName
from qmpx.qapi.signature import Encoded, Signature

__all__ = [
    "Boxed",
    "Described",
    "Encoded",
    "Member",
    "Signature",
    "Size",
    "Values",
    "WireName",
]
