# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab in the sidebar as a person uses it: with the mouse, the keyboard and their eyes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .blender_window import BlenderWindow

WORKS = "len(ours('jobs.session').opened().works()) if ours('jobs.session').opened() else 0"


def prompt(window: BlenderWindow, text: str = "golden hour") -> None:
    window.run(f"bpy.context.scene.genai_render.prompt = {text!r}")
    window.settle()


def wait(window: BlenderWindow) -> None:
    """Until nothing is being made any more."""
    window.wait_for(f"({WORKS}) == 0", 300)
    window.settle(0.5)


def generate(window: BlenderWindow) -> str:
    """Press the button in the panel; the id of what came."""
    before = window.run("answer = bpy.context.window_manager.genai_render.selected")
    window.press("genai_render.generate")
    window.wait_for(
        f"({WORKS}) == 0 and bpy.context.window_manager.genai_render.selected != {before!r}", 300
    )
    window.settle(1)
    return window.run("answer = bpy.context.window_manager.genai_render.selected")


def item(window: BlenderWindow, item_id: str) -> dict[str, object]:
    folder = window.run(
        f"answer = str(ours('jobs.session').session().store.get({item_id!r}).folder)"
    )
    return json.loads((Path(folder) / "request.json").read_text()) | {"folder": folder}


def image_path(window: BlenderWindow, item_id: str) -> Path:
    return Path(
        window.run(
            f"answer = str(ours('jobs.session').session().store.get({item_id!r}).image_path)"
        )
    )


def box_on_screen(window: BlenderWindow) -> tuple[int, int, int, int]:
    """Where the picture over the view is, from the top left of the screen."""
    box = window.run("answer = ours('viewport.overlay').rectangle()")
    assert box, "no picture lies over the view"
    x, y, _, height = window.region()
    left, bottom, right, top = box
    return round(x + left), round(y + height - top), round(x + right), round(y + height - bottom)


def undo(window: BlenderWindow) -> None:
    x, y, width, height = window.region()
    window.move_mouse(x + width * 0.45, y + height / 2)
    window.key("ctrl+z")
    window.settle(0.5)


def seen_picture(window: BlenderWindow, name: str) -> np.ndarray:
    picture = Image.open(window.screenshot(name)).convert("RGB")
    return np.asarray(picture.crop(box_on_screen(window))).astype(float)


def test_a_first_picture_and_a_second_that_uses_it(scene: BlenderWindow) -> None:
    """From an empty prompt to a picture over the view, and to another made from that one."""
    field = scene.find_button("genai_render.prompt")
    scene.click(*field)
    scene.click(*field)
    scene.key("ctrl+a")
    scene.type("golden hour, soft fog")
    scene.key("Return")
    assert scene.run("answer = bpy.context.scene.genai_render.prompt") == "golden hour, soft fog"
    scene.screenshot("panel")

    first = generate(scene)

    seen = seen_picture(scene, "picture-over-the-view")
    made = Image.open(image_path(scene, first)).convert("RGB")
    made = np.asarray(made.resize((seen.shape[1], seen.shape[0]))).astype(float)
    assert np.median(np.abs(seen - made)) <= 3, "the screen does not show what was made"

    scene.press("genai_render.use_as_reference")
    digest = hashlib.sha256(image_path(scene, first).read_bytes()).hexdigest()
    assert scene.run("answer = bpy.context.scene.genai_render.reference_1.digest") == digest
    scene.screenshot("reference")

    second = generate(scene)

    assert second != first
    references = item(scene, second)["request"]["references"]
    assert [reference["sha256"] for reference in references] == [digest]
    scene.screenshot("second-picture")


def test_the_button_says_why_it_cannot_be_pressed(scene: BlenderWindow) -> None:
    def problem() -> str:
        return scene.run("answer = problem()")

    def pressable() -> bool:
        return scene.run("answer = bpy.ops.genai_render.generate.poll()")

    assert "prompt is empty" in problem()
    assert not pressable()
    prompt(scene)
    assert problem() == ""
    assert pressable()
    scene.run("for thing in bpy.data.objects: thing.hide_set(True)")
    assert "nothing in the view" in problem()
    scene.run("for thing in bpy.data.objects: thing.hide_set(False)")
    scene.run("bpy.context.scene.genai_render.use_canvas = False")
    assert "needs something to start from" in problem()
    scene.run("bpy.context.scene.genai_render.prompt = 'x' * 2001")
    assert "2001" in problem()
    assert not pressable()


