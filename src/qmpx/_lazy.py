"""Names that a package exports without importing their modules.

Importing qmpx, or one of its packages, costs next to nothing: a module is imported when
the first of its names is used.
"""

import sys

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def lazy_names(
    package: str, homes: "Mapping[str, str]"
) -> "tuple[Callable[[str], Any], Callable[[], list[str]]]":
    """Return a package's ``__getattr__`` and ``__dir__``.

    Args:
        package: The package's ``__name__``.
        homes: For each exported name, the module in the package that holds it. None
            of these modules may have an exported name: it would take its place.
    """

    def look_up(name: str) -> "Any":
        from importlib import import_module  # who looks up nothing needs it not

        try:
            module = import_module(f"{package}.{homes.get(name, name)}")
        except ModuleNotFoundError as error:
            if error.name != f"{package}.{name}":
                raise
            message = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(message) from None
        value = getattr(module, name) if name in homes else module
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return look_up, names
