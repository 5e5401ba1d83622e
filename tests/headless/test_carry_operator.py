# SPDX-License-Identifier: GPL-3.0-or-later
"""Same Look, Next Camera as scripts call it, without a window."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import bpy
import pytest

from genai_render.backends.offline import OfflineBackend
from genai_render.blender import addon
from genai_render.blender.background import Background
from genai_render.blender.capture import CaptureSpec, capture
from genai_render.blender.jobs import request_builder, session
from genai_render.core.events import CancelToken, Result
from genai_render.core.history import scene_matches
from genai_render.core.request import RenderRequest

from . import stage


def _wait() -> None:
    """What the timer does in a window."""
    current = session.session()
    end = time.monotonic() + 300
    while current.works():
        assert time.monotonic() < end
        current.follow()
        time.sleep(0.05)
    current.follow()  # what it told last
    waiting = addon.state(Background)
    while waiting.pending:
        assert time.monotonic() < end
        waiting.take()
        time.sleep(0.05)


def test_from_every_view_that_can_be_chosen(prefs: Any, tmp_path: Path) -> None:
    prefs.history_folder = str(tmp_path / "history")
    stage.build(around=96)
    stage.camera("Second", (2.2, -6.6, 3.0), roll=0.0)
    canvas = capture(bpy.context, CaptureSpec(256, 192, mode="fast"))
    request = RenderRequest("golden hour", canvas=canvas, seed=3)
    result = next(
        event for event in OfflineBackend().run(request, CancelToken()) if isinstance(event, Result)
    )
    store = session.session().store
    made = store.add(request, result)
    things = sorted(thing.name for thing in bpy.data.objects)
    bpy.ops.genai_render.next_camera(id=made.id, target="CAMERA Second")
    _wait()
    (second,) = store.search(parent=made.id)
    assert second.camera == "Second"
    assert (second.width, second.height) == (256, 192)
    found = scene_matches.kept(second.folder)
    assert found is not None
    assert not found.left(scene_matches.LIMIT)
    assert (second.folder / scene_matches.HEAT).exists()
    bpy.ops.genai_render.next_camera(id=made.id, target="ALL")
    _wait()
    bpy.ops.genai_render.next_camera(id=made.id, target="TURNTABLE", views=3)
    _wait()
    assert [told.text for told in session.session().told if told.is_error] == []
    assert len(store.search(parent=made.id)) == 4
    assert sorted(thing.name for thing in bpy.data.objects) == things
    # Of a picture that no view made, nothing can be carried.
    plain = store.add(request.with_(canvas=None), result)
    with pytest.raises(RuntimeError, match="without a view"):
        bpy.ops.genai_render.next_camera(id=plain.id, target="ALL")


def test_what_has_left_the_scene_is_made_once_more_and_no_more(prefs: Any, tmp_path: Path) -> None:
    prefs.history_folder = str(tmp_path / "history")
    stage.build(around=48)
    canvas = capture(bpy.context, CaptureSpec(256, 192, mode="fast"))
    request = RenderRequest("golden hour", model="offline", canvas=canvas, seed=3)
    current = session.session()

    def made() -> int:
        current.submit(request_builder.for_request(request))
        _wait()
        _wait()  # for what the comparison has started
        return len(current.store.search())

    prefs.scene_limit = 0.001  # so that every image has left it
    assert made() == 1, "unless it is wished for"
    prefs.scene_again = True
    assert made() == 3
    newest = current.store.search()[0]
    assert newest.parent
    assert newest.seed != 3
    prefs.scene_limit = 60.0
    assert made() == 4, "what keeps to the scene is not"
