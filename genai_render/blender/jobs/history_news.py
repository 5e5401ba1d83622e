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
def _file_saved(*_: object) -> None:
    history_page.file_saved()


@bpy.app.handlers.persistent
def _file_opened(*_: object) -> None:
    history_page.file_opened()


def register() -> None:
    listeners.listen(_heard)
    bpy.app.handlers.load_post.append(_file_opened)
    bpy.app.handlers.save_post.append(_file_saved)


def unregister() -> None:
    bpy.app.handlers.load_post.remove(_file_opened)
    bpy.app.handlers.save_post.remove(_file_saved)
