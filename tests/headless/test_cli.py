# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line as a person or a script uses it: another process, its streams and exit codes."""

from __future__ import annotations

import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genai_render.core.history.store import HistoryStore

ROOT = Path(__file__).resolve().parents[2]

SCENES = """
import sys, bpy
folder = sys.argv[1]
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.samples = 4
scene.render.resolution_x, scene.render.resolution_y = 320, 180
bpy.ops.mesh.primitive_uv_sphere_add(location=(0, 0, 1))
bpy.ops.mesh.primitive_plane_add(size=20)
bpy.ops.object.light_add(type="SUN", rotation=(0.6, 0.2, 0.4))
bpy.ops.wm.save_as_mainfile(filepath=folder + "/no camera.blend")
bpy.ops.object.camera_add(location=(0, -8, 2), rotation=(1.45, 0, 0))
scene.camera = bpy.context.object
bpy.ops.object.camera_add(location=(6, -6, 4), rotation=(1.2, 0, 0.785))
bpy.context.object.name = "Side"
scene.frame_set(7)
bpy.ops.wm.save_as_mainfile(filepath=folder + "/ball.blend")
bpy.ops.object.camera_add(location=(0, -8, 2), rotation=(3.1, 0, 0))
bpy.context.object.name = "Blind"
image = bpy.data.images.new("wood.png", 4, 4)
image.source, image.filepath = "FILE", "//lost/wood.png"
paint = bpy.data.materials.new("Paint")
if bpy.app.version < (5, 0, 0):
    paint.use_nodes = True
paint.node_tree.nodes.new("ShaderNodeTexImage").image = image
bpy.data.objects["Sphere"].data.materials.append(paint)
bpy.data.objects.remove(bpy.data.objects["Side"])
bpy.ops.wm.save_as_mainfile(filepath=folder + "/blind.blend")
"""


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    subprocess.run(
        [sys.executable, "-c", SCENES, str(folder)], check=True, capture_output=True, timeout=120
    )
    return folder


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return tmp_path / "history"


def genai_render(*words: object, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "genai_render", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )


def events(run: subprocess.CompletedProcess[str], kind: str) -> list[dict]:
    """Every line of standard output must be one JSON object; those of one kind are given."""
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    return [line for line in lines if line["event"] == kind]


def picture(color: tuple[int, int, int], path: Path) -> Path:
    Image.new("RGB", (64, 48), color).save(path)
    return path


