"""``qmpx policy`` and ``qmpx gateway token``: what they say, and how they end."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest

from qmpx.gateway.access.tokens import digest_of
from tests.programs import qmpx

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

TEXT = """
[role.web]
profile = "operate"
[[role.web.rule]]
verdict = "allow"
command = "qom-set"
where = [{ path = "path", prefix = "/machine/peripheral" }]
reason = "devices are theirs"
[[grant]]
role = "web"
certificate = "web"
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "gateway.toml"
    path.write_text(TEXT)
    return str(path)


SET = '{"path": "/machine/peripheral/d", "property": "p", "value": 1}'


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (
            ["qom-set", SET, "--role", "web"],
            0,
            ["allowed: qom-set as web", "role web: rule 1", "devices are theirs"],
        ),
        (
            ["qom-set", '{"path": "/machine"}', "--identity", "certificate:web"],
            5,
            ["denied: qom-set as web", "default", "no rule allows it (class X)"],
        ),
        (
            ["quit", "--role", "admin"],
            0,
            [
                "allowed: quit as admin",
                "role admin: profile admin",
                "the profile admin allows it (C2)",
            ],
        ),
        (
            ["transaction", '{"actions": [{"type": "quit"}]}', "--role", "storage"],
            5,
            [
                "denied: transaction as storage",
                "arguments of transaction",
                "action 1 has no type or no data",
            ],
        ),
    ],
)
def test_what_decides_and_why_is_said(
    file: str, words: list[str], status: int, told: list[str]
) -> None:
    ended = qmpx("policy", "explain", file, *words)
    verdict, rule, reason = told
    assert ended.stdout == f"{verdict}\n  by {rule}\n  for {reason}\n"
    assert (ended.returncode, ended.stderr) == (status, "")


def test_it_is_told_as_json_too(file: str) -> None:
    ended = qmpx("policy", "explain", file, "stop", "--role", "read", "--json")
    assert ended.returncode == 5
    assert json.loads(ended.stdout) == {
        "verdict": "deny",
        "role": "read",
        "rule": "default",
        "reason": "no rule allows it (class C1)",
    }


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["stop"], "say for whom: --role NAME or --identity WHO"),
        (["stop", "--role", "no"], "there is no role 'no'"),
        (["stop", "{", "--role", "web"], "the arguments are no JSON object"),
        (["stop", "--identity", "certificate:x"], "certificate:x has no role"),
        ([], "expected: qmpx policy explain FILE COMMAND"),
    ],
)
def test_what_cannot_be_explained_is_said(
    file: str, words: list[str], fault: str
) -> None:
    ended = qmpx("policy", "explain", file, *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert fault in ended.stderr


def test_what_a_role_allows_is_shown(file: str) -> None:
    ended = qmpx("policy", "show", "web", "--config", file)
    assert ended.returncode == 0
    lines = ended.stdout.splitlines()
    assert lines[0].startswith("web (profile operate: ")
    assert "  R1  query-status" in lines
    assert "  C1  stop" in lines
    assert "  X   qom-set  by its arguments" in lines
    assert "  hmp info block" in lines
    assert "  event  VNC_CONNECTED" in lines
    assert not any("quit" in line for line in lines)
    told = json.loads(qmpx("policy", "show", "observe", "--json").stdout)
    assert told["commands"]["X"] == ["human-monitor-command"]
    assert told["commands"]["C1"] == []


def test_a_new_token_is_shown_once_and_its_digest_kept() -> None:
    ended = qmpx("gateway", "token", 'a "b"')
    assert ended.returncode == 0
    (kept,) = tomllib.loads(ended.stdout)["token"]
    token = ended.stderr.split()[-1]
    assert kept == {"name": 'a "b"', "sha256": digest_of(token)}
    assert token not in ended.stdout


def test_a_configuration_is_checked(file: str, tmp_path: Path) -> None:
    assert qmpx("gateway", "check", file).returncode == 0
    bad = tmp_path / "bad.toml"
    bad.write_text('[role.web]\nallw = ["stop"]\n')
    ended = qmpx("gateway", "check", str(bad))
    assert ended.returncode == 2
    fault = "role.web: Object contains unknown field `allw`"
    assert ended.stderr == f"qmpx: {bad}: {fault}\n"
