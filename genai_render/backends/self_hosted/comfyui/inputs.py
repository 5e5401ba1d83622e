# SPDX-License-Identifier: GPL-3.0-or-later
"""What of ours can go into a workflow."""

from __future__ import annotations

IMAGE_INPUTS = ("color", "depth", "normal", "mask", "source", "reference_1", "reference_2")
"""Images that a workflow may take, by the name of the input."""

INPUTS = (*IMAGE_INPUTS, "positive", "negative", "seed", "width", "height", "count")
"""Everything of ours that can have places in a workflow."""

LABELS = {
    "color": "the view",
    "depth": "the depth of the view",
    "normal": "the normals of the view",
    "mask": "a mask",
    "source": "an image to edit",
    "reference_1": "a reference image",
    "reference_2": "a second reference image",
}
