"""Python for the commands, events and types of a schema."""

from qmpx.qapi.generation.python import generate_python

__all__ = ["generate_python"]
