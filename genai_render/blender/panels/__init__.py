# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen in the sidebar, the menus and the status bar."""

from __future__ import annotations

from . import (
    history,
    image_actions,
    main,
    menus,
    model_picker,
    output,
    references,
    result,
    servers,
    spending,
)

_MODULES = (
    main,
    model_picker,
    output,
    servers,
    references,
    image_actions,
    result,
    history,
    spending,
    menus,
)


def register() -> None:
    for module in _MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