def test_render_prints_a_result_and_keeps_everything_that_made_it(scenes, history):
    run = genai_render(
        scenes / "ball.blend", "render", "--prompt", "golden hour, watercolor",
        "--resolution", "1K", "--seed", 5, "--closeness", "close", "--json", "--history", history,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    (result,) = events(run, "result")
    assert result["seed"] == 5
    assert result["closeness"] == "Strength 0.5"
    assert result["estimated_usd"] == 0
    assert result["cost_usd"] == 0
    assert (result["camera"], result["frame"]) == ("Camera", 7)
    assert {"golden hour", "watercolor"} <= {word.lower() for word in result["used"]}
    with Image.open(result["path"]) as image:
        assert image.size == (result["width"], result["height"])
        assert image.width / image.height == pytest.approx(16 / 9, rel=0.02)
        image.load()
    folder = Path(result["path"]).parent
    assert folder.is_relative_to(history / "results")
    for name in ("canvas.webp", "depth.png", "normal.png", "thumb.webp", "request.json"):
        assert (folder / name).stat().st_size > 0, name

    shown = events(
        genai_render("history", "show", result["id"], "--json", "--history", history), "item"
    )
    assert shown[0]["prompt"] == "golden hour, watercolor"
    assert shown[0]["blend"] == "ball.blend"


def test_the_same_seed_gives_the_same_bytes(scenes, history):
    paths = []
    for _ in range(2):
        run = genai_render(
            scenes / "ball.blend", "render", "--prompt", "studio light", "--seed", 11, "--json",
            "--history", history,
        )  # fmt: skip
        paths.append(Path(events(run, "result")[0]["path"]))
    assert paths[0] != paths[1]
    with Image.open(paths[0]) as first, Image.open(paths[1]) as second:
        assert np.array_equal(np.asarray(first), np.asarray(second))


def test_references_cameras_frames_count_and_output(scenes, history, tmp_path):
    warm = picture((220, 120, 40), tmp_path / "warm=free.png")
    cool = picture((30, 90, 200), tmp_path / "cool.png")
    output = tmp_path / "out" / "deeper"
    run = genai_render(
        scenes / "ball.blend", "render", "--prompt", "soft light", "--camera", "all",
        "--frames", "3,5", "--reference", f"{warm}=style:0.5", "--reference", cool,
        "--aspect", "1:1", "--count", 2,
        "--output", output, "--format", "webp", "--json", "--history", history,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    results = events(run, "result")
    assert len(results) == 2 * 2 * 2
    assert {(r["camera"], r["frame"]) for r in results} == {
        (camera, frame) for camera in ("Camera", "Side") for frame in (3, 5)
    }
    assert len({r["seed"] for r in results}) == 2, "an animation keeps its seed"
    assert sorted(path.name for path in output.iterdir()) == sorted(
        f"{camera}-{frame:04d}-{n}.webp"
        for camera in ("Camera", "Side")
        for frame in (3, 5)
        for n in (1, 2)
    )
    with Image.open(results[0]["path"]) as image:
        assert (image.format, image.size) == ("WEBP", (1024, 1024))
    item = HistoryStore(history).get(results[0]["id"])
    request = HistoryStore(history).request(item.id)
    assert [(r.role, r.weight) for r in request.references] == [("style", 0.5), ("free", 1.0)]
    assert request.references[0].data == warm.read_bytes()


def test_without_canvas_a_reference_is_enough(history, tmp_path):
    run = genai_render(
        "render", "--no-canvas", "--reference", picture((200, 40, 40), tmp_path / "red.png"),
        "--prompt", "oil painting", "--json", "--history", history,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert len(events(run, "result")) == 1


def test_text_output_is_the_path_of_the_image(scenes, history):
    run = genai_render(scenes / "ball.blend", "render", "--prompt", "neon", "--history", history)
    assert run.returncode == 0, run.stderr
    (path,) = run.stdout.splitlines()
    assert Path(path).is_file()


def test_capture_writes_linear_depth_normals_and_the_view(scenes, tmp_path):
    out = tmp_path / "canvas"
    run = genai_render(
        scenes / "ball.blend", "capture", "--output", out, "--aspect", "4:3", "--json"
    )
    assert run.returncode == 0, run.stderr
    (canvas,) = events(run, "canvas")
    assert sorted(path.name for path in out.iterdir()) == [
        "color.png", "depth.exr", "normal.exr", "view.json",
    ]  # fmt: skip
    view = json.loads((out / "view.json").read_text())
    assert (view["width"], view["height"]) == (canvas["width"], canvas["height"])
    assert view["width"] / view["height"] == pytest.approx(4 / 3, rel=0.02)
    # The sphere's front is 7 m away from a camera 8 m away from its centre.
    assert canvas["depth_range"][0] < 7.1


def test_edit_changes_an_image_of_history(scenes, history, tmp_path):
    first = events(
        genai_render(
            scenes / "ball.blend", "render", "--prompt", "daylight", "--json", "--history", history
        ),
        "result",
    )[0]
    run = genai_render(
        "edit", first["id"], "--prompt", "black and white", "--json", "--history", history
    )
    assert run.returncode == 0, run.stderr
    (second,) = events(run, "result")
    assert (second["width"], second["height"]) == (first["width"], first["height"])
    with HistoryStore(history) as store:
        assert store.request(second["id"]).parent == first["id"]
        # It is drawn again with the depth and normals of the view it is from, and keeps them.
        before, after = store.canvas(first["id"]), store.canvas(second["id"])
    assert (after.depth == before.depth).all()


def test_history_lists_searches_exports_deletes_and_restores(scenes, history, tmp_path):
    ids = {}
    for prompt in ("golden hour", "moonlight"):
        run = genai_render(
            "render", "--no-canvas", "--reference", picture((9, 99, 200), tmp_path / "r.png"),
            "--prompt", prompt, "--json", "--history", history,
        )  # fmt: skip
        ids[prompt] = events(run, "result")[0]["id"]

    def listed(*words: object) -> list[str]:
        run = genai_render("history", "list", "--json", "--history", history, *words)
        assert run.returncode == 0, run.stderr
        return [event["id"] for event in events(run, "item")]

    assert listed() == [ids["moonlight"], ids["golden hour"]]
    assert listed("--search", "golden") == [ids["golden hour"]]
    out = tmp_path / "export"
    for format in ("png", "webp", "jpeg"):
        run = genai_render(
            "history", "export", ids["moonlight"], "--output", out, "--format", format,
            "--history", history,
        )  # fmt: skip
        with Image.open(run.stdout.strip()) as image:
            assert image.format == format.upper()
    assert genai_render("history", "delete", ids["moonlight"], "--history", history).returncode == 0
    assert listed() == [ids["golden hour"]]
    assert listed("--bin") == [ids["moonlight"]]
    assert (
        genai_render("history", "restore", ids["moonlight"], "--history", history).returncode == 0
    )
    assert genai_render("history", "rebuild", "--history", history).returncode == 0
    assert listed() == [ids["moonlight"], ids["golden hour"]]


def test_models_and_styles():
    models = events(genai_render("models", "--json"), "model")
    assert "offline" in {model["id"] for model in models}
    for model in models:
        if any(model["usd_per_image"].values()):
            assert model["price_source"], model["id"]
            assert model["price_date"], model["id"]
    styles = events(genai_render("styles", "--json"), "style")
    assert {style["id"] for style in styles} >= {
        "auto", "3d_anime", "3d_model", "japanese_anime", "movie", "comic", "cyberpunk", "fantasy",
    }  # fmt: skip


def test_a_reader_that_has_had_enough_is_no_error():
    command = f'"{sys.executable}" -m genai_render models | head -n 1'
    run = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.stdout.startswith("offline")
    assert run.stderr == ""


def bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


NEON = ("ball.blend", "render", "--prompt", "neon")
BAD = [
    ("no camera", ["no camera.blend", "render", "--prompt", "neon"], 7, "no camera"),
    ("no such camera", [*NEON, "--camera", "X"], 7, "Side"),
    ("unknown style", [*NEON, "--style", "comik"], 2, "comic"),
    ("unknown model", [*NEON, "--model", "x"], 2, "offline"),
    ("text for an image", [*NEON, "--reference", "{text}"], 2, "text.png"),
    ("pixel bomb", [*NEON, "--reference", "{bomb}"], 2, "too many pixels"),
    ("no such reference", [*NEON, "--reference", "/no/where.png"], 2, "where.png"),
    ("three references", [*NEON, *["--reference", "{good}"] * 3], 2, "reference"),
    ("empty prompt", ["ball.blend", "render", "--prompt", "  "], 2, "empty"),
    ("no prompt", ["ball.blend", "render"], 2, "--prompt"),
    ("long prompt", ["ball.blend", "render", "--prompt", "x" * 2001], 2, "2001"),
    ("count 9", [*NEON, "--count", "9"], 2, "9"),
    ("bad count", [*NEON, "--count", "two"], 2, "two"),
    ("bad aspect", [*NEON, "--aspect", "5:4"], 2, "5:4"),
    ("bad resolution", [*NEON, "--resolution", "9K"], 2, "9K"),
    ("bad seed", [*NEON, "--seed", "-4"], 2, "-4"),
    ("bad sum of money", [*NEON, "--max-cost", "nan"], 2, "nan"),
    ("bad option", [*NEON, "--option", "colour=red"], 2, "colour"),
    ("bad frames", [*NEON, "--frames", "9-2"], 2, "9-2"),
    ("unwritable output", [*NEON, "--output", "{text}/out"], 2, "cannot be written"),
    ("unwritable history", [*NEON, "--history", "{text}/h"], 2, "text.png"),
    ("no scene", ["render", "--prompt", "x"], 7, "No scene"),
    ("not a scene", ["{fake}", "render", "--prompt", "x"], 7, "cannot be opened"),
    ("no such scene", ["absent.blend", "render", "--prompt", "x"], 7, "absent.blend"),
    ("unknown command", ["ball.blend", "rendr", "--prompt", "x"], 2, "rendr"),
    ("nothing to start from", ["render", "--no-canvas", "--prompt", "x"], 2, "--reference"),
    ("no such item", ["history", "show", "abc"], 2, "abc"),
    ("no such image", ["edit", "abc", "--prompt", "x"], 2, "abc"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "code", "says"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_input_gets_one_clear_line_and_leaves_nothing(words, code, says, scenes, tmp_path):
    files = {
        "text": ("text.png", b"hello"),
        "bomb": ("bomb.png", bomb()),
        "good": ("good.png", None),
        "fake": ("fake.blend", b"not a scene"),
    }
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    named = {}
    for key, (name, data) in files.items():
        if data is None:
            picture((1, 2, 3), inputs / name)
        else:
            (inputs / name).write_bytes(data)
        named[key] = inputs / name
    words = [word.format(**named) for word in words]
    if words[0].endswith(".blend") and "/" not in words[0]:
        words[0] = str(scenes / words[0])
    if "--history" not in words:
        words += ["--history", str(tmp_path / "history")]
    before = set(tmp_path.rglob("*"))
    run = genai_render(*words)
    assert run.returncode == code, run.stderr
    assert run.stdout == ""
    assert len(run.stderr.strip().splitlines()) == 1, run.stderr
    assert run.stderr.startswith("genai_render: ")
    assert says in run.stderr
    assert "Traceback" not in run.stderr
    assert set(tmp_path.rglob("*")) == before


def test_an_error_is_an_event_with_json(history):
    run = genai_render("render", "--no-canvas", "--prompt", "x", "--json", "--history", history)
    (failed,) = events(run, "failed")
    assert failed["exit_code"] == run.returncode == 2
    assert failed["what"]
    assert failed["action"]


def test_a_limit_of_cost_is_kept_and_a_dry_run_makes_nothing(scenes, history):
    run = genai_render(
        scenes / "ball.blend", "render", "--prompt", "neon", "--dry-run", "--max-cost", 0, "--json",
        "--history", history,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    (plan,) = events(run, "plan")
    assert plan["images"] == 1
    assert plan["cost_usd"] == 0
    assert not history.exists()


@pytest.mark.parametrize("command", ["render", "capture"])
def test_a_blind_camera_ends_no_batch_and_what_is_missing_is_named(
    command, scenes, history, tmp_path
):
    words = ("--prompt", "neon", "--history", history) if command == "render" else ()
    run = genai_render(
        scenes / "blind.blend", command, *words, "--camera", "all", "--frames", "7",
        "--output", tmp_path / "out", "--json",
    )  # fmt: skip
    assert run.returncode == 7, run.stderr
    (failed,) = events(run, "failed")
    assert failed["what"].startswith('"Blind", frame 7: ')
    (done,) = events(run, "result" if command == "render" else "canvas")
    assert done["camera"] == "Camera"
    (said,) = done["notices"]
    assert said.startswith("1 texture is missing: wood.png.")
    assert said in {notice["text"] for notice in events(run, "notice")}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals for one process")
@pytest.mark.parametrize(
    ("during", "number"),
    [("progress", signal.SIGINT), ("result", signal.SIGINT), ("progress", signal.SIGTERM)],
)
def test_ctrl_c_and_sigterm_cancel_cleanly(during, number, scenes, history, tmp_path, monkeypatch):
    """In the render of a large view, and when some of many frames are done."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    large = ("--resolution", "4K", "--mode", "quality") if during == "progress" else ()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "genai_render", scenes / "ball.blend", "render"),
            *("--prompt", "neon", "--json", "--frames", "1-500", "--history", history, *large),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == during:
                break
        time.sleep(2)
        process.send_signal(number)
        rest, stderr = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    reported = [json.loads(line) for line in rest.splitlines()]
    assert reported[-1]["event"] == "failed"
    assert reported[-1]["code"] == "cancelled"
    if history.exists():
        store = HistoryStore(history)
        for item in store.search():
            with Image.open(io.BytesIO(item.image_path.read_bytes())) as image:
                image.load()
    assert not list(history.glob("**/*.tmp"))
    assert not list(temporary.glob("genai_render-*"))


def test_how_close_to_the_view_is_refused_where_there_is_nothing_for_it(scenes, history):
    ball = scenes / "ball.blend"
    words = ("render", "--prompt", "a house", "--closeness", "exact", "--history", history)
    for more, reason in (
        (("--no-canvas",), "no view to be close to"),
        (("--model", "openrouter/recraft/recraft-v4.1-flash"), "takes no view"),
    ):
        run = genai_render(ball, *words, *more)
        assert run.returncode == 2
        assert reason in run.stderr