def test_a_press_builds_one_request_and_redraws_build_none(scene: BlenderWindow) -> None:
    def built() -> int:
        return scene.run(
            "answer = ours('addon').state(ours('jobs.request_builder').Preparation).built"
        )

    prompt(scene, "golden hour")
    scene.settle(0.5)
    before = built()
    assert scene.run(_TEN_REDRAWS) >= 10
    assert built() == before
    prompt(scene, "a foggy morning")
    generate(scene)
    assert built() == before + 1


def test_a_model_that_needs_the_network_is_refused_without_it(scene: BlenderWindow) -> None:
    prompt(scene)
    models = scene.run(
        "answer = [m.id for m in ours('catalog').catalog().models.values() if m.online]"
    )
    if not models:
        pytest.skip("no online model in the catalogue")
    scene.run(f"bpy.context.scene.genai_render.model = {models[0]!r}")
    problem = scene.run("answer = problem()")
    assert "Online Access" in problem
    scene.settle(0.5)
    scene.screenshot("needs-the-network")


def test_the_view_in_the_panel_follows_the_scene(scene: BlenderWindow) -> None:
    """As soon as it rests; and not where nobody looks or something runs that must be smooth."""

    def drawn() -> int:
        return scene.run("answer = ours('viewport.live_preview').live().drawn_count")

    def rest() -> None:
        """Until nothing has been drawn for longer than the pause between two draws."""
        before = -1
        while before != (before := drawn()):
            scene.settle(4)

    def seen() -> str:
        return scene.run(_THUMBNAIL)

    def move() -> None:
        scene.run("bpy.context.scene.objects['Suzanne'].location.x += 0.5")

    rest()
    first, count = seen(), drawn()
    move()
    scene.wait_for(f"ours('viewport.live_preview').live().drawn_count > {count}", 30)
    rest()
    color = seen()
    assert color != first
    pictures = {color}
    for name in ("DEPTH", "NORMAL"):
        before = drawn()
        scene.run(f"bpy.context.window_manager.genai_render.canvas_view = {name!r}")
        scene.wait_for(f"ours('viewport.live_preview').live().drawn_count > {before}", 30)
        rest()
        pictures.add(seen())
        scene.screenshot(f"view-{name.lower()}")
    assert len(pictures) == 3
    scene.run("bpy.context.window_manager.genai_render.canvas_view = 'COLOR'")
    rest()

    @contextmanager
    def nothing_drawn(when: str) -> Iterator[None]:
        count = drawn()
        yield
        assert drawn() == count, f"drawn {when}"

    with nothing_drawn("though the tab is not open"):
        scene.open_tab("View")
        move()
        scene.settle(3)
    scene.open_tab()
    rest()

    with nothing_drawn("while the animation plays"):
        scene.run("with override(): bpy.ops.screen.animation_play()")
        move()
        scene.settle(3)
    scene.run("with override(): bpy.ops.screen.animation_play()")
    rest()

    x, y, width, height = scene.region()
    scene.move_mouse(x + width * 0.4, y + height * 0.5)
    with nothing_drawn("while an object is moved"):
        scene.run("with override(): bpy.ops.transform.translate('INVOKE_DEFAULT')")
        for step in range(5):
            scene.move_mouse(x + width * (0.41 + step / 100), y + height * 0.5)
            scene.settle(0.5)
    scene.key("Escape")


def test_a_prompt_in_several_lines(scene: BlenderWindow) -> None:
    """In the dialog, in a text of the Text Editor, saved and found again."""
    prompt(scene, "golden hour")
    settings = "bpy.context.scene.genai_render"
    x, y, width, height = scene.region()
    scene.move_mouse(x + width * 0.3, y + height * 0.3)
    scene.run("with override(): bpy.ops.genai_render.edit_prompt('INVOKE_DEFAULT')")
    scene.settle(1)
    scene.key("End")
    scene.type(", fog")
    scene.key("Tab")
    scene.type("wet stone")
    scene.key("Return")
    scene.screenshot("prompt-dialog")
    scene.key("Return")
    scene.settle(1)
    assert scene.run(f"answer = {settings}.prompt") == "golden hour, fog\nwet stone"
    assert scene.run("answer = ours('jobs.request_builder').prompt_count(settings)") == "26/2000"

    scene.run("bpy.ops.genai_render.save_prompt()")
    scene.run("bpy.ops.genai_render.prompt_to_text()")
    scene.run(f"{settings}.prompt_text.from_string('snow\\n' * 10)")
    assert scene.run("answer = ours('jobs.request_builder').prompt_of(settings)") == "snow\n" * 10
    scene.run(f"{settings}.prompt_text = None")
    assert (
        scene.run("answer = ours('jobs.saved_prompts').saved()[0]") == "golden hour, fog\nwet stone"
    )
    scene.run("bpy.ops.genai_render.forget_prompt()")
    assert "golden hour, fog\nwet stone" not in scene.run(
        "answer = ours('jobs.saved_prompts').saved()"
    )


