# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions on a finished picture as operators, and on the command line."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

bpy = pytest.importorskip("bpy")

sys.path.insert(0, str(Path(__file__).parents[1] / "pure"))

import synthetic  # noqa: E402

from genai_render.blender import addon, cli  # noqa: E402
from genai_render.blender.capture import CaptureSpec, capture  # noqa: E402
from genai_render.blender.jobs import history_page, session  # noqa: E402
from genai_render.blender.viewport import overlay  # noqa: E402
from genai_render.core.events import Result  # noqa: E402
from genai_render.core.history.store import HistoryStore  # noqa: E402
from genai_render.core.image import images  # noqa: E402
from genai_render.core.request import RenderRequest  # noqa: E402

WIDTH, HEIGHT = 160, 120


@pytest.fixture
def folder(prefs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """History's, of an add-on that is enabled."""
    monkeypatch.setattr(addon, "history_folder", lambda: tmp_path / "history")
    yield tmp_path / "history"
    addon.discard_all()


def kept() -> str:
    """The id of a picture with a view, in History."""
    canvas = synthetic.canvas("product", WIDTH, HEIGHT)
    image = images.encode_png(np.ascontiguousarray(canvas.color[..., :3]))
    request = RenderRequest(prompt="a still life", model="gpt-image-2", canvas=canvas)
    store = session.session().store
    return store.add(request, Result(image, "image/png", WIDTH, HEIGHT, cost_usd=0.04)).id


def newest() -> Any:
    return session.session().store.search()[0]


def act(item_id: str, **wish: Any) -> Any:
    """Press it, and give what has come."""
    assert bpy.ops.genai_render.picture_action(id=item_id, **wish) == {"FINISHED"}
    end = time.monotonic() + 120
    while session.session().follow():
        assert time.monotonic() < end
        time.sleep(0.05)
    return newest()


def pixels(item: Any) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(item.image_path.read_bytes())))


def test_one_after_another_keeps_the_view(folder: Path) -> None:
    first = kept()
    relit = act(first, action="relight", azimuth=1.2)
    assert (relit.parent, relit.kind, relit.model) == (first, "edit", "offline-relight")
    assert (relit.width, relit.height, relit.cost_usd) == (WIDTH, HEIGHT, 0.0)
    larger = act(relit.id, action="upscale", times="2", method="resample")
    assert (larger.width, larger.height) == (WIDTH * 2, HEIGHT * 2)
    # Two steps from the view, at twice its size: what is background is known still.
    cut = act(larger.id, action="cutout", floor="remove")
    alpha = pixels(cut)[..., 3]
    assert 0.05 < (alpha == 255).mean() < 0.95
    wide = act(first, action="reframe", aspect="16:9", position="left")
    assert wide.width > WIDTH
    assert np.array_equal(pixels(wide)[:, :WIDTH], pixels(session.session().store.get(first)))


def test_the_line_of_an_image(folder: Path) -> None:
    """What it comes from, the first one first, and what comes of it."""
    first = kept()
    second = act(first, action="relight")
    third = act(second.id, action="upscale", times="2", method="resample")
    history_page.invalidate()
    line = history_page.line(third.id)
    assert [item.id for item in line.before] == [first, second.id]
    assert not line.after
    assert [item.id for item in history_page.line(first).after] == [second.id]
    # One image stands for its line, and is compared with what it was made from.
    bpy.context.window_manager.genai_render.only_last = True
    history_page.invalidate()
    assert [item.id for item in history_page.page(bpy.context).items] == [third.id]
    bpy.context.window_manager.genai_render.only_last = False
    assert bpy.ops.genai_render.compare(id=third.id, line=True) == {"FINISHED"}
    shown = overlay.shown()
    assert shown is not None
    assert shown.compared
    assert list(shown.ids) == [first, second.id, third.id]
    with pytest.raises(RuntimeError, match="made from no other one"):
        bpy.ops.genai_render.compare(id=first, line=True)


