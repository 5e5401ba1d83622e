# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that are loaded when something of them is first used, not when Blender starts.

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy.module("numpy")
"""

from __future__ import annotations

import importlib
from typing import Any


class _Lazy:
    """Stands for a module. Loading it twice at once, in two threads, does no harm."""

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(importlib.import_module(self._name), attribute)
        self.__dict__[attribute] = value  # found without this detour from now on
        return value

    def __repr__(self) -> str:
        return f"<{self._name}, loaded when it is first used>"


def module(name: str) -> Any:
    """What stands for the module of that full name. It raises ImportError when it is used."""
    return _Lazy(name)
