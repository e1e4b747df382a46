"""Types of objects, as a profile tells them; boards and models likewise."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

from qmpx.errors import CommandError
from qmpx.machine import Machine
from qmpx.machine.qom.types import (
    ModelFacts,
    ObjectTemplate,
    PciHeader,
    Property,
    Template,
    ancestors,
)

MAX_REMEMBERED: Final = 512
"""Types whose properties are kept, for each profile: most machines use some dozens."""

_FIXED: Final = frozenset({"ISA", "IDE", "System", "virtio-bus", "i2c-bus", "HDA"})
_NOT_WHILE_ON: Final = frozenset(
    {
        *("acpi-erst", "amd-iommu", "intel-iommu", "ipmi-bmc-extern", "pxb", "pxb-cxl"),
        *("pxb-pcie", "vfio-pci-igd-lpc-bridge", "vfio-pci-nohotplug"),
        *("vhost-user-gpu", "vhost-user-gpu-pci", "vhost-user-vga", "virtio-vga-gl"),
        *("virtio-gpu-device", "virtio-gpu-gl-device", "virtio-gpu-gl-pci"),
    }
)  # what cannot be made for a capture, or is on a bus that allows nothing
_GIVEN: Final = frozenset(
    {"drive", "memdev", "cryptodev", "chassis_nr", "serial", "memaddr", "legacy-addr"}
)  # what a model was given when it was captured, or got for its place
_OF_PLACES: Final = frozenset({"addr", "legacy-addr", "acpi-index"})
_LISTED: Final = re.compile(r'name "([^"]+)"(?:, bus ([\w-]+))?(?:, alias "([^"]+)")?')


class Told(Protocol):
    """What a profile has to be able to tell."""

    def find(self, command: str, arguments: str, accelerator: str) -> bytes | None:
        """Return what the binary answers, as JSON; ``None`` if that is not known."""

    def text(self, question: str) -> str | None:
        """Return what the program prints for an option such as ``-device help``."""


class ProfileTypes:
    """The types that a profile knows.

    Args:
        profile: The profile. What is decoded of it is kept, for all machines.
    """

    def __init__(self, profile: Told) -> None:
        self._profile = profile
        self._parents: dict[str, str | None] | None = None
        self._abstract: set[str] = set()
        self._models: dict[str, ModelFacts] | None = None
        self._lineages: dict[str, tuple[str, ...]] = {}
        self._lists: dict[tuple[str, str], dict[str, Property]] = {}
        self._templates: dict[tuple[str, str], Template | None] = {}
        self._headers: dict[str, PciHeader | None] = {}
        self._versions: dict[str, dict[str, dict[str, Any]]] = {}

    def _ask(self, command: str, **arguments: Any) -> Any:
        text = json.dumps(arguments, sort_keys=True, separators=(",", ":"))
        try:
            told = self._profile.find(command, text, "tcg")
        except CommandError:
            return None
        return None if told is None else json.loads(told)

    def _kinds(self) -> dict[str, str | None]:
        if self._parents is None:
            told = self._ask("qom-list-types", abstract=True)
            told = told or self._ask("qom-list-types") or []
            self._parents = {kind["name"]: kind.get("parent") for kind in told}
            self._abstract = {kind["name"] for kind in told if kind.get("abstract")}
            self._parents.setdefault("object", None)
        return self._parents

    def parent(self, name: str) -> str | None:
        """Return a type's parent.

        Raises:
            LookupError: There is no such type.
        """
        return self._kinds()[name]

    def is_abstract(self, name: str) -> bool:
        """Tell whether there are no objects of just that type."""
        self._kinds()
        return name in self._abstract

    def lineage(self, name: str) -> tuple[str, ...]:
        """Return a type and those it derives from."""
        if name not in self._lineages:
            self._lineages[name] = tuple(ancestors(self, name))
        return self._lineages[name]

    def properties(self, name: str) -> Mapping[str, Property]:
        """Return a type's properties by name, with those it inherits."""
        return self._list("qom-list-properties", name)

    def device_properties(self, name: str) -> Mapping[str, Property]:
        """Return those that a user may give to a device."""
        return self._list("device-list-properties", name)

    def _list(self, command: str, name: str) -> dict[str, Property]:
        known = self._lists.get((command, name))
        if known is None:
            known = {
                item["name"]: Property(
                    item["type"], item.get("description"), item.get("default-value")
                )
                for item in self._ask(command, typename=name) or ()
            }
            if command == "qom-list-properties":
                known.setdefault("type", Property("string"))
            if len(self._lists) >= 2 * MAX_REMEMBERED:
                self._lists.clear()
            self._lists[command, name] = known
        return known

    def model(self, name: str) -> ModelFacts | None:
        """Return a device model by its name or its alias; ``None`` if it is none."""
        if self._models is None:
            self._models = {}
            listed = _LISTED.findall(self._profile.text("-device help") or "")
            for called, bus, alias in listed:
                facts = ModelFacts(called, bus or None)
                self._models[called] = facts
                if alias:
                    self._models.setdefault(alias, facts)
        facts_ = self._models.get(name)
        if facts_ is None:
            return None
        if facts_.name in _NOT_WHILE_ON:
            return ModelFacts(facts_.name, facts_.bus, is_hotpluggable=False)
        template = self.template("model", facts_.name)
        if template is None:
            return facts_
        can = template[""].values.get("hotpluggable", False)
        can = can or facts_.bus in _FIXED  # it is the bus that does not allow it
        return ModelFacts(facts_.name, facts_.bus, is_hotpluggable=bool(can))

    def listing(self, question: str) -> str | None:
        """Return what the program prints for an option such as ``-device help``."""
        return self._profile.text(question)

    def template(self, kind: str, name: str) -> Template | None:
        """Return the objects of a ``board`` or a ``model``, if that is known."""
        if (kind, name) not in self._templates:
            word = "typename" if kind == "model" else "name"
            told = self._ask(f"x-qmpx-{kind}", **{word: name})
            made: Template | None = None
            if told is not None:
                made = {
                    path: ObjectTemplate(
                        facts["type"],
                        {
                            name: value
                            for name, value in facts.get("values", {}).items()
                            if kind == "board" or name not in _GIVEN
                        },
                        facts.get("more", {}),
                        frozenset(facts.get("less", ())),
                    )
                    for path, facts in told.items()
                }
            if len(self._templates) >= MAX_REMEMBERED:
                self._templates.clear()
            self._templates[kind, name] = made
        return self._templates[kind, name]

    def of_version(self, board: str) -> Mapping[str, Mapping[str, Any]]:
        """Return the values by type that differ from those on the newest board."""
        if board not in self._versions:
            told = self._ask("x-qmpx-version", name=board) or {}
            if len(self._versions) >= MAX_REMEMBERED:
                self._versions.clear()
            self._versions[board] = {
                kind: {k: v for k, v in values.items() if k not in _OF_PLACES}
                for kind, values in told.items()
            }
        return self._versions[board]

    def pci_facts(self, name: str) -> PciHeader | None:
        """Return what a PCI device of a type shows; ``None`` if that is not known."""
        if name not in self._headers:
            told = self._ask("x-qmpx-pci", typename=name)
            if len(self._headers) >= MAX_REMEMBERED:
                self._headers.clear()
            self._headers[name] = told and PciHeader(
                bytes.fromhex(told["header"]),
                {int(register): mask for register, mask in told["windows"].items()},
            )
        return self._headers[name]


_KNOWN: WeakKeyDictionary[Any, ProfileTypes] = WeakKeyDictionary()


def use_types(machine: Machine, profile: Told) -> None:
    """Let a machine have the types of a profile, before anybody looks at objects."""
    types = _KNOWN.get(profile)
    if types is None:
        types = _KNOWN[profile] = ProfileTypes(profile)
    machine.qom.types = types
