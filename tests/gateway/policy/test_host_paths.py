"""Names of files: where they lie, as far as text tells."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.gateway.policy.host_paths import MAX_LENGTH, fault_of, is_within, normalised

ALLOWED = ["/var/lib/images", "/srv/x/"]


@pytest.mark.parametrize(
    "path",
    [
        "/var/lib/images/a.qcow2",
        "/var/lib/images",
        "/var//lib/./images/deep/er",
        "/srv/x/y",
        "/var/lib/images/with space:and=colon,comma",
    ],
)
def test_a_file_in_a_directory_is_allowed(path: str) -> None:
    assert fault_of(path, ALLOWED) == ""


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/etc/shadow", "is not in the directories"),
        ("/var/lib/images2/a", "is not in the directories"),
        ("/var/lib/images/../../../etc/shadow", "has a component '..'"),
        ("/var/lib/images/..", "has a component '..'"),
        ("var/lib/images/a", "is no absolute file name"),
        ("./a", "is no absolute file name"),
        ("", "is no absolute file name"),
        ("/var/lib/images/a\0b", "is no absolute file name"),
        ("/var/lib/images/" + "a" * MAX_LENGTH, "is no absolute file name"),
        ("nbd:unix:/var/lib/images/s", "is no absolute file name"),
        ('json:{"driver": "file", "filename": "/etc/shadow"}', "a json: name is no"),
        (None, "must be a string"),
        (["/var/lib/images/a"], "must be a string"),
    ],
)
def test_any_other_is_refused_with_the_reason(path: object, fault: str) -> None:
    assert fault in fault_of(path, ALLOWED)


def test_without_directories_nothing_is_allowed() -> None:
    assert fault_of("/", []) == "'/' is not in the directories of the role (none)"


PARTS = st.lists(st.sampled_from(["a", "b", "..", ".", "", "c d"]), max_size=8)


@pytest.mark.slow
@given(PARTS)
def test_a_path_is_normalised_as_the_standard_library_does(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    expected = posixpath.normpath(path)
    # POSIX leaves the meaning of two slashes at the beginning open; Linux does not.
    assert normalised(path) == "/" + expected.lstrip("/")


@pytest.mark.slow
@given(PARTS, PARTS)
def test_what_is_within_is_behind_a_whole_component(
    outer: list[str], inner: list[str]
) -> None:
    directory = posixpath.normpath("/" + "/".join(outer)).replace("//", "/")
    plain = [part for part in inner if part not in {"..", ".", ""}]
    assert is_within(posixpath.join(directory, *plain), directory)
    if directory != "/":
        assert not is_within(directory + "x", directory)
