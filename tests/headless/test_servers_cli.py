# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch over two ComfyUI servers from the command line: our protocol servers, and with
`--comfyui=DIR` real ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genai_render.core.history.store import HistoryStore

from ..pure.test_comfyui import node, running_ids
from ..servers.comfyui_api import ComfyUIServer
from ..servers.comfyui_real import RealComfyUI

bpy = pytest.importorskip("bpy")

ROOT = Path(__file__).resolve().parents[2]

SCENE = """
import sys, bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
bpy.ops.mesh.primitive_uv_sphere_add(location=(0, 0, 1))
bpy.ops.mesh.primitive_plane_add(size=20)
bpy.ops.object.light_add(type="SUN", rotation=(0.6, 0.2, 0.4))
bpy.ops.object.camera_add(location=(0, -8, 2), rotation=(1.45, 0, 0))
scene.camera = bpy.context.object
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[1])
"""


def small() -> dict[str, Any]:
    """Colour, depth and normals become one small picture, slowly."""
    graph = {}
    for number, title in enumerate(("Canvas", "Depth", "Normals"), start=1):
        graph[f"{number}"] = node("LoadImage", title, image="example.png")
        graph[f"{number}0"] = node(
            "ImageScale",
            **{"image": [f"{number}", 0], "upscale_method": "area", "crop": "disabled"},
            **{"width": 320, "height": 180},
        )
    for name, one, two in (("4", "10", "20"), ("5", "4", "30")):
        graph[name] = node(
            "ImageBlend", image1=[one, 0], image2=[two, 0], blend_factor=0.4, blend_mode="normal"
        )
    slow = {"image": ["5", 0], "steps": 3, "seconds": 0.05, "seed": 0}
    graph["6"] = node("GenAISlow", "Thinking [steps, seconds]", **slow)
    graph["8"] = node("SaveImage", images=["6", 0], filename_prefix="genai_render")
    return graph


@pytest.fixture(params=["protocol", "real"])
def two_servers(request, tmp_path: Path) -> Iterator[list[Any]]:
    made: list[Any]
    if request.param == "protocol":
        with ComfyUIServer() as one, ComfyUIServer(jobs_api=True) as two:
            yield [one, two]
        return
    source = request.config.getoption("--comfyui")
    if not source:
        pytest.skip("needs --comfyui=DIR")
    made = [RealComfyUI(Path(source).resolve(), tmp_path / name) for name in ("one", "two")]
    try:
        yield [server.start() for server in made]
    finally:
        for server in made:
            server.kill()


def kill_in_the_middle(server: Any, command: subprocess.Popen[str]) -> None:
    """Kill the server while it draws its third image."""
    seen: set[str] = set()
    while len(seen) < 3 and command.poll() is None:
        seen |= set(running_ids(server))
        time.sleep(0.02)
    server.kill()


# What differs between versions of Blender is in test_cli.py.
@pytest.mark.skipif(bpy.app.version[:2] != (5, 0), reason="takes long; once is enough")
def test_twenty_images_on_two_servers_one_of_which_dies(two_servers: list[Any], tmp_path: Path):
    """Five frames of four images each. Every one comes, once, with its canvas and its seed."""
    one, two = two_servers
    blend, history = tmp_path / "ball.blend", tmp_path / "history"
    subprocess.run([sys.executable, "-c", SCENE, str(blend)], check=True, capture_output=True)
    workflows = tmp_path / "workflows"
    workflows.mkdir()
    (workflows / "mine.json").write_text(json.dumps(small()))
    words = [
        *(sys.executable, "-m", "genai_render", blend, "render", "--json"),
        *("--prompt", "golden hour", "--model", "comfyui/mine", "--mode", "fast", "--seed", 100),
        *("--frames", "1-5", "--count", 4, "--option", "steps=6", "--option", "seconds=0.2"),
        *("--history", history, "--output", tmp_path / "out"),
    ]
    known = {
        "GENAI_RENDER_COMFYUI": f"{one.origin},{two.origin}",
        "GENAI_RENDER_WORKFLOWS": str(workflows),
    }
    said = (tmp_path / "said.txt").open("w")
    command = subprocess.Popen(
        [str(word) for word in words],
        cwd=ROOT,
        env={**os.environ, **known},
        stdout=subprocess.PIPE,
        stderr=said,
        text=True,
    )
    ends = threading.Timer(540, command.kill)
    ends.start()
    killer = threading.Thread(target=kill_in_the_middle, args=(one, command))
    killer.start()
    events: list[dict[str, Any]] = []
    try:
        assert command.stdout is not None
        for line in command.stdout:
            events.append(json.loads(line))
        code = command.wait(60)
    finally:
        ends.cancel()
        command.kill()
        killer.join()
        said.close()
    assert code == 0, (tmp_path / "said.txt").read_text()
    results = [event for event in events if event["event"] == "result"]
    wanted = Counter((frame, seed) for frame in range(1, 6) for seed in range(100, 104))
    assert Counter((event["frame"], event["seed"]) for event in results) == wanted
    assert {event["server"] for event in results} == {server.origin[7:] for server in two_servers}
    assert any("went away" in e["text"] for e in events if e["event"] == "notice")
    store = HistoryStore(history)
    records = [store.record(item.id) for item in store.search(limit=100)]
    store.close()
    assert Counter(record["result"]["seed"] for record in records) == dict.fromkeys(
        range(100, 104), 5
    )
    for record in records:
        assert {"sent/canvas.png", "sent/depth.png", "sent/normal.png"} <= set(record["files"])
        workflow = record["result"]["info"]["workflow"]
        assert workflow["6"]["inputs"]["seed"] == record["result"]["seed"]
    assert len(list((tmp_path / "out").iterdir())) == 20


# What differs between versions of Blender is in test_cli.py.
@pytest.mark.skipif(bpy.app.version[:2] != (5, 0), reason="takes long; once is enough")
def test_what_is_wrong_is_said_before_anything_is_captured(tmp_path: Path):
    """A workflow file that is none, and a node that the server lacks."""
    blend, workflows = tmp_path / "ball.blend", tmp_path / "workflows"
    subprocess.run([sys.executable, "-c", SCENE, str(blend)], check=True, capture_output=True)
    workflows.mkdir()
    graph = small()
    graph["6"] = node("FancyNode", image=["5", 0], lora_name="fancy.safetensors")
    (workflows / "mine.json").write_text(json.dumps(graph))
    (workflows / "broken.json").write_text("{}")
    words = ["-m", "genai_render", str(blend), "render", "--json", "--prompt", "x"]
    words += ["--model", "comfyui/mine", "--history", str(tmp_path / "history")]
    with ComfyUIServer() as server:
        known = {
            "GENAI_RENDER_COMFYUI": server.origin,
            "GENAI_RENDER_WORKFLOWS": str(workflows),
        }
        told = subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env={**os.environ, **known},
            capture_output=True,
            text=True,
            timeout=120,
        )
    events = [json.loads(line) for line in told.stdout.splitlines()]
    assert told.returncode == 2, told.stderr
    notices = [event["text"] for event in events if event["event"] == "notice"]
    assert any("broken.json" in text and "Export (API)" in text for text in notices)
    assert not any("Capturing" in str(event) for event in events)
    assert 'node "FancyNode"' in told.stderr
    assert "fancy.safetensors" in told.stderr
