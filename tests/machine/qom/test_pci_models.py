"""What PCI devices tell of themselves."""

from __future__ import annotations

import pytest

from qmpx.machine.qom.pci_models import MODELS, SAME, Register, pci_model


@pytest.mark.parametrize("name", sorted(MODELS))
def test_each_line_can_be_read(name: str) -> None:
    model = pci_model(name)
    assert 0 <= model.vendor < 0x10000
    assert 0 <= model.pin <= 4
    for register in model.registers:
        assert register.size & (register.size - 1) == 0
        assert not (register.is_io and (register.is_wide or register.is_prefetchable))


def test_a_line_says_what_a_device_is() -> None:
    model = pci_model("e1000")
    assert (model.vendor, model.device, model.class_code) == (0x8086, 0x100E, 0x0200)
    assert model.subsystem == (0x1AF4, 0x1100)
    assert model.registers == (
        Register(0, is_io=False, is_wide=False, is_prefetchable=False, size=128 << 10),
        Register(1, is_io=True, is_wide=False, is_prefetchable=False, size=64),
        Register(6, is_io=False, is_wide=False, is_prefetchable=False, size=256 << 10),
    )


@pytest.mark.parametrize(("name", "other"), sorted(SAME.items()))
def test_some_look_like_others(name: str, other: str) -> None:
    assert pci_model(name) == pci_model(other)
    if f"{other}-transitional" in MODELS:
        assert pci_model(f"{name}-transitional") == pci_model(f"{other}-transitional")


def test_what_nobody_knows_is_of_no_class() -> None:
    model = pci_model("nobody-knows")
    assert (model.class_code, model.registers) == (0x00FF, ())
