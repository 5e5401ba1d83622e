# SPDX-License-Identifier: GPL-3.0-or-later
"""Small requests, canvases and results for the tests of History."""

from __future__ import annotations

from typing import Any

import numpy as np

from genai_render.core.events import Result
from genai_render.core.image import images
from genai_render.core.request import Reference, RenderRequest
from genai_render.core.view.canvas import Canvas, View

WIDTH, HEIGHT = 64, 48


def pixels(seed: int = 0, width: int = WIDTH, height: int = HEIGHT, channels: int = 3):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def png(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    return images.encode_png(pixels(seed, width, height))


def canvas(seed: int = 0, **view: Any) -> Canvas:
    """Random surfaces from 0.5 to 80 m, with nothing in the upper quarter."""
    rng = np.random.default_rng(seed)
    depth = rng.uniform(0.5, 80, (HEIGHT, WIDTH)).astype(np.float32)
    normal = rng.normal(size=(HEIGHT, WIDTH, 3))
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    color = pixels(seed, channels=4)
    empty = slice(0, HEIGHT // 4)
    depth[empty], normal[empty], color[empty] = np.inf, 0, 0
    facts = {"blend_name": "Street.blend", "scene": "Scene", "camera": "Camera", "frame": 7}
    return Canvas(
        color,
        depth,
        normal.astype(np.float32),
        View(WIDTH, HEIGHT, **{**facts, **view}),  # pyright: ignore[reportArgumentType]
        pixels(seed + 1),
    )


def request(prompt: str = "golden hour", **values: Any) -> RenderRequest:
    return RenderRequest(prompt, **values)


def full_request(seed: int = 0) -> RenderRequest:
    """A request with everything in it."""
    return RenderRequest(
        "golden hour, watercolour",
        style="comic",
        aspect="4:3",
        seed=11,
        mode="quality",
        references=(
            Reference(png(seed + 2), "Paint.png", "style", 0.5),
            Reference(images.encode_jpeg(pixels(seed + 3)), "Brick.jpg", "material", 1.0),
        ),
        canvas=canvas(seed),
        options={"strength": 0.75, "steps": 20, "sampler": "euler", "tiled": True},
        enhance=True,
        scene_text="A street with two cars.",
    )


def result(number: int = 0, **values: Any) -> Result:
    facts: dict[str, Any] = {"mime": "image/png", "width": WIDTH, "height": HEIGHT, "ai": False}
    return Result(png(number + 100), **{**facts, **values})
