# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as a movie, written by Blender's own sequencer in a scene that is gone afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy

from ...core.errors import StorageError
from ...core.files.file_names import numbered
from ...core.image import images
from ..capture import scene_copy


def write(
    pictures: Sequence[Path], path: Path, rate: int | None = None, quality: str = "HIGH"
) -> Path:
    """An MP4 of pictures of one size; its path.

    rate: frames a second; None for the user's scene's. quality: as FFmpeg's settings call it.

    A file that is there stays: a number is put behind the name. Raises StorageError.
    """
    path = next(
        free
        for free in (path.with_name(name) for name in numbered(path.stem, path.suffix))
        if not free.exists()
    )
    user: Any = bpy.context.scene
    first = images.probe(images.read_file(pictures[0]))
    scene: Any = bpy.data.scenes.new("genai_render movie")
    try:
        editor = scene.sequence_editor_create()
        strips = editor.strips if hasattr(editor, "strips") else editor.sequences
        strip = strips.new_image("pictures", str(pictures[0]), 1, 1)
        # Each lies in a folder of its own: one strip a picture, since a strip has one folder.
        if hasattr(strip, "frame_final_duration"):
            strip.frame_final_duration = 1
        for number, picture in enumerate(pictures[1:], start=2):
            strips.new_image(f"pictures {number}", str(picture), 1, number).frame_final_duration = 1
        render = scene.render
        # H.264 takes even sides only.
        render.resolution_x, render.resolution_y = first.width // 2 * 2, first.height // 2 * 2
        render.resolution_percentage = 100
        render.fps, render.fps_base = user.render.fps, user.render.fps_base
        if rate is not None:
            render.fps, render.fps_base = rate, 1.0
        scene.frame_start, scene.frame_end = 1, len(pictures)
        scene.view_settings.view_transform = "Standard"
        settings = render.image_settings
        if hasattr(settings, "media_type"):
            settings.media_type = "VIDEO"
        settings.file_format = "FFMPEG"
        render.ffmpeg.format = "MPEG4"
        render.ffmpeg.codec = "H264"
        render.ffmpeg.constant_rate_factor = quality
        render.use_file_extension = False
        render.use_sequencer = True
        render.filepath = str(path)
        with scene_copy.unnoticed():
            bpy.ops.render.render(animation=True, scene=scene.name)
    except RuntimeError as error:
        raise StorageError(
            f'The movie "{path.name}" cannot be written.',
            " ".join(str(error).split()),
            "The pictures are there.",
        ) from error
    finally:
        bpy.data.scenes.remove(scene)
    if not path.exists():
        raise StorageError(
            f'The movie "{path.name}" was not written.', "", "The pictures are there."
        )
    return path
