# SPDX-License-Identifier: GPL-3.0-or-later
"""`capture`: the canvas only, as files."""

from __future__ import annotations

import argparse
import json

from ...console import Console
from ...core.errors import SceneError
from ...core.framing import size_for
from ...core.image.images import encode_png
from ..capture.exr import write_exr
from . import shots
from .output_folder import OutputFolder


def capture_canvas(parsed: argparse.Namespace, console: Console) -> int:
    """Writes color.png, depth.exr, normal.exr and view.json; a folder a shot if there are more.

    A camera or frame that sees nothing ends none of the others; the exit code says so in the end.
    """
    size = size_for(parsed.aspect, parsed.resolution, auto=shots.own_aspect(parsed))
    planned = shots.plan(parsed)
    several_frames = parsed.frames is not None
    told: set[str] = set()
    exit_code = 0
    with OutputFolder(parsed.output) as output, shots.kept_frame():
        for number, shot in enumerate(planned, start=1):
            name = shot.name(several_frames)
            message = f"Capturing {name}"
            console.progress((number - 1) / len(planned), message)

            def progress(done: float, before: int = number - 1, message: str = message) -> None:
                console.progress((before + done) / len(planned), message)

            try:
                canvas = shots.take(shot, size, parsed.mode, progress)
            except SceneError as error:
                if len(planned) == 1:
                    raise
                exit_code = error.exit_code
                console.error(shot.failed(error))
                continue
            for text in canvas.notices:
                if text not in told:
                    told.add(text)
                    console.notice(text)
            folder = output.path
            if len(planned) > 1:
                folder = output.make_folder(name)
            (folder / "color.png").write_bytes(encode_png(canvas.color))
            write_exr(folder / "depth.exr", canvas.depth)
            write_exr(folder / "normal.exr", canvas.normal)
            view = json.dumps(canvas.view.to_json(), indent=2)
            (folder / "view.json").write_text(view + "\n", encoding="utf-8")
            console.event(
                "canvas",
                path=str(folder),
                width=canvas.width,
                height=canvas.height,
                camera=shot.camera,
                frame=shot.frame,
                depth_range=canvas.depth_range(),
                notices=canvas.notices,
            )
            console.line(str(folder))
    return exit_code
