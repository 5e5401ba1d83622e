# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that are loaded when something of them is first used, not when Blender starts.

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy.module("numpy")
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


class _Lazy:
    """Stands for a module; what is got from it and set on it is the module's own."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    @property
    def __dict__(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        # By this pytest tells what it has to put back.
        return vars(importlib.import_module(self._name))

    def __getattr__(self, attribute: str) -> Any:
        # Not sys.modules: there it stands as soon as another thread begins to load it.
        return getattr(importlib.import_module(self._name), attribute)

    def __setattr__(self, attribute: str, value: Any) -> None:
        setattr(importlib.import_module(self._name), attribute, value)

    def __delattr__(self, attribute: str) -> None:
        delattr(importlib.import_module(self._name), attribute)

    def __repr__(self) -> str:
        return f"<{self._name}, loaded when it is first used>"


def module(name: str) -> Any:
    """What stands for the module of that full name. It raises ImportError when it is used."""
    return _Lazy(name)


def submodules(package: str) -> Callable[[str], Any]:
    """A `__getattr__` for a package: `from package import module` loads the module only when
    something of it is used."""

    def submodule(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return module(f"{package}.{name}")

    return submodule
