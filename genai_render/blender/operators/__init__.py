# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that can be done: each action is an operator, so that F3, keys and scripts find it."""

from __future__ import annotations

from . import (
    actions,
    carrying,
    connections,
    download,
    editing,
    generate,
    history,
    log,
    mask_painting,
    models,
    packs,
    prompts,
    references,
    results,
    sending,
    servers,
    texturing,
    views,
)

_MODULES = (
    generate,
    editing,
    mask_painting,
    actions,
    carrying,
    sending,
    results,
    download,
    views,
    texturing,
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
