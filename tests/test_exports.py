"""What the packages export is there, in order, and importing has no side effects."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

import qmpx

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(qmpx.__path__, "qmpx.")
    if module.name != "qmpx.__main__"  # it is a program
)
PACKAGES = [
    "qmpx",
    *(
        module.name
        for module in pkgutil.walk_packages(qmpx.__path__, "qmpx.")
        if module.ispkg
    ),
]


def place(name: str) -> tuple[int, str]:
    """Return what names are sorted by: constants, classes, functions."""
    return 0 if name.isupper() else 1 if name[0].isupper() else 2, name


@pytest.mark.parametrize("name", PACKAGES)
def test_all_that_a_package_exports_is_there(name: str) -> None:
    package = import_module(name)
    exported = getattr(package, "__all__", [])
    assert [each for each in exported if not hasattr(package, each)] == []
    assert exported == sorted(set(exported), key=place)


@pytest.mark.parametrize("name", PACKAGES)
def test_what_a_package_imports_from_its_modules_it_exports(name: str) -> None:
    package = import_module(name)
    own = {
        each
        for each, value in vars(package).items()
        if getattr(value, "__module__", "").startswith(f"{name}.")
        and not each.startswith("_")
    }
    # The root looks names up when they are first used; they are exported all the same.
    assert own <= set(getattr(package, "__all__", []))


@pytest.mark.parametrize("name", qmpx.__all__)
def test_the_root_exports_the_thing_itself(name: str) -> None:
    value = getattr(qmpx, name)
    home = import_module(value.__module__)
    assert getattr(home, name) is value
    assert name in dir(qmpx)


def test_the_root_knows_its_version() -> None:
    assert qmpx.__version__[0].isdigit()


def test_the_root_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="module 'qmpx' has no attribute 'Nope'"):
        qmpx.Nope  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Nope'"):
        exec("from qmpx import Nope")  # noqa: S102


def test_its_rooms_are_attributes_of_the_root() -> None:
    source = "import qmpx; print(qmpx.errors.DeviceNotFound.__name__)"
    ended = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "DeviceNotFound\n"


# Imports each module, and tells which of them left something behind that is not a
# module: a thread, a signal's handler, an open file, a changed setting.
WATCH = """
import asyncio, gc, importlib, json, logging, multiprocessing, os, signal, sys
import threading, time, warnings

def state():
    return {
        "threads": threading.active_count(),
        "signals": [str(signal.getsignal(n)) for n in signal.valid_signals()],
        "files": sorted(os.listdir("/proc/self/fd")),
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "path": list(sys.path),
        "hooks": [str(sys.excepthook), str(sys.unraisablehook)],
        "logging": [logging.root.level, len(logging.root.handlers)],
        "filters": str(warnings.filters),
        "policy": str(asyncio.get_event_loop_policy.__module__),
        "garbage": [gc.isenabled(), *gc.get_threshold()],
        "switching": sys.getswitchinterval(),
        "recursion": sys.getrecursionlimit(),
    }

changed = {}
for name in json.loads(sys.argv[1]):
    before = state()
    importlib.import_module(name)
    after = state()
    if before != after:
        changed[name] = [each for each in after if after[each] != before[each]]
print(json.dumps(changed))
"""


@pytest.mark.slow
def test_importing_changes_nothing() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", WATCH, json.dumps(MODULES)],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == {}
