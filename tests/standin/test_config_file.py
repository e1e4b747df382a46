"""Options in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.standin.config_file import MAX_FILE
from qmpx.standin.failure import StartFailure
from qmpx.standin.parsing import parse_command_line

if TYPE_CHECKING:
    from pathlib import Path


def test_groups_are_options(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(
        '# a comment\n[memory]\n  size = "1024"\n\n'
        '[chardev "mon0"]\n  backend = "socket"\n  path = "a,b"\n'
        '[mon]\n  chardev = "mon0"\n  mode = "control"\n'
    )
    line = parse_command_line(["-readconfig", str(file)])
    assert line.memory == {"size": "1024"}
    assert line.character_devices[0] == {
        "id": "mon0",
        "backend": "socket",
        "path": "a,b",
    }
    assert line.monitors[0] == {"chardev": "mon0", "mode": "control"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('size = "1"\n', ":1: no group defined"),
        ("[memory]\nsize\n", ":2: parse error"),
        ('[foo]\nx = "1"\n', ":2: There is no option group 'foo'"),
        (
            '[memory]\nsize = "x"\n',
            ":2: Parameter 'size' expects a non-negative number below 2^64",
        ),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_place(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(StartFailure) as caught:
        parse_command_line(["-readconfig", str(file)])
    assert caught.value.text == f"{file}{message}"


def test_a_file_may_have_so_many_bytes_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_bytes(b"#" * MAX_FILE)
    parse_command_line(["-readconfig", str(file)])
    file.write_bytes(b"#" * (MAX_FILE + 1))
    with pytest.raises(StartFailure, match="more than"):
        parse_command_line(["-readconfig", str(file)])
