# SPDX-License-Identifier: GPL-3.0-or-later
"""`edit` within the mask of what a picture shows, by name."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from numpy.typing import NDArray

from genai_render.blender import cli
from genai_render.blender.batches.kept_canvas import KeptCanvases
from genai_render.blender.capture import CaptureSpec, capture
from genai_render.core.events import Result
from genai_render.core.history.store import HistoryStore
from genai_render.core.image import images
from genai_render.core.request import RenderRequest

from . import stage


class Edited:
    """A picture of the ball on the floor in a History, and what `edit` makes of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "history"
        stage.build(128)
        canvas = capture(bpy.context, CaptureSpec(320, 200, mode="fast"))
        self.ids = canvas.ids
        large = np.repeat(np.repeat(canvas.color[..., :3], 2, 0), 2, 1)
        made = Result(images.encode_png(large), "image/png", 640, 400)
        request = RenderRequest("daylight", canvas=canvas)
        old = request.with_(canvas=replace(canvas, ids=None))
        with HistoryStore(self.folder) as store:
            self.item = store.add(request, made).id
            self.old = store.add(old, made).id
        self.before = large

    def edit(self, *words: object) -> tuple[int, list[dict[str, Any]], str]:
        out = io.StringIO()
        given = ["edit", *words, "--prompt", "black and white, pencil", "--seed", 3]
        given += ["--history", self.folder, "--json"]
        code = cli.run([*map(str, given)], out)
        events = [json.loads(line) for line in out.getvalue().splitlines()]
        return code, events, out.getvalue()

    def changed(self, *words: object) -> NDArray[np.bool_]:
        """(200, 320): where an edit has changed the picture, two pixels in each direction as one.
        Where its mask is empty, it must not have."""
        code, events, said = self.edit(*words)
        assert code == 0, said
        (result,) = [event for event in events if event["event"] == "result"]
        after = images.decode(Path(result["path"]).read_bytes())
        assert after.shape[:2] == self.before.shape[:2]
        with HistoryStore(self.folder) as store:
            kept = store.request(result["id"]).mask
        assert kept is not None
        stays = images.decode(kept)[..., 3] == 255
        assert stays.any()
        assert (after[..., :3][stays] == self.before[stays]).all()
        differs = (after[..., :3] != self.before).any(-1)
        return differs.reshape(200, 2, 320, 2).any((1, 3))


@pytest.fixture
def edited(tmp_path, monkeypatch) -> Edited:
    monkeypatch.setenv("BLENDER_USER_RESOURCES", str(tmp_path / "user"))
    return Edited(tmp_path)


def test_only_what_is_named_is_changed(edited: Edited) -> None:
    assert edited.ids is not None
    ball = edited.ids.share_of(objects=["Ball"]) > 0
    changed = edited.changed(edited.item, "--object", "Ball")
    assert (changed <= stage.grown(ball)).all()
    assert (changed & ball).sum() > 0.9 * ball.sum()
    rest = edited.changed(edited.item, "--material", "Red", "--invert", "--grow", -3)
    assert not (rest & ball)[1:-1, 1:-1].any()
    both = edited.changed(edited.item, "--object", "Ball", "--object", "Floor")
    assert (both & ball).sum() > 0.9 * ball.sum()
    assert (both & ~stage.grown(ball)).sum() > ball.sum()


def test_errors_say_what_there_is(edited: Edited, tmp_path: Path) -> None:
    code, _, said = edited.edit(edited.item, "--object", "Bal")
    assert code == 2
    assert '\\"Ball\\", \\"Floor\\"' in said
    code, _, said = edited.edit(edited.item, "--collection", "Props")
    assert code == 2
    assert "nothing of that kind" in said
    mask = tmp_path / "mask.png"
    mask.write_bytes(images.encode_png(np.zeros((400, 640, 4), np.uint8)))
    code, _, said = edited.edit(edited.item, "--mask", mask, "--object", "Ball")
    assert code == 2
    picture = tmp_path / "picture.png"
    picture.write_bytes(images.encode_png(edited.before))
    code, _, said = edited.edit(picture, "--object", "Ball")
    assert code == 2
    assert "id of an image in History" in said


def test_an_old_picture_is_looked_at_again(edited: Edited) -> None:
    code, _, said = edited.edit(edited.old, "--object", "Ball")
    assert code == 2
    assert "--recapture" in said
    first = edited.changed(edited.item, "--object", "Ball")
    again = edited.changed(edited.old, "--object", "Ball", "--recapture")
    assert stage.agree_to_a_pixel(first, again)
    bpy.context.scene.name = "Another"
    code, _, said = edited.edit(edited.old, "--object", "Ball", "--recapture")
    assert code == 7
    assert "Another" in said


def test_a_batch_keeps_the_objects_of_its_views(edited: Edited, tmp_path: Path) -> None:
    with HistoryStore(edited.folder) as store:
        canvas = store.canvas(edited.item)
    assert canvas is not None
    assert canvas.ids is not None
    KeptCanvases(tmp_path / "views").keep("shot", canvas)
    again = KeptCanvases(tmp_path / "views").find("shot")
    assert again is not None
    assert again.digest() == canvas.digest()
