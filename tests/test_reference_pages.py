"""The pages of reference that repeat what the sources say, held against them."""

from __future__ import annotations

import pkgutil
import re
from importlib import import_module
from pathlib import Path
from types import FunctionType

import pytest

import qmpx
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


REFERENCE = "\n".join(
    page.read_text() for page in sorted((ROOT / "docs" / "reference").glob("*.md"))
)
# What their own pages tell of, or what is no library: the machine that is served, and
# what is exported for the modules beside it.
NOT_FOR_USERS = ("qmpx.cli", "qmpx.dialects", "qmpx.gateway.", "qmpx.machine")
EXPORTS = [
    (package.name, name)
    for package in pkgutil.walk_packages(qmpx.__path__, "qmpx.")
    if package.ispkg and not package.name.startswith(NOT_FOR_USERS)
    for name in getattr(import_module(package.name), "__all__", [])
]


def test_the_page_of_the_command_line_is_up_to_date() -> None:
    assert command_line_page.PAGE.read_text() == command_line_page.page()


@pytest.mark.parametrize(("module", "name", "shown"), LIMITS)
def test_a_limit_is_what_its_page_says(module: str, name: str, shown: str) -> None:
    assert getattr(import_module(module), name) == float(shown)


@pytest.mark.parametrize(("package", "name"), EXPORTS)
def test_what_is_exported_has_a_place_in_the_reference(package: str, name: str) -> None:
    value = getattr(import_module(package), name)
    home = getattr(value, "__module__", "")
    inside = rf"{re.escape(package)}(\.\w+)*"
    told = rf"^::: ({re.escape(home)}|{inside})\.{name}$"
    if isinstance(value, type) and issubclass(value, BaseException):
        # Those of a page are told of as a whole; those of QMP are in a table.
        told += rf"|^::: {re.escape(home)}$|^{name} +\S"
    elif not isinstance(value, (type, FunctionType)):
        told += rf"|`{re.escape(package)}\.{name}`"
    assert re.search(told, REFERENCE, re.MULTILINE)


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


def test_the_overview_leads_to_every_page() -> None:
    docs = ROOT / "docs"
    pages = {str(page.relative_to(docs)) for page in docs.rglob("*.md")}
    named = re.findall(r"\]\(([\w/-]+\.md)\)", (docs / "index.md").read_text())
    assert pages - {*named} == {"index.md"}
