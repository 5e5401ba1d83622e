# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen in the sidebar, the menus, the status bar and the Properties editor."""

from __future__ import annotations

from typing import Any

from ...core import lazy

__getattr__ = lazy.submodules(__name__)


def _modules() -> tuple[Any, ...]:
    """Those with panels and menus, in the order of registering."""
    from . import (
        history,
        image_actions,
        main,
        menus,
        model_picker,
        output,
        packs,
        references,
        render_properties,
        result,
        servers,
        spending,
    )

    return (
        *(main, model_picker, output, servers, references, image_actions, result, history),
        *(packs, spending, menus, render_properties),
    )


def register() -> None:
    for module in _modules():
        module.register()


def unregister() -> None:
    for module in reversed(_modules()):
        module.unregister()
