# SPDX-License-Identifier: GPL-3.0-or-later
"""ComfyUI: its API, its workflows, and jobs that are spread over several servers."""

from __future__ import annotations

from ....core import lazy

__getattr__ = lazy.submodules(__name__)
