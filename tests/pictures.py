# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the pictures that ship: the style previews in data/styles and those of the README in docs.

    .venv/bin/python -m tests.pictures [previews] [docs]

They come from the sample scenes through the real capture and the real offline engine, so that they
cannot promise what the product does not do. Needs the bpy module.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

import bpy
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from genai_render.backends.base import create_backend
from genai_render.blender.capture import CaptureSpec, capture
from genai_render.core.events import CancelToken, Result
from genai_render.core.models import catalog
from genai_render.core.request import RenderRequest
from genai_render.core.view import guides
from genai_render.core.view.canvas import Canvas

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "pictures"

PREVIEW_SIDE = 256
WORDS = (
    ("street", "golden hour"),
    ("street", "moonlight"),
    ("street", "foggy morning"),
    ("interior", "watercolor"),
    ("interior", "pencil sketch"),
    ("interior", "oil painting"),
    ("product", "ink drawing, cross-hatching"),
    ("product", "blueprint"),
    ("product", "pixel art"),
)


def picture(canvas: Canvas, prompt: str, style: str = "auto", seed: int = 7) -> Image.Image:
    request = RenderRequest(
        prompt, style=style, seed=seed, canvas=canvas, width=canvas.width, height=canvas.height
    )
    for event in create_backend("offline").run(request, CancelToken()):
        if isinstance(event, Result):
            return Image.open(io.BytesIO(event.image)).convert("RGB")
    raise RuntimeError("the offline engine gave no image")


def scene_canvas(name: str, width: int, height: int) -> Canvas:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    import_module(f"tests.scenes.{name}").build()
    return capture(bpy.context, CaptureSpec(width, height, mode="balanced"))


def previews() -> None:
    canvas = scene_canvas("product", PREVIEW_SIDE * 3, PREVIEW_SIDE * 3)
    for style in catalog.shipped().styles.values():
        image = picture(canvas, "as it is", style.id)
        image = image.resize((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.LANCZOS)
        path = catalog.DATA / style.preview
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, "WEBP", quality=86, method=6)
        print(path.relative_to(ROOT))


def docs() -> None:
    DOCS.mkdir(parents=True, exist_ok=True)
    canvases = {name: scene_canvas(name, 1152, 768) for name in ("product", "interior", "street")}
    styles = catalog.shipped().styles.values()
    canvas = canvases["product"]
    shown = [("The view", Image.fromarray(canvas.color).convert("RGB"))]
    shown += [(style.label, picture(canvas, "as it is", style.id)) for style in styles]
    _sheet(shown, 3, DOCS / "styles.webp")
    words = [(f"“{prompt}”", picture(canvases[name], prompt)) for name, prompt in WORDS]
    _sheet(words, 3, DOCS / "words.webp")
    _sheet(list(_planes(canvases["interior"])), 2, DOCS / "canvas.webp")


def _planes(canvas: Canvas) -> Iterator[tuple[str, Image.Image]]:
    yield "Colour", Image.fromarray(canvas.color).convert("RGB")
    near, far = canvas.depth_range() or (0.0, 1.0)
    inverse = np.where(canvas.covered, 1 / np.maximum(canvas.depth, 1e-6), 0)
    grey = (inverse - 1 / far) / (1 / near - 1 / far)
    yield "Depth", Image.fromarray((np.clip(grey, 0, 1) * 255).astype(np.uint8)).convert("RGB")
    yield "Normals", Image.fromarray(guides.encode_normal(canvas.normal))
    if canvas.albedo is not None:
        yield "Surface colour", Image.fromarray(canvas.albedo)


def _sheet(shown: Sequence[tuple[str, Image.Image]], columns: int, path: Path) -> None:
    """Pictures side by side, each with its name below."""
    width = 1800 // columns
    height = round(width * shown[0][1].height / shown[0][1].width)
    label, gap = 34, 8
    rows = -(-len(shown) // columns)
    sheet = Image.new(
        "RGB", (columns * (width + gap) - gap, rows * (height + label)), (255, 255, 255)
    )
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(20)
    for index, (name, image) in enumerate(shown):
        x = index % columns * (width + gap)
        y = index // columns * (height + label)
        sheet.paste(image.resize((width, height), Image.Resampling.LANCZOS), (x, y))
        draw.text((x + 4, y + height + 5), name, fill=(40, 40, 40), font=font)
    sheet.save(path, "WEBP", quality=84, method=6)
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["previews", "docs"]
    for part in wanted:
        {"previews": previews, "docs": docs}[part]()