def test_keys_and_handles_over_the_view(scene: BlenderWindow) -> None:
    prompt(scene)
    scene.run("bpy.context.scene.genai_render.count = 2")
    x, y, width, height = scene.region()
    middle = (x + width * 0.45, y + height / 2)
    scene.move_mouse(*middle)
    scene.key("ctrl+Return")
    scene.wait_for(f"({WORKS}) > 0", 60)
    wait(scene)

    def index() -> int:
        return scene.run("answer = ours('viewport.overlay').shown().index")

    scene.move_mouse(*middle)
    frame = scene.run("answer = bpy.context.scene.frame_current")
    before = index()
    scene.key("Right")
    assert index() == (before + 1) % 2
    scene.key("Left")
    assert index() == before
    assert scene.run("answer = bpy.context.scene.frame_current") == frame

    left, top, right, bottom = box_on_screen(scene)
    scene.drag((right, (top + bottom) / 2), ((left + right) / 2, (top + bottom) / 2))
    assert abs(scene.run("answer = bpy.context.window_manager.genai_render.wipe") - 0.5) < 0.05
    scene.screenshot("wipe")

    scene.move_mouse(*middle)
    scene.key("backslash")
    assert scene.run("answer = bpy.context.window_manager.genai_render.wipe") in (0, 1)
    scene.key("Escape")
    assert scene.run("answer = ours('viewport.overlay').shown()") is None
    scene.key("Right")  # Blender's own meaning is back
    assert scene.run("answer = bpy.context.scene.frame_current") == frame + 1


def test_undo_and_a_new_file_while_it_is_made(scene: BlenderWindow) -> None:
    prompt(scene)
    total = scene.run("answer = ours('jobs.session').session().store.count()")
    with_floor = scene.run("answer = len(bpy.data.objects)")
    scene.run(
        "with override():\n"
        "    bpy.ops.ed.undo_push(message='Before')\n"
        "    bpy.ops.mesh.primitive_cube_add('EXEC_DEFAULT', True, location=(3, 0, 0))"
    )
    scene.run("with override(): bpy.ops.genai_render.generate()")
    undo(scene)
    assert scene.run("answer = len(bpy.data.objects)") == with_floor
    scene.new_file()
    wait(scene)
    assert scene.run("answer = ours('jobs.session').session().store.count()") == total + 1


def test_cancel_one_and_all(scene: BlenderWindow) -> None:
    scene.run(_SLOW + "Paced.seconds = 600")
    prompt(scene)
    total = scene.run("answer = ours('jobs.session').session().store.count(status='done')")
    for _ in range(4):
        scene.run("with override(): bpy.ops.genai_render.generate()")
    scene.wait_for(f"({WORKS}) == 4")
    scene.settle(1)
    scene.screenshot("jobs")
    scene.press("genai_render.cancel(", across=0.88)
    scene.wait_for(f"({WORKS}) == 3", 20)
    scene.press("genai_render.cancel_all(")
    wait(scene)
    assert scene.run("answer = ours('jobs.session').session().store.count(status='done')") == total
    assert scene.run("answer = [told.text for told in ours('jobs.session').opened().told]") == []
    scene.run(_FAST)


def test_unfinished_pictures_are_shown_and_nothing_blocks(scene: BlenderWindow) -> None:
    scene.run(_SLOW + "Paced.seconds = 30")
    prompt(scene)
    scene.run("with override(): bpy.ops.genai_render.generate()")
    scene.settle(2)  # the draw of the view itself is over
    scene.run("reset_stall()")
    x, y, width, height = scene.region()
    scene.drag((x + width * 0.3, y + height * 0.5), (x + width * 0.35, y + height * 0.55))
    scene.wait_for(
        "ours('viewport.overlay').shown() and ours('viewport.overlay').shown().partial", 60
    )
    scene.settle(1)
    scene.screenshot("unfinished")
    wait(scene)
    longest = scene.run("answer = beats['longest']")
    print(f"longest stall of the main thread: {longest * 1000:.0f} ms")
    assert scene.run("answer = ours('viewport.overlay').shown().partial") == ""
    scene.run(_FAST)


