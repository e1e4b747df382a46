"""What is generated from schemas."""

from qmpx.qapi.generation.json_schema import generate_json_schema
from qmpx.qapi.generation.python import generate_python
from qmpx.qapi.generation.site import generate_site

__all__ = ["generate_json_schema", "generate_python", "generate_site"]
