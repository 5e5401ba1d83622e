# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes the page of History an old one: jobs, and another file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy

from . import history_page, listeners

if TYPE_CHECKING:
    from ...core.jobs import JobEvent
    from .work import Work


def _heard(work: Work, event: JobEvent) -> None:
    history_page.hear(work, event)


@bpy.app.handlers.persistent
def _file_changed(*_: object) -> None:
    history_page.file_changed()


def register() -> None:
    listeners.listen(_heard)
    bpy.app.handlers.load_post.append(_file_changed)
    bpy.app.handlers.save_post.append(_file_changed)


def unregister() -> None:
    for handlers in (bpy.app.handlers.load_post, bpy.app.handlers.save_post):
        if _file_changed in handlers:
            handlers.remove(_file_changed)
