"""What a refused permission is explained with: real files, a real other user."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qmpx.transport.address import UnixAddress
from qmpx.transport.diagnosis import Diagnosis, explain_connect_error
from qmpx.transport.permissions import explain_permission
from tests.transport.conftest import NOBODY, as_nobody

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become nobody")

GID = 1  # a group of every system, and not one of nobody's


def name_of(gid: int) -> str:
    """Return the name of a group."""
    return grp.getgrgid(gid).gr_name


@pytest.fixture
def us() -> str:
    user = pwd.getpwuid(NOBODY).pw_name
    return f"this process is user {user} ({NOBODY}), in group {name_of(NOBODY)}"


@pytest.fixture
def path(public_directory: Path) -> Iterator[Path]:
    path = public_directory / "vm" / "q.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(0o777)
        yield path


def refused(path: Path) -> Diagnosis:
    """Connect as nobody, and explain the error."""

    def attempt() -> Diagnosis:
        with (
            socket.socket(socket.AF_UNIX) as client,
            pytest.raises(PermissionError) as caught,
        ):
            client.connect(str(path))
        return explain_connect_error(UnixAddress(str(path)), caught.value)

    return as_nobody(attempt)


@needs_root
def test_a_socket_of_a_group_names_the_group_and_how_to_join(
    path: Path, us: str
) -> None:
    os.chown(path, 0, GID)
    path.chmod(0o660)
    user, group = pwd.getpwuid(NOBODY).pw_name, name_of(GID)
    assert refused(path) == (
        (
            f"no permission for the socket {str(path)!r} (user root (0), "
            f"group {group}, mode srw-rw----); {us}"
        ),
        (
            f"join the group and log in again: sudo usermod -aG {group} {user}; "
            "or run this as its owner: sudo -u root ..."
        ),
    )


@needs_root
def test_a_member_whose_session_is_older_is_told_to_log_in_again(
    path: Path, us: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(path, 0, GID)
    path.chmod(0o660)
    user, group = pwd.getpwuid(NOBODY).pw_name, name_of(GID)
    monkeypatch.setattr("qmpx.transport.permissions._members", lambda _: [user])
    reason, hint = refused(path)
    assert us in reason
    assert hint == (
        f"log in again: {user} is in the group {group}, but this session is older; "
        "or run this as its owner: sudo -u root ..."
    )


@needs_root
def test_a_socket_of_its_owner_alone_names_the_owner(path: Path, us: str) -> None:
    os.chown(path, GID, GID)
    path.chmod(0o600)
    owner = pwd.getpwuid(GID).pw_name
    assert refused(path) == (
        (
            f"no permission for the socket {str(path)!r} (user {owner} ({GID}), "
            f"group {name_of(GID)}, mode srw-------); {us}"
        ),
        (
            f"run this as its owner: sudo -u {owner} ...; "
            "or have it opened to a group of yours (chgrp, chmod)"
        ),
    )


@needs_root
def test_the_first_directory_that_blocks_is_named(path: Path, us: str) -> None:
    path.chmod(0)
    path.parent.chmod(0o700)
    assert refused(path) == (
        (
            f"no permission for the directory {str(path.parent)!r} (user root (0), "
            f"group root, mode drwx------); {us}"
        ),
        (
            "run this as its owner: sudo -u root ...; "
            "or have it opened to a group of yours (chgrp, chmod)"
        ),
    )


@needs_root
def test_a_link_is_followed_to_where_it_blocks(
    path: Path, public_directory: Path
) -> None:
    path.parent.chmod(0o700)
    link = public_directory / "link"
    link.symlink_to(path.parent)
    reason, _ = refused(link / "q.sock")
    assert reason.startswith(f"no permission for the directory {str(path.parent)!r} (")


def test_a_refusal_that_no_mode_explains_points_to_the_guards(path: Path) -> None:
    reason, hint = explain_permission(str(path))
    assert reason.startswith(
        f"no permission for the socket {str(path)!r}, although its mode allows it; "
        "this process is user "
    )
    assert hint == (
        "look for SELinux, AppArmor or a sandbox: sudo journalctl -k --grep=denied"
    )


def test_users_and_groups_without_a_name_are_numbers(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    monkeypatch.setattr(os, "getegid", lambda: 70_000)
    monkeypatch.setattr(os, "getgroups", lambda: list(range(70_000, 70_010)))
    top = Path("/").stat()
    owner, group = pwd.getpwuid(top.st_uid).pw_name, name_of(top.st_gid)
    reason, _ = explain_permission(str(path))
    assert reason == (
        f"no permission for the directory '/' (user {owner} ({top.st_uid}), "
        f"group {group}, mode {stat.filemode(top.st_mode)}); "
        "this process is user 4242, in groups 70000, 70001, 70002, 70003, 70004, "
        "70005, 70006, 70007 and 2 more"
    )