def test_a_day_is_several_images(folder: Path) -> None:
    first = kept()
    act(first, action="relight", day=3)
    store = session.session().store
    day = [item for item in store.search() if item.parent == first]
    assert sorted(item.prompt for item in day) == [
        f"Relight {number}/3: a still life" for number in (1, 2, 3)
    ]


def test_a_model_that_cannot_leaves_it_to_this_computer(folder: Path) -> None:
    """What is set in the dialog for another model counts only where that model can do it."""
    bpy.context.scene.genai_render.model = "gpt-image-2"
    item = act(kept(), action="upscale", by="MODEL", method="resample")
    assert item.model == "offline-upscale"


def test_on_the_command_line(folder: Path, tmp_path: Path) -> None:
    first = kept()
    addon.discard_all()
    out = io.StringIO()

    def say(*words: str) -> int:
        return cli.run([*words, "--history", str(folder)], out)

    assert say("background", first, "--color", "#102030", "--dry-run") == 0
    assert "Cost: $0.00" in out.getvalue()
    assert say("background", first, "--color", "#102030", "--output", str(tmp_path / "out")) == 0
    assert len(list((tmp_path / "out").glob("*-background.png"))) == 1
    assert say("relight", first, "--day", "2") == 0
    assert say("relight", first, "--elevation", "200") == 2
    assert say("background", first) == 2
    with HistoryStore(folder) as store:
        assert sum(item.parent == first for item in store.search()) == 3


def test_another_material_on_the_command_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the mask says, and with that reference; without a model no face is swapped."""
    first = kept()
    addon.discard_all()
    mask = np.full((HEIGHT, WIDTH, 4), 255, np.uint8)
    mask[40:80, 50:110, 3] = 0
    (tmp_path / "mask.png").write_bytes(images.encode_png(mask))
    out = io.StringIO()

    def say(*words: str) -> int:
        return cli.run([*words, "--history", str(folder)], out)

    by_mask = ("--mask", str(tmp_path / "mask.png"))
    assert say("material", first, *by_mask, "--prompt", "red") == 0
    assert say("material", first, "--prompt", "red") == 2
    assert say("material", first, *by_mask) == 2
    assert say("swap-face", first, "--image", str(tmp_path / "mask.png")) == 2
    asked = ("--image", str(tmp_path / "mask.png"), "--model", "gpt-image-2", "--dry-run")
    assert say("swap-face", first, *asked) == 0
    assert "Use only the face of a person who has agreed" in capsys.readouterr().err
    with HistoryStore(folder) as store:
        newest = store.search()[0]
        assert (newest.parent, newest.prompt, newest.model) == (first, "red", "offline")
        made = np.asarray(Image.open(io.BytesIO(store.image(newest.id))).convert("RGB"))
        source = np.asarray(Image.open(io.BytesIO(store.image(first))).convert("RGB"))
    kept_part = mask[..., 3] == 255
    assert np.array_equal(made[kept_part], source[kept_part])
    assert (made[~kept_part] != source[~kept_part]).any()


def test_a_camera_sees_more_on_the_side_that_is_asked_for() -> None:
    """The picture's part of the wider view is the old view, wherever it lies in it."""
    bpy.ops.mesh.primitive_monkey_add()
    bpy.ops.object.camera_add(location=(0.4, -6, 0.5), rotation=(1.5, 0, 0.05))
    bpy.context.scene.camera = bpy.context.object
    bpy.context.scene.render.resolution_x = bpy.context.scene.render.resolution_y = 96
    old = capture(bpy.context, CaptureSpec(96, 96, samples=1)).depth
    for position, left in ((0.0, 0), (0.5, 48), (1.0, 96)):
        spec = CaptureSpec(192, 96, samples=1, position=(position, 0.5))
        part = capture(bpy.context, spec).depth[:, left : left + 96]
        there = np.isfinite(old) & np.isfinite(part)
        assert (np.isfinite(old) == np.isfinite(part)).mean() > 0.995
        assert np.abs(old[there] - part[there]).max() < 0.02
