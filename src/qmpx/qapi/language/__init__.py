"""The language of QAPI schema files: read, checked, and turned into the model."""

from qmpx.qapi.language.files import load_schema
from qmpx.qapi.language.releases import Release, read_release

__all__ = ["Release", "load_schema", "read_release"]
