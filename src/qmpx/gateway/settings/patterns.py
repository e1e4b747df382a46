"""Patterns of settings: a text in which ``*`` stands for any text."""

import fnmatch


def fits(text: str, pattern: str) -> bool:
    """Whether a text is a pattern's."""
    literal = pattern.replace("[", "[[]").replace("?", "[?]")
    return fnmatch.fnmatchcase(text, literal)
