# SPDX-License-Identifier: GPL-3.0-or-later
"""What is loaded when Blender starts with the extension: its classes, and little else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_START = """
import json, sys
import bpy, genai_render
before = set(sys.modules)
genai_render.register()
print(json.dumps(sorted(set(sys.modules) - before)), flush=True)
"""
# Each takes more time than all of the start may: dataclasses, the catalog, SDKs, arrays.
_LATER = (
    *("core.view.canvas", "core.models.catalog", "core.keys.credentials", "core.events"),
    *("core.image.images", "core.files.storage"),
    *("core.jobs", "core.preflight", "core.request", "engine", "backends.http.settings"),
    *("blender.catalog", "blender.connections.keys", "blender.jobs.session"),
    *("blender.capture.viewport", "blender.cli.running", "blender.render_engine.frame_render"),
)
_NEVER_AT_START = ("numpy", "PIL", "sqlite3", "openai", "google", "keyring", "tomllib")


def test_what_no_class_needs_is_not_loaded_yet() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _START],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,  # bpy 4.2 crashes when its interpreter ends
    )
    # Blender has words of its own when it ends.
    lists = [line for line in done.stdout.splitlines() if line.startswith("[")]
    assert lists, done.stderr
    loaded = set(json.loads(lists[0]))
    assert "genai_render.blender.operators.generate" in loaded
    assert not loaded & {f"genai_render.{name}" for name in _LATER}
    assert not loaded & set(_NEVER_AT_START)