def test_history_favourites_search_recall_delete_and_restore(scene: BlenderWindow) -> None:
    scene.run(_QUICK)
    prompt(scene, "a lighthouse in a storm")
    scene.run("bpy.context.scene.genai_render.resolution = '1K'")
    made = generate(scene)
    prompt(scene, "a quiet harbour")
    other = generate(scene)

    def shown() -> list[str]:
        return scene.run("answer = [one.id for one in history_view.page(bpy.context).items]")

    assert shown()[:2] == [other, made]
    scene.run("state.search = 'lighthouse'")
    assert shown() == [made]
    scene.run("state.search = ''")
    scene.run(f"bpy.ops.genai_render.favourite(id={made!r})")
    scene.run("state.only_favourites = True")
    assert shown() == [made]
    scene.run("state.only_favourites = False")

    scene.run(f"bpy.context.window_manager.genai_render.selected = {made!r}")
    scene.run("bpy.context.scene.genai_render.resolution = '2K'")
    scene.run(
        "with override():\n"
        "    bpy.ops.ed.undo_push(message='Before')\n"
        f"    bpy.ops.genai_render.recall('EXEC_DEFAULT', True, id={made!r})"
    )
    assert scene.run("answer = bpy.context.scene.genai_render.prompt") == "a lighthouse in a storm"
    assert scene.run("answer = bpy.context.scene.genai_render.resolution") == "1K"
    undo(scene)
    assert scene.run("answer = bpy.context.scene.genai_render.resolution") == "2K"

    scene.run(f"bpy.ops.genai_render.delete(id={made!r})")
    assert made not in shown()
    scene.run("bpy.ops.genai_render.restore()")
    assert made in shown()
    scene.run("with override(): bpy.ops.genai_render.compare(count=2)")
    scene.settle(2)
    scene.screenshot("compare")
    scene.run(_FAST)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "JPEG"])
def test_download(scene: BlenderWindow, tmp_path: Path, format: str) -> None:
    scene.run(_QUICK)
    prompt(scene)
    made = generate(scene)
    suffix = {"PNG": ".png", "WEBP": ".webp", "JPEG": ".jpg"}[format]
    path = tmp_path / f"mine{suffix}"
    scene.run(
        f"bpy.ops.genai_render.download('EXEC_DEFAULT', id={made!r}, filepath={str(path)!r}, "
        f"format={format!r})"
    )
    with Image.open(path) as picture:
        assert picture.format == format
        assert picture.size == Image.open(image_path(scene, made)).size
    scene.run(_FAST)


