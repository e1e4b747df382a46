"""The table of models: what holds for every row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.machine.devices.catalogue_0_13 import CATALOGUE_0_13

if TYPE_CHECKING:
    from qmpx.machine.devices.models import Model

MODELS = list(CATALOGUE_0_13.models.values())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_model_says_what_it_is_on_its_bus(model: Model) -> None:
    assert model.bus in CATALOGUE_0_13.bus_properties
    assert (model.pci is not None) == (model.bus == "PCI")
    assert (model.usb is not None) == (model.bus == "USB")
    names = {item.name for item in model.properties}
    assert len(names) == len(model.properties)
    assert model.is_nic == ("mac" in names)
    assert model.drive_complaint is None or "drive" in names
    for bus in model.buses:
        assert bus.kind in CATALOGUE_0_13.bus_properties


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_windows_are_powers_of_two_in_registers_of_their_own(model: Model) -> None:
    regions = model.pci.regions if model.pci is not None else ()
    assert all(region.size & (region.size - 1) == 0 for region in regions)
    assert len({region.bar for region in regions}) == len(regions)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_default_can_be_shown(model: Model) -> None:
    for item in (*model.properties, *CATALOGUE_0_13.bus_properties[model.bus]):
        assert isinstance(item.type.show(item.default), str)


def test_an_alias_is_no_other_model_s_name() -> None:
    assert not CATALOGUE_0_13.aliases.keys() & CATALOGUE_0_13.models.keys()
    assert CATALOGUE_0_13.find("lsi") is CATALOGUE_0_13.models["lsi53c895a"]
    assert CATALOGUE_0_13.find("foo") is None


def test_short_names_lead_to_adapters() -> None:
    for name in CATALOGUE_0_13.nic_models.values():
        assert CATALOGUE_0_13.models[name].is_nic
