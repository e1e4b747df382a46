"""Conversations as they crossed the wire: one format, and readers for others'.

A transcript is a file of JSON lines, one for each message::

    {"t": 1795351336.388, "dir": "->", "conn": 1, "msg": {"execute": "stop", "id": 7}}

Everything here is pure: times come from outside, and bytes go in and out.
"""

from qmpx.transcript.entry import Entry, TranscriptError, read_transcript, write_entry

__all__ = ["Entry", "TranscriptError", "read_transcript", "write_entry"]
