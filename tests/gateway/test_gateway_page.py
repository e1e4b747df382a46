"""The gateway's reference page tells of every key, series and remembered answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.gateway.care.standing import PARTS
from qmpx.gateway.metrics.exposition import GatewayCollector
from qmpx.gateway.settings.access import TokenSettings
from qmpx.gateway.settings.bounds import LeaseSettings
from qmpx.gateway.settings.process import (
    GatewaySettings,
    HealthSettings,
    MetricsSettings,
    TracingSettings,
)
from qmpx.gateway.settings.records import AuditSettings, JournalSettings
from qmpx.gateway.settings.unchanging import UNCHANGING
from qmpx.gateway.settings.upstreams import UpstreamSettings
from tests.pages import ROOT

if TYPE_CHECKING:
    from msgspec import Struct

PAGE = (ROOT / "docs" / "reference" / "gateway.md").read_text()


def section(heading: str) -> str:
    """Return what stands below a heading, up to the next one."""
    found = re.search(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    assert found, f"there is no section {heading!r}"
    return found[1]


@pytest.mark.parametrize(
    ("heading", "settings"),
    [
        ("`[gateway]`", GatewaySettings),
        ("`[[upstream]]`", UpstreamSettings),
        ("`[health]`", HealthSettings),
        ("`[metrics]`", MetricsSettings),
        ("`[tracing]`", TracingSettings),
        ("`[audit]`", AuditSettings),
        ("`[journal]`", JournalSettings),
        ("`[lease]`", LeaseSettings),
        ("`[[token]]`", TokenSettings),
    ],
)
def test_all_keys_are_there(heading: str, settings: type[Struct]) -> None:
    keys: Any = settings.__struct_encode_fields__
    table = re.search(r"^\|.*?(?=\n\n|\Z)", section(heading), re.MULTILINE | re.DOTALL)
    assert table is not None
    told = re.findall(r"^\| `([a-z0-9-]+)` \|", table[0], re.MULTILINE)
    assert told == list(keys)


def test_all_series_are_there() -> None:
    made = {
        f"{metric.name}_total" if metric.type == "counter" else metric.name
        for metric in GatewayCollector({}).collect()
    }
    told = re.findall(r"^\| `(qmpx_\w+)` \|", section("`[metrics]`"), re.MULTILINE)
    assert set(told) == made
    assert len(told) == len(made)


def test_all_remembered_answers_are_there() -> None:
    told = re.findall(
        r"^\| `([a-z-]+)` \| (.*) \|$", section("Answers from memory"), re.MULTILINE
    )
    assert dict(told) == UNCHANGING


def test_all_parts_of_a_standing_are_there() -> None:
    text = section("What changed while it was away")
    assert all(f"`{name}`" in text for name in PARTS)
