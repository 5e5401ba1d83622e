# SPDX-License-Identifier: GPL-3.0-or-later
"""How hypothesis runs here: never against the clock, and in CI always with the same examples."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile(
    "genai_render", deadline=None, derandomize=bool(os.environ.get("CI")), print_blob=True
)
settings.load_profile("genai_render")
