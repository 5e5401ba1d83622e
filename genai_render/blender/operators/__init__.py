# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that can be done: each action is an operator, so that F3, keys and scripts find it."""

from __future__ import annotations

from . import (
    connections,
    download,
    editing,
    generate,
    history,
    log,
    models,
    packs,
    prompts,
    references,
    results,
    servers,
    views,
)

_MODULES = (
    generate,
    editing,
    results,
    download,
    views,
    history,
    references,
    prompts,
    connections,
    servers,
    models,
    packs,
    log,
)


def register() -> None:
    for module in _MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
