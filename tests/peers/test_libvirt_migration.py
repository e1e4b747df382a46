"""Two libvirts with the stand-in: machines move from one to the other, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.peers.libvirt import Libvirt, private_libvirt
from tests.peers.libvirt_domains import (
    are_alike,
    make_images,
    rich_xml,
    run,
    running_domain,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.peer("libvirt", "qemu-img", "qemu-io"), pytest.mark.slow]

NAME = "mover"


@pytest.fixture(scope="module")
def other() -> Iterator[Libvirt]:
    """Run another libvirtd."""
    with private_libvirt() as libvirt:
        yield libvirt


@pytest.fixture
def domain(libvirt: Libvirt, other: Libvirt) -> Iterator[str]:
    """Run a domain that is in neither place at the end."""
    make_images(libvirt.folder)
    with running_domain(libvirt, NAME, rich_xml(NAME, libvirt.folder)):
        try:
            yield NAME
        finally:
            other.virsh("destroy", NAME)
            other.virsh("undefine", NAME, "--checkpoints-metadata")


def migrate(goal: Libvirt, *words: str) -> list[str]:
    """Return the words that move the domain."""
    move = ["migrate", "--live", NAME, "--desturi", goal.uri, "--unsafe"]
    return [*move, *words]


def wait_for_memory(libvirt: Libvirt, domain: str) -> None:
    """Wait until memory goes over: a job begins before its destination does."""
    libvirt.wait_until(
        lambda: "Memory total" in libvirt.virsh("domjobinfo", domain).stdout
    )


def unix(libvirt: Libvirt) -> list[str]:
    """Return the words that lead it through a socket."""
    return ["--migrateuri", f"unix://{libvirt.folder}/m.sock"]


FOR_GOOD = ["--persistent", "--undefinesource"]


@pytest.mark.parametrize(
    "ways",
    [
        (["unix"], ["--p2p", "--tunnelled"]),
        (["--p2p", "unix"], ["--p2p", "unix"]),
        (["unix", "--auto-converge"], ["unix", "--parallel"]),
        (["tcp"], ["--p2p", "tcp"]),
    ],
    ids=["tunnelled", "p2p", "parallel", "tcp"],
)
def test_a_machine_moves_and_comes_back(
    libvirt: Libvirt, other: Libvirt, domain: str, ways: tuple[list[str], list[str]]
) -> None:
    for source, goal, way in ((libvirt, other, ways[0]), (other, libvirt, ways[1])):
        words = [each for each in way if each.startswith("--")] + FOR_GOOD
        if "unix" in way:
            words += unix(libvirt)
        elif "tcp" in way:
            words += ["--migrateuri", "tcp://127.0.0.1"]
            words += ["--listen-address", "127.0.0.1"]
        source.told(*migrate(goal, *words))
        assert goal.state(domain) == "running (migrated)"
        assert domain not in source.told("list", "--all", "--name").split()
    assert not (libvirt.folder / "m.sock").exists()


def test_a_paused_machine_stays_so(
    libvirt: Libvirt, other: Libvirt, domain: str
) -> None:
    libvirt.told("suspend", domain)
    libvirt.told(*migrate(other, *unix(libvirt)))
    assert other.state(domain).startswith("paused")
    assert libvirt.state(domain) == "shut off (migrated)"


def with_other_disk(libvirt: Libvirt, domain: str) -> list[str]:
    """Make room for a copy of the second disk; return the words that tell of it."""
    folder = libvirt.folder
    run("qemu-img", "create", "-q", "-f", "qcow2", "there.qcow2", "16M", folder=folder)
    xml = libvirt.told("dumpxml", domain, "--migratable")
    (folder / "there.xml").write_text(xml.replace("data.qcow2", "there.qcow2"))
    words = f"--copy-storage-all --migrate-disks sda --xml {folder}/there.xml"
    return [*words.split(), "--disks-uri", f"unix://{folder}/nbd.sock", *unix(libvirt)]


def test_a_disk_moves_along(libvirt: Libvirt, other: Libvirt, domain: str) -> None:
    words = with_other_disk(libvirt, domain)
    libvirt.told(*migrate(other, *words))
    assert other.state(domain) == "running (migrated)"
    assert "there.qcow2" in other.told("domblklist", domain)
    assert are_alike(libvirt.folder, "there.qcow2", "data.qcow2")
    assert not (libvirt.folder / "nbd.sock").exists()


@pytest.mark.parametrize("moves_disk", [True, False], ids=["disk", "shared"])
def test_what_was_noted_of_a_disk_moves_along(
    libvirt: Libvirt, other: Libvirt, domain: str, *, moves_disk: bool
) -> None:
    disks = "--diskspec vda,checkpoint=no --diskspec sda --diskspec hdc,checkpoint=no"
    libvirt.line(f"checkpoint-create-as {domain} c1 {disks}")
    words = with_other_disk(libvirt, domain) if moves_disk else unix(libvirt)
    libvirt.told(*migrate(other, *words))
    told = other.told(
        *("qemu-monitor-command", domain),
        '{"execute": "query-named-block-nodes", "arguments": {"flat": true}}',
    )
    nodes = json.loads(told)["return"]
    noted = [each["name"] for node in nodes for each in node.get("dirty-bitmaps", ())]
    assert noted == ["c1"]
    other.told("destroy", domain)
    name = "there.qcow2" if moves_disk else "data.qcow2"
    assert "c1" in run("qemu-img", "info", name, folder=libvirt.folder)
    run("qemu-img", "check", name, folder=libvirt.folder)


def test_a_disk_does_not_move_onto_itself(
    libvirt: Libvirt, other: Libvirt, domain: str
) -> None:
    onto = ["--disks-uri", f"unix://{libvirt.folder}/nbd.sock", *unix(libvirt)]
    words = ["--copy-storage-all", "--migrate-disks", "sda", *onto]
    told = libvirt.refused(*migrate(other, *words))
    assert "'block-export-add': Block node is read-only" in told
    assert libvirt.state(domain) == "running (booted)"


def test_a_move_is_called_off(libvirt: Libvirt, other: Libvirt, domain: str) -> None:
    libvirt.line(f"migrate-setspeed {domain} 1")
    words = migrate(other, *unix(libvirt), "--bandwidth", "1")
    with libvirt.begin(*words) as moving:
        libvirt.wait_until(
            lambda: "Outgoing migration" in libvirt.virsh("domjobinfo", domain).stdout
        )
        libvirt.line(f"migrate-setmaxdowntime {domain} 400")
        libvirt.told("domjobabort", domain)
        told = moving.communicate(timeout=20)[0]
    assert "canceled by client" in told
    assert libvirt.state(domain) == "running (booted)"
    libvirt.line(f"migrate-setspeed {domain} 100")
    libvirt.told(*migrate(other, *unix(libvirt)))
    assert other.state(domain) == "running (migrated)"


def test_a_destination_that_dies_leaves_it_where_it_was(
    libvirt: Libvirt, other: Libvirt, domain: str
) -> None:
    words = migrate(other, *unix(libvirt), "--bandwidth", "1")
    with libvirt.begin(*words) as moving:
        wait_for_memory(libvirt, domain)
        other.kill(domain)
        moving.communicate(timeout=20)
        assert moving.returncode == 1
    assert libvirt.state(domain) == "running (booted)"


def test_a_machine_moves_before_its_memory(
    libvirt: Libvirt, other: Libvirt, domain: str
) -> None:
    words = migrate(other, *unix(libvirt), "--postcopy", "--bandwidth", "1")
    with libvirt.begin(*words) as moving:
        wait_for_memory(libvirt, domain)
        libvirt.told("migrate-postcopy", domain)
        told = moving.communicate(timeout=20)[0]
        assert moving.returncode == 0, told
    assert other.state(domain) == "running (migrated)"
    assert libvirt.state(domain) == "shut off (migrated)"


def test_its_figures_can_be_set(libvirt: Libvirt, domain: str) -> None:
    assert libvirt.line(f"migrate-getmaxdowntime {domain}") == "300"
    libvirt.line(f"migrate-setmaxdowntime {domain} 400")
    assert libvirt.line(f"migrate-getmaxdowntime {domain}") == "400"
    libvirt.line(f"migrate-setspeed {domain} 7")
    assert libvirt.line(f"migrate-getspeed {domain}") == "7"
    assert "64.000 MiB" in libvirt.line(f"migrate-compcache {domain}")
