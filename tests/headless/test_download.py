# SPDX-License-Identifier: GPL-3.0-or-later
"""What is downloaded has a name that every system takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import pytest

from genai_render.blender.jobs import session
from tests.pure.history_samples import request, result


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("harbor.png", "harbor.png"),
        ("harbor", "harbor.png"),
        ("harbor.jpg", "harbor.png"),
        ("CON.png", "_CON.png"),
        ("aux", "_aux.png"),
        ("com1.tar", "_com1.tar.png"),
        ("what? now:", "what_ now_.png"),
        ("trailing...", "trailing.png"),
        ("\u732b" * 100, "\u732b" * 83 + ".png"),
    ],
    ids=range(9),
)
def test_a_download_has_a_valid_name(prefs: Any, tmp_path: Path, typed: str, kept: str) -> None:
    prefs.history_folder = str(tmp_path / "history")
    (tmp_path / "out").mkdir()
    item = session.session().store.add(request("a cat"), result())
    bpy.ops.genai_render.download(id=item.id, format="PNG", filepath=str(tmp_path / "out" / typed))
    assert [path.name for path in (tmp_path / "out").iterdir()] == [kept]
