"""The ``qmpx`` command."""

from qmpx.cli.main import main

__all__ = ["main"]
