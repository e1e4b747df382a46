"""The pages of reference that repeat what the sources say, held against them."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from tools import command_line_page

ROOT = Path(__file__).parents[1]
LIMITS = re.findall(
    r"^\| `(qmpx\.[a-z0-9_.]+)\.` `([A-Z0-9_]+)` \| ([0-9.]+) \|",
    (ROOT / "docs" / "reference" / "limits.md").read_text(),
    re.MULTILINE,
)
# Figures with a name: what a page of all bounds must not leave out.
FIGURE = re.compile(r"^([A-Z][A-Z0-9_]+): Final = [0-9]|^(MAX_[A-Z_]+) =", re.MULTILINE)
NO_BOUNDS = {"INT64_MAX", "INT64_MIN", "UINT64_MAX", "MIB", "FAILED", "DENIED"}
# Here most figures are facts of hardware: addresses, ports, codes.
HARDWARE = ("qmpx.machine.", "qmpx.dialects.")


def test_the_page_of_the_command_line_is_up_to_date() -> None:
    assert command_line_page.PAGE.read_text() == command_line_page.page()


@pytest.mark.parametrize(("module", "name", "shown"), LIMITS)
def test_a_limit_is_what_its_page_says(module: str, name: str, shown: str) -> None:
    assert getattr(import_module(module), name) == float(shown)


def test_the_page_of_limits_has_them_all() -> None:
    source = ROOT / "src"
    found = {
        (".".join(path.relative_to(source).with_suffix("").parts), first or second)
        for path in source.rglob("*.py")
        for first, second in FIGURE.findall(path.read_text())
        if first not in NO_BOUNDS
    }
    found = {
        (module, name)
        for module, name in found
        if name.startswith("MAX_") or not module.startswith(HARDWARE)
    }
    assert found - {(module, name) for module, name, _ in LIMITS} == set()
