"""What QEMU 7.2 said of wrong arguments, as recorded, and what ``qmpx serve`` says."""

from __future__ import annotations

import json
from typing import Any

import pytest

import qmpx
from tests.conftest import SCHEMAS
from tests.programs import serving

pytestmark = [pytest.mark.peer("schemas"), pytest.mark.slow]

CASES = SCHEMAS / "validation.public.json"


def test_refusals_of_the_commands_that_are_served_are_qemus() -> None:
    recorded: list[dict[str, Any]] = json.loads(CASES.read_text())["live"]
    played = 0
    differing: dict[str, Any] = {}
    with serving("-S") as server, qmpx.connect(server.address) as vm:
        served = {each["name"] for each in vm.execute("query-commands")}
        for case in recorded:
            name = case.get("command", "")
            if case["stage"] != "visitor" or case["server"] != "pc":
                continue
            if name not in served:
                continue
            played += 1
            with pytest.raises(qmpx.CommandError) as caught:
                vm.execute(name, case["arguments"])
            said = (caught.value.error_class, caught.value.desc)
            if said != (case["class"], case["desc"]):
                differing[case["id"]] = said
    assert differing == {}
    assert played > 500