def test_references_from_everywhere(scene: BlenderWindow, tmp_path: Path) -> None:
    path = tmp_path / "swatch.png"
    Image.new("RGB", (64, 48), (200, 80, 30)).save(path)
    scene.run(
        f"bpy.ops.genai_render.reference_file('EXEC_DEFAULT', filepath={str(path)!r}, slot=1)"
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    scene.run("bpy.ops.genai_render.reference_clear(slot=1)")
    x, y, width, height = scene.region("UI")
    scene.move_mouse(x + width / 2, y + height / 2)
    scene.run(  # what Blender does when a file is dropped there: it asks what for
        "with override('UI'): bpy.ops.wm.drop_import_file('INVOKE_DEFAULT', "
        f"directory={str(tmp_path)!r}, files=[{{'name': 'swatch.png'}}])"
    )
    scene.settle(1)
    scene.screenshot("dropped")
    scene.click(x + width / 2, y + height / 2)
    path.unlink()  # the original is kept by content
    slots = "bpy.context.scene.genai_render"
    assert scene.run(f"answer = {slots}.reference_1.digest") == digest
    scene.run(
        "image = bpy.data.images.new('Painted', 32, 32)\n"
        "image.generated_color = (0, 0.5, 1, 1)\n"
        "bpy.ops.genai_render.reference_image(image='Painted', slot=2)"
    )
    assert len(scene.run(f"answer = {slots}.reference_2.digest")) == 64
    scene.settle(1)
    scene.screenshot("references")
    scene.run("bpy.ops.genai_render.reference_swap()")
    assert scene.run(f"answer = {slots}.reference_2.digest") == digest
    prompt(scene)
    assert scene.run("answer = problem()") == ""
    scene.run("bpy.ops.genai_render.reference_clear(slot=1)")
    assert scene.run(f"answer = {slots}.reference_1.digest") == ""


def test_no_bpy_off_the_main_thread(scene: BlenderWindow) -> None:
    """Every Python function and every C function that a worker calls is looked at."""
    scene.run(_WATCH)
    prompt(scene)
    made = generate(scene)
    scene.run("threading.setprofile(None)")
    assert item(scene, made)["status"] == "done"
    entered = scene.run("answer = sorted(called)")
    assert any("jobs.py" in name for name in entered), "nothing was watched"
    assert not [name for name in entered if "bpy" in name]
    inside = {name for name in entered if "/blender/" in name}
    allowed = (
        *("session.py:prepare", "session.py:_keep", "session.py:<lambda>", "background.py:_work"),
        *(
            "capture/viewport.py:",
            "capture/drawn_ids.py:",
            "capture/viewport_color.py:",
            "viewport/drawn_color.py:",
        ),
        *("overlay.py:_decode", "overlay.py:_as_floats", "overlay.py:<lambda>"),
        *("thumbnails.py:_decode", "thumbnails.py:<lambda>", "result_image.py:"),
        *("keys.py:", "jobs/__init__.py", "blender/__init__.py", "capture/__init__.py"),
    )
    assert not [name for name in inside if not any(one in name for one in allowed)]


def test_fifty_pictures_leave_nothing_behind(
    scene: BlenderWindow, blender_version: tuple[int, ...]
) -> None:
    if blender_version < (5, 0):
        pytest.skip("what we hold is the same in each Blender, and fifty pictures take minutes")
    scene.run(_QUICK)
    prompt(scene)

    def held() -> dict[str, int]:
        return scene.run(_HELD)

    generate(scene)
    before = held()
    for number in range(50):
        scene.run("with override(): bpy.ops.genai_render.generate()")
        scene.wait_for(f"({WORKS}) == 0", 120)
        if number == 20:  # by then, everything that is kept for a while is there
            before["memory"] = held()["memory"]
    scene.settle(1)
    after = held()
    assert {k: v for k, v in after.items() if k.startswith("data.")} == {
        k: v for k, v in before.items() if k.startswith("data.")
    }
    assert after["textures"] <= 9
    # Where there is no GPU, its memory is the process's own. A picture over the view takes 5 MB.
    print(f"memory: {before['memory']} MB, then {after['memory']} MB")
    assert after["memory"] < before["memory"] + 150
    assert after["threads"] <= before["threads"] + 1
    scene.run(_FAST)


def test_off_and_on_again_leaves_nothing(scene: BlenderWindow) -> None:
    """The whole add-on, five times."""
    scene.run("def state_of_blender():\n" + _REGISTERED)
    scene.disable()
    clean = scene.run("answer = state_of_blender()")
    for _ in range(5):
        scene.enable()
        scene.open_tab()
        scene.disable()
    assert scene.run("answer = state_of_blender()") == clean
    scene.enable()


def test_every_action_is_found_by_its_name(scene: BlenderWindow) -> None:
    found = scene.run(
        "answer = {name: [getattr(bpy.types, 'GENAI_RENDER_OT_' + name).bl_label,"
        " bool(getattr(bpy.types, 'GENAI_RENDER_OT_' + name).__doc__)]"
        " for name in dir(bpy.ops.genai_render)}"
    )
    assert {"generate", "cancel_all", "download", "recall", "vary", "repeat"} <= set(found)
    for name, (label, described) in found.items():
        assert label, name
        assert described, name
    hidden = scene.run(
        "answer = [name for name in dir(bpy.ops.genai_render)"
        " if 'INTERNAL' in getattr(bpy.types, 'GENAI_RENDER_OT_' + name).bl_options]"
    )
    assert [name for name in hidden if not name.startswith(_OF_PREFERENCES)] == ["select"]
    refused = scene.run(_REFUSED)
    assert {"generate", "cancel", "hide_result", "wipe", "reference_swap"} <= set(refused)
    for name, why in refused.items():
        assert "context is incorrect" not in why, f"{name} does not say why not"
    prompt(scene)
    x, y, width, height = scene.region()
    scene.move_mouse(x + width * 0.4, y + height / 2)
    scene.search("Generate Image")
    scene.wait_for(f"({WORKS}) > 0", 60)
    wait(scene)


_OF_PREFERENCES = (
    *("own_server", "server", "key", "plain_key", "workflow", "input_map", "test_access"),
    "stop_refresh",
)

_REFUSED = """
answer = {}
for name in dir(bpy.ops.genai_render):
    operator = getattr(bpy.ops.genai_render, name)
    with override():
        if not operator.poll():
            try:
                operator()
            except RuntimeError as error:
                answer[name] = str(error)
"""

_THUMBNAIL = """
import hashlib
answer = hashlib.sha256(bytes(
    int(value * 255) for value in ours("addon").state(
        ours("settings.thumbnails").Thumbnails
    )._canvas["canvas"].image_pixels_float
)).hexdigest()
"""

_FAST = """
sessions = ours("jobs.session")
sessions.create_backend = getattr(sessions, "real_backend", sessions.create_backend)
"""

# A backend that takes its time, with unfinished pictures on the way. Only its pace is made up.
_SLOW = """
import io
from PIL import Image
sessions = ours("jobs.session")
sessions.real_backend = getattr(sessions, "real_backend", sessions.create_backend)
events = import_module("bl_ext.user_default.genai_render.core.events")

def encoded(request, shade):
    buffer = io.BytesIO()
    size = (request.width, request.height)
    Image.new("RGB", size, (shade, 120, 60)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()

class Paced:
    seconds = 6.0

    def run(self, request, cancel):
        for step in range(1, 21):
            if cancel.wait(self.seconds / 20):
                cancel.check()
            yield events.Progress(step / 20, "Painting")
            if step in (8, 14) and self.seconds > 1:
                yield events.PartialImage(encoded(request, step * 10))
        for index in range(request.count):
            yield events.Result(
                encoded(request, 250), "image/png", request.width, request.height, index, seed=7,
                prompt_sent=request.prompt, cost_usd=0.0, ai=False,
            )

sessions.create_backend = lambda backend, settings: Paced()
"""
_QUICK = _SLOW + "\nPaced.seconds = 0.05\n"

_TEN_REDRAWS = """
drawn = []
add = bpy.types.SpaceView3D.draw_handler_add
handle = add(lambda: drawn.append(1), (), "WINDOW", "POST_PIXEL")
with override():
    bpy.ops.wm.redraw_timer(type="DRAW_WIN_SWAP", iterations=10)
bpy.types.SpaceView3D.draw_handler_remove(handle, "WINDOW")
answer = len(drawn)
"""

_WATCH = """
import threading
called = set()

def watch(frame, event, argument):
    if event == "call":
        called.add(f"{frame.f_code.co_filename}:{frame.f_code.co_name}")
    elif event == "c_call":
        owner = getattr(argument, "__self__", None)
        module = getattr(argument, "__module__", None) or type(owner).__module__
        if str(module).split(".")[0] in ("bpy", "_bpy", "gpu", "bpy_types", "bl_operators"):
            called.add(f"bpy:{module}.{getattr(argument, '__name__', argument)}")

threading.setprofile(watch)
"""

_HELD = """
import threading
answer = {f"data.{name}": len(getattr(bpy.data, name))
          for name in ("images", "meshes", "objects", "scenes", "textures", "materials", "texts")}
answer["textures"] = len(ours("addon").state(ours("viewport.overlay").Overlay).textures)
answer["threads"] = threading.active_count()
with open("/proc/self/statm") as pages:
    answer["memory"] = int(pages.read().split()[1]) * 4096 // 2**20
"""

_REGISTERED = """
    import threading
    handlers = {name: len(getattr(bpy.app.handlers, name))
                for name in dir(bpy.app.handlers)
                if isinstance(getattr(bpy.app.handlers, name), list)}
    menus = {name: len(getattr(getattr(bpy.types, name).draw, "_draw_funcs", ()))
             for name in ("VIEW3D_MT_view", "TOPBAR_MT_render", "IMAGE_MT_image",
                          "STATUSBAR_HT_header")}
    keys = sum("genai_render" in item.idname
               for keymap in bpy.context.window_manager.keyconfigs.addon.keymaps
               for item in keymap.keymap_items)
    classes = [name for name in dir(bpy.types) if "genai" in name.lower()]
    properties = [owner.__name__ for owner in (bpy.types.Scene, bpy.types.WindowManager)
                  if hasattr(owner, "genai_render") or hasattr(owner, "genai_render_options")]
    return [handlers, menus, keys, classes, properties,
            [thread.name for thread in threading.enumerate() if "genai" in thread.name]]
"""
