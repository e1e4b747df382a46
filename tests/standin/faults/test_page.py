"""The page of reference repeats the menu, and every command of the control monitor."""

from __future__ import annotations

import re

import pytest

from qmpx.standin.control import control_monitor
from qmpx.standin.faults.scenario import Scenario, parse_scenario
from qmpx.standin.stage import Stage
from tests.pages import ROOT
from tools import faults_page


def test_the_page_of_faults_is_up_to_date() -> None:
    assert faults_page.PAGE.read_text() == faults_page.page()


def test_the_page_has_every_command_of_the_control_monitor() -> None:
    monitor = control_monitor(Stage(Scenario(), clock="virtual"))
    assert faults_page.CONTROL.keys() == set(monitor.commands) - {"qmp_capabilities"}


@pytest.mark.parametrize("number", range(6))
def test_the_scenarios_on_the_page_can_be_read(number: int) -> None:
    page = (ROOT / "docs" / "reference" / "faults.md").read_text()
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 6
    assert parse_scenario(blocks[number].encode()).faults
