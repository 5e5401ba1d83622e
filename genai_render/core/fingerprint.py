# SPDX-License-Identifier: GPL-3.0-or-later
"""What a picture was made of, as a short text: the same for the same request of the same view.

The seed is no part of it: where no one chose it, another one does not make a picture outdated. Nor
is what only says where a picture belongs.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .request import RenderRequest

KEY = "fingerprint"
"""Of a result's info."""

_NOT_OF_IT = ("seed", "batch", "parent", "canvas")
_PLANES = ("color", "depth", "normal", "albedo")


def of(request: RenderRequest) -> str:
    values = {name: value for name, value in request.to_json().items() if name not in _NOT_OF_IT}
    digest = hashlib.blake2b(
        json.dumps(values, sort_keys=True, default=str).encode(), digest_size=16
    )
    for name in _PLANES:
        plane = None if request.canvas is None else getattr(request.canvas, name)
        if plane is not None:
            digest.update(f"{name} {plane.shape} {plane.dtype}".encode())
            digest.update(np.ascontiguousarray(plane).data)
    return digest.hexdigest()
