# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender is closed while a picture is being made."""

from __future__ import annotations

import contextlib
from pathlib import Path

from .blender_window import BlenderWindow
from .test_panel import _SLOW, WORKS


def test_closing_blender_ends_the_jobs(scene: BlenderWindow) -> None:
    """Cancelled within seconds, nothing half done, and no crash."""
    scene.run(_SLOW + "Paced.seconds = 600")
    scene.run("bpy.context.scene.genai_render.prompt = 'golden hour'")
    folder = Path(scene.run("answer = str(ours('jobs.session').session().store.folder)"))
    scene.run("with override(): bpy.ops.genai_render.generate()")
    scene.wait_for(f"({WORKS}) == 1")
    with contextlib.suppress(AssertionError, OSError):
        scene.run("bpy.ops.wm.quit_blender()", bare=True)
    assert scene.process.wait(60) == 0
    assert not list((folder / "writing").iterdir())
    assert not list(folder.glob("results/*/*/*/image.*"))
