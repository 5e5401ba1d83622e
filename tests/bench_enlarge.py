# SPDX-License-Identifier: GPL-3.0-or-later
"""How good and how fast enlarging is: `python -m tests.bench_enlarge [PICTURE …]`.

Each picture is reduced to a quarter and enlarged again, by the network, by resampling as we do it,
and by Lanczos alone, and compared with what it was: by how far gradients are off (less is better),
by the deviation of the gradients' similarity (Xue et al. 2014, less is better) and by PSNR. Without
pictures, of the engine's own of two analytic scenes. Then 1K to 4K is timed, in a process of its
own, so that its memory is known.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genai_render.engine import Look, render
from genai_render.engine.enlarge.picture import enlarge
from tests.pure import synthetic

_TIMES = 4
_SIDE = 1024


def main(paths: list[str]) -> None:
    pictures = {path: np.asarray(Image.open(path).convert("RGB")) for path in paths} or _own()
    for name, truth in pictures.items():
        height, width = (side // _TIMES * _TIMES for side in truth.shape[:2])
        truth = truth[:height, :width]
        small = np.asarray(Image.fromarray(truth).reduce(_TIMES))
        lanczos = Image.fromarray(small).resize((width, height), Image.Resampling.LANCZOS)
        compared = {
            "Lanczos": np.asarray(lanczos),
            "resample": enlarge(small, _TIMES, method="resample")[0],
            "network": enlarge(small, _TIMES, method="network")[0],
        }
        print(f"{Path(name).stem}, {width} × {height} from {small.shape[1]} × {small.shape[0]}")
        usual = _gradient_error(compared["Lanczos"], truth)
        for method, picture in compared.items():
            share = _gradient_error(picture, truth) / usual
            print(
                f"  {method:9} gradients off by {share:4.0%} of Lanczos, "
                f"similarity deviates by {_deviation(picture, truth):.4f}, "
                f"PSNR {_psnr(picture, truth):.2f} dB"
            )
    context = multiprocessing.get_context("spawn")
    for method in ("resample", "network"):
        process = context.Process(target=_timed, args=(method,))
        process.start()
        process.join()


def _own() -> dict[str, NDArray[np.uint8]]:
    return {
        name: render(synthetic.canvas(name, _SIDE, _SIDE * 3 // 4), Look())
        for name in ("product", "street")
    }


def _timed(method: str) -> None:
    import resource

    small = np.random.default_rng(1).integers(0, 255, (_SIDE, _SIDE, 3)).astype(np.uint8)
    start = time.perf_counter()
    enlarge(small, _TIMES, method=method)  # pyright: ignore[reportArgumentType]
    seconds = time.perf_counter() - start
    own = time.process_time()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"1K to 4K by {method}: {seconds:.1f} s ({own:.1f} s of a core), {most:.2f} GB")


def _gradient(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    gray = picture.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.hypot(np.diff(gray, axis=1)[:-1], np.diff(gray, axis=0)[:, :-1])


def _gradient_error(picture: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    return float(np.abs(_gradient(picture) - _gradient(truth)).mean())


def _deviation(picture: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    one, other = _gradient(picture), _gradient(truth)
    alike = (2 * one * other + 170) / (one * one + other * other + 170)
    return float(alike.std())


def _psnr(picture: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    off = (picture.astype(np.float32) - truth) ** 2
    return float(10 * np.log10(255**2 / max(float(off.mean()), 1e-9)))


if __name__ == "__main__":
    main(sys.argv[1:])
