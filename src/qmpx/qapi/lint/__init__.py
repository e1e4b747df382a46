"""Uses of a monitor's vocabulary in programs and transcripts, held against schemas."""

from qmpx.qapi.lint.findings import Finding, findings
from qmpx.qapi.lint.python import uses_in_python
from qmpx.qapi.lint.transcript import uses_in_transcript
from qmpx.qapi.lint.uses import Use

__all__ = ["Finding", "Use", "findings", "uses_in_python", "uses_in_transcript"]
