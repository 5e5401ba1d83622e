# SPDX-License-Identifier: GPL-3.0-or-later
"""How much can be asked for: plain numbers, which Blender's properties need before all else."""

from __future__ import annotations

MIN_SIDE = 64
MAX_SIDE = 8192
"""Pixels, of an image that is made."""

MAX_COUNT = 4
MAX_REFERENCES = 2
MAX_SEED = 2**31 - 1
PROMPT_LIMIT = 2000
"""Letters as a person counts them."""
