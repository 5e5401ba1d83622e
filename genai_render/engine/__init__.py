# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded offline renderer: a Canvas lit, graded and drawn again, with numpy and Pillow.

Its rooms, each of which imports only from rooms above it in this list (and from `core`):

- raster: arrays of pixels, colors and noise, work in bands on all cores, progress
- look: what a picture should be like, as plain data, and what the words of a prompt change in it
- scene: a canvas as planes of a camera's view, what kind of view it is, the light that is in it
- grade: tone mapping, color grading, reference images as palettes
- light: lamps, shadows, sky and air: the small lighting plan and how it comes to full size
- lines: feature lines, found and drawn
- strokes: directions on surfaces, hatching, brushes
- media: one medium a file, drawn with lines and strokes
- finish: depth of field, edge smoothing, weather and lens effects, neural style
- texture: pictures baked into the textures of what they show; stands beside the others

`picture` is the way through all of them.
"""

from .grade.palette import Palette
from .grade.repaint import repainted
from .light.lighting_plan import Quality
from .light.stage import Stage
from .look.look import Look
from .look.paints import Wish, named, obeyed, wishes
from .look.terms import Reading, read
from .picture import render, stage_for
from .raster.progress import Step

__all__ = [
    "Look",
    "Palette",
    "Quality",
    "Reading",
    "Stage",
    "Step",
    "Wish",
    "named",
    "obeyed",
    "read",
    "render",
    "repainted",
    "stage_for",
    "wishes",
]
