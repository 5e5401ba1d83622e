# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen in the sidebar, the menus and the status bar."""

from __future__ import annotations

from . import history, main, menus, result, servers, spending

_MODULES = (main, result, history, servers, spending, menus)


def register() -> None:
    for module in _MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
