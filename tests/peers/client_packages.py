"""Other people's clients from PyPI: installed when a test first needs one, and kept.

They are no part of the project's environment: what they need of other versions would
be in its way. Each comes into a folder of its own under ``build``, of the very versions
that are named here, and is run by the same Python with that folder before all others.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import REQUIRE_REAL

BUILD: Final = Path(__file__).parents[2] / "build" / "clients"
SECONDS: Final = 180.0
"""For the largest of them, from a registry that is slow."""

PACKAGES: Final[dict[str, tuple[str, ...]]] = {
    "qemu.qmp": ("qemu.qmp==0.0.6", "urwid==5.1.0", "urwid-readline==0.15.1"),
    "qmp": ("qmp==1.1.0",),
    "avocado-vt": (
        "avocado-framework-plugin-vt==113.0",
        "avocado-framework==113.0",
        "aexpect==1.8.0",
        "six==1.17.0",
    ),
    "vmify": (
        "vmify==0.1.1",
        "anyio==4.16.0",
        "structlog==25.5.0",
        "orjson==3.13.0",
        "tenacity==9.2.1",
        "pydantic==2.14.3",
        "pydantic-core==2.50.4",
        "annotated-types==0.8.0",
        "typing-inspection==0.4.5",
    ),
    "transient": (
        "transient==0.25",
        "progressbar2==3.51.3",
        "python-utils==4.2.0",
        "six==1.17.0",
    ),
    "dbxdebug": ("dbxdebug==0.5.0", "loguru==0.7.3"),
}
"""What each client is, and the least that it needs to be imported."""


@functools.cache
def folder_of(client: str) -> Path | str:
    """Return the folder of a client, or why there is none."""
    wanted = PACKAGES[client]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    known = hashlib.sha256("\n".join((python, *wanted)).encode()).hexdigest()[:12]
    folder = BUILD / f"{client}-{known}"
    if folder.exists():
        return folder
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="new-") as name:
        fresh = Path(name, "packages")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--no-input", "--retries", "1"]
        command += ["--timeout", "20", "--target", str(fresh), *wanted]
        try:
            ended = subprocess.run(
                command, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return f"{wanted[0]} cannot be installed: it takes longer than {SECONDS} s"
        if ended.returncode:
            lines = ended.stderr.strip().splitlines() or ["pip says nothing"]
            return f"{wanted[0]} cannot be installed: {lines[-1]}"
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    return folder


def environment_of(client: str | None) -> dict[str, str]:
    """Return the environment in which Python has a client, or skip the test.

    Args:
        client: One of `PACKAGES`; ``None`` for what needs none.
    """
    root = str(Path(__file__).parents[2])
    plain = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "TMPDIR", "LANG")
        if name in os.environ
    }
    if client is None:
        return {**plain, "PYTHONPATH": root}
    folder = folder_of(client)
    if isinstance(folder, str):
        if REQUIRE_REAL:
            pytest.fail(f"QMPX_REQUIRE_REAL=1, but {folder}", pytrace=False)
        pytest.skip(folder)
    return {**plain, "PYTHONPATH": f"{folder}:{root}"}
