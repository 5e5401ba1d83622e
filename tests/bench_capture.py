# SPDX-License-Identifier: GPL-3.0-or-later
"""What the samples of a capture's color cost and what they are worth: `build.py bench --capture`.

For the three sample scenes: processor time as a ratio to one sample of the same scene, and how near
the canvas, and the picture that the offline engine makes of it, come to those of many samples, as
SSIM (1: the same). All in one process, so that a machine with other work shifts the ratios little.
"""

from __future__ import annotations

import io
import time
from importlib import import_module

import numpy as np
from PIL import Image

SCENES = ("product", "interior", "street")
SAMPLES = (1, 2, 3, 4, 6, 8, 12, 24)


def blurred(plane, sigma: float = 1.5):
    """By a Gaussian, along both axes."""
    reach = round(3.5 * sigma)
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    for axis in (0, 1):
        pads = [(reach, reach) if axis == i else (0, 0) for i in range(plane.ndim)]
        padded = np.pad(plane, pads, mode="reflect")
        length = plane.shape[axis]
        plane = sum(
            weight * padded.take(range(start, start + length), axis)
            for start, weight in enumerate(weights)
        )
    return plane


def ssim(first, second) -> float:
    """Wang's structural similarity of two 8-bit pictures, the mean of their channels."""
    a, b = first[..., :3].astype(np.float64), second[..., :3].astype(np.float64)
    mean_a, mean_b = blurred(a), blurred(b)
    variance_a, variance_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    covariance = blurred(a * b) - mean_a * mean_b
    low, high = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    alike = (2 * mean_a * mean_b + low) * (2 * covariance + high)
    return float(
        (alike / ((mean_a**2 + mean_b**2 + low) * (variance_a + variance_b + high))).mean()
    )


def picture(canvas):
    """What the offline engine makes of a canvas."""
    from genai_render.backends.offline import OfflineBackend
    from genai_render.core.events import CancelToken, Result
    from genai_render.core.request import RenderRequest

    request = RenderRequest(
        "studio light", model="offline", style="auto", seed=1, canvas=canvas,
        width=canvas.width, height=canvas.height,
    )  # fmt: skip
    for event in OfflineBackend().run(request, CancelToken()):
        if isinstance(event, Result):
            return np.asarray(Image.open(io.BytesIO(event.image)).convert("RGB"))
    raise RuntimeError("the offline engine gave no image")


def measure(name: str, width: int, height: int, most: int) -> None:
    import bpy

    from genai_render.blender.capture import CaptureSpec, capture

    bpy.ops.wm.read_factory_settings(use_empty=True)
    import_module(f"tests.scenes.{name}").build()
    bpy.context.scene.cycles.samples = most

    def take(samples: int | None, ids: bool = True):
        used = time.process_time()
        canvas = capture(bpy.context, CaptureSpec(width, height, samples=samples, ids=ids))
        return canvas, time.process_time() - used

    take(1)  # what Blender loads for the first render is no part of it
    without, with_ids = (min(take(None, ids)[1] for _ in range(2)) for ids in (False, True))
    print(f"{name:10}  objects   {with_ids / without:.3f} times as long", flush=True)
    wanted, _ = take(most)
    wanted_picture = picture(wanted)
    one = None
    for samples in SAMPLES:
        canvas, cpu = take(samples)
        one = one or cpu
        print(
            f"{name:10}{samples:9}{cpu / one:9.2f}{ssim(canvas.color, wanted.color):9.4f}"
            f"{ssim(picture(canvas), wanted_picture):9.4f}",
            flush=True,
        )


def main(width: int, most: int) -> int:
    height = max(64, round(width * 9 / 16))
    print(f"{width} × {height} pixels; against {most} samples\n")
    print(f"{'scene':10}{'samples':>9}{'ratio':>9}{'canvas':>9}{'picture':>9}")
    for name in SCENES:
        measure(name, width, height, most)
    return 0
