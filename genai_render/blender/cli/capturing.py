# SPDX-License-Identifier: GPL-3.0-or-later
"""`capture`: the canvas only, as files."""

from __future__ import annotations

import argparse
import json

from ...console import Console
from ...core.framing import size_for
from ...core.images import encode_png
from ..capture.exr import write_exr
from . import shots
from .output_folder import OutputFolder


def capture_canvas(parsed: argparse.Namespace, console: Console) -> int:
    """Writes color.png, depth.exr, normal.exr and view.json; a folder a shot if there are more."""
    size = size_for(parsed.aspect, parsed.resolution, auto=shots.own_aspect(parsed))
    planned = shots.plan(parsed)
    several_frames = parsed.frames is not None
    with OutputFolder(parsed.output) as output, shots.kept_frame():
        for number, shot in enumerate(planned, start=1):
            name = shot.name(several_frames)
            console.progress((number - 1) / len(planned), f"Capturing {name}")
            canvas = shots.take(shot, size, parsed.mode)
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
            )
            console.line(str(folder))
    return 0
