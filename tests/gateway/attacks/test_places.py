"""Files of the gateway where somebody else has put something."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.gateway.attacks.conftest import attacked, program
from tests.programs import ENVIRONMENT, QMPX, SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow


def ended(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run a gateway that cannot come up, to its end."""
    (folder / "share.toml").write_text(text.format(folder=folder))
    with program("serve", "--qmp", f"unix:{folder}/up"):
        return subprocess.run(
            [
                *(QMPX, "share", f"unix:{folder}/up", "--listen", f"unix:{folder}/it"),
                *("--config", folder / "share.toml"),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            timeout=SECONDS,
        )


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))


def linked(path: Path) -> None:
    path.with_name("elsewhere").write_text("precious\n")
    path.symlink_to(path.with_name("elsewhere"))


def hard_linked(path: Path) -> None:
    path.with_name("elsewhere").write_text("precious\n")
    path.hardlink_to(path.with_name("elsewhere"))


def device(path: Path) -> None:
    path.symlink_to("/dev/full")


@pytest.mark.parametrize(
    "put", [linked, hard_linked, dangling, device, os.mkfifo, Path.mkdir]
)
@pytest.mark.parametrize(
    "text",
    [
        '[audit]\npath = "{folder}/audit.jsonl"\n',
        '[journal]\npath = "{folder}/audit.jsonl"\n',
    ],
    ids=["audit", "journal"],
)
def test_what_is_no_file_of_its_own_is_refused_and_left_alone(
    text: str, put: Callable[[Path], None]
) -> None:
    with tempfile.TemporaryDirectory(prefix="qmpx-") as name:
        folder = Path(name)
        put(folder / "audit.jsonl")
        done = ended(folder, '[[listener]]\naddress = "*"\nrole = "observe"\n' + text)
        assert done.returncode not in (0, None), done.stderr
        assert "audit.jsonl" in done.stderr
        assert "Traceback" not in done.stderr
        elsewhere = folder / "elsewhere"
        if put in (linked, hard_linked):
            assert elsewhere.read_text() == "precious\n"
        else:
            assert not elsewhere.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_on_a_full_disk_changes_are_refused_and_reading_goes_on() -> None:
    listener = '[[listener]]\naddress = "unix:{folder}/all"\nrole = "everything"\n'
    with tempfile.TemporaryDirectory(prefix="qmpx-") as name:
        words = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", name]
        if subprocess.run(words, capture_output=True).returncode:
            pytest.skip("nothing can be mounted here")
        try:
            audit = f'[audit]\npath = "{name}/audit.jsonl"\n'
            with attacked(configuration=listener + audit) as target:
                with target.connect() as peer:
                    peer.greeted()
                    assert peer.ask({"execute": "stop"}) == {"return": {}}
                    filler = Path(name, "filler")
                    with open(filler, "wb", buffering=0) as file:
                        try:
                            while file.write(b"x" * 256):
                                pass
                        except OSError:
                            pass
                    refused = None
                    for _ in range(200):
                        reply = peer.ask({"execute": "cont"})
                        if "error" in reply:
                            refused = reply["error"]["desc"]
                            break
                    assert refused is not None
                    assert "cannot write its audit" in refused
                    for _ in range(500):
                        asked = peer.ask({"execute": "query-name"})
                        assert asked == {"return": {"name": "box"}}
                    filler.unlink()
                    target.wait_until(lambda: "return" in peer.ask({"execute": "cont"}))
                (target.folder / "audit.jsonl").symlink_to(f"{name}/audit.jsonl")
                for each in Path(name).glob("audit.jsonl.*"):
                    (target.folder / each.name).symlink_to(each)
                target.wait_for_audit(lambda it: it.get("command") == "query-name")
        finally:
            subprocess.run(["umount", "-l", name], check=True)
