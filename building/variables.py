# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment variables of the processes that are started."""

from __future__ import annotations

import os

from .project import Project


def clean_environ(**extra: str) -> dict[str, str]:
    """The environment variables, less those that would bring another Python's packages in."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    kept.update(extra)
    return kept


def bpy_environ(project: Project) -> dict[str, str]:
    """For processes that use bpy: with user files of the checkout's own.

    bpy shares those of a Blender that is installed, and its factory settings remove the packages
    of that Blender's extensions.
    """
    folder = project.cache / "blender-user"
    folder.mkdir(parents=True, exist_ok=True)
    return clean_environ(BLENDER_USER_RESOURCES=str(folder))
