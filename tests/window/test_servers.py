# SPDX-License-Identifier: GPL-3.0-or-later
"""ComfyUI servers in a real window: our protocol server, and with `--comfyui=DIR` a real one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..pure.test_comfyui import whole
from ..servers.a1111_api import A1111Server
from ..servers.comfyui_api import ComfyUIServer
from ..servers.comfyui_real import running
from ..servers.fal_api import KEY as FAL_KEY
from ..servers.fal_api import FalServer
from .blender_window import BlenderWindow
from .test_cloud import _KEYRING, messages, newest, preferences
from .test_panel import WORKS, prompt


@pytest.fixture(params=["protocol", "real"])
def server(request, tmp_path: Path) -> Iterator[Any]:
    if request.param == "protocol":
        with ComfyUIServer() as made:
            yield made
        return
    source = request.config.getoption("--comfyui")
    if not source:
        pytest.skip("needs --comfyui=DIR")
    with running(Path(source).resolve(), tmp_path / "comfyui") as made:
        yield made


@pytest.fixture
def window_with_servers(scene: BlenderWindow, server: Any, tmp_path: Path):
    """Two servers in the preferences, one of which is not there, and a workflow of one's own."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "My Depths.json").write_text(json.dumps(whole(steps=12, seconds=0.3)))
    scene.run(
        "prefs = ours('addon').preferences()\n"
        "prefs.own_servers.clear()\n"
        f"for name, url in (('Studio 1', {server.origin!r}), ('Studio 2', 'http://127.0.0.1:9')):\n"
        "    one = prefs.own_servers.add()\n"
        "    one.name, one.base_url = name, url\n"
        f"prefs.workflow_folder = {str(folder)!r}"
    )
    yield scene
    scene.run(
        "prefs.own_servers.clear(); prefs.workflow_folder = ''\n"
        "bpy.context.scene.genai_render.model = 'offline'\n"
        "ours('catalog').reload()"
    )


def test_a_view_goes_through_comfyui_into_history(window_with_servers: BlenderWindow) -> None:
    window = window_with_servers
    window.run(
        "settings = bpy.context.scene.genai_render; settings.model = 'comfyui/my-depths'\n"
        "settings.use_seed, settings.seed, settings.count = True, 4711, 1"
    )
    prompt(window, "a house of glass at golden hour")
    window.run("ours('redraw').sidebars()")
    window.wait_for("statuses().get('comfyui:Studio 1') and problem() == ''", 60)
    window.settle(1)
    window.screenshot("comfyui-ready")
    window.run("with override(): bpy.ops.genai_render.generate()")
    window.wait_for("any(w.partial for w in ours('jobs.session').session().works())", 120)
    window.screenshot("comfyui-working")
    window.wait_for(f"({WORKS}) == 0", 120)
    window.settle(1)
    window.screenshot("comfyui-result")
    made = newest(window)
    assert made["status"] == "done", made
    result = made["result"]
    assert isinstance(result, dict)
    assert result["seed"] == 4711
    assert result["info"]["server"] == "Studio 1"
    graph = result["info"]["workflow"]
    assert graph["6"]["inputs"]["seed"] == 4711
    assert {"sent/canvas.png", "sent/depth.png", "sent/normal.png"} <= set(made["files"])
    blend = window.run(
        "import tempfile, os\n"
        "path = os.path.join(tempfile.mkdtemp(), 'kept.blend')\n"
        "bpy.ops.wm.save_as_mainfile(filepath=path, compress=False, copy=True)\n"
        "answer = path"
    )
    content = Path(blend).read_bytes()
    assert b"Studio 1" not in content
    assert b"127.0.0.1" not in content


def test_what_a_server_lacks_is_said_before_anything_runs(
    window_with_servers: BlenderWindow, server: Any
) -> None:
    window = window_with_servers
    window.run("bpy.context.scene.genai_render.model = 'comfyui/depth-normal'")
    prompt(window, "a house of glass at golden hour")
    window.wait_for("'lacks what \"ComfyUI: Depth and Normals\" needs' in problem()", 60)
    text = window.run("answer = problem()")
    assert 'model "sd_xl_base_1.0.safetensors" (models/checkpoints)' in text
    assert not window.run("answer = bpy.ops.genai_render.generate.poll()")
    window.settle(1)
    window.screenshot("comfyui-missing")
    # Nothing was captured, sent or kept.
    assert messages(window) == []
    window.run("bpy.context.scene.genai_render.model = 'comfyui/my-depths'")
    window.wait_for("problem() == ''", 60)


def test_the_same_from_the_command_line_of_that_blender(
    scene: BlenderWindow, server: Any, blender: str, tmp_path: Path
) -> None:
    blend, history = tmp_path / "scene.blend", tmp_path / "history"
    (tmp_path / "my-depths.json").write_text(json.dumps(whole(steps=2)))
    scene.run(f"bpy.ops.wm.save_as_mainfile(filepath={str(blend)!r}, copy=True)")
    known = {
        "GENAI_RENDER_COMFYUI": f"127.0.0.1:9,{server.origin}",
        "GENAI_RENDER_WORKFLOWS": str(tmp_path),
    }
    ran = subprocess.run(
        [
            *(blender, "-b", str(blend), "--addons", "bl_ext.user_default.genai_render"),
            *("--command", "genai_render", "render", "--json", "--model", "comfyui/my-depths"),
            *("--prompt", "golden hour", "--mode", "fast", "--seed", "31"),
            *("--history", str(history)),
        ],
        env={**scene.environment, **known},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    events = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    (result,) = [event for event in events if event["event"] == "result"]
    assert (result["seed"], result["server"]) == (31, server.origin[7:])
    # The last step's message may come after the answer that the job is done.
    told = [event["message"] for event in events if event["event"] == "progress"]
    assert any(f"step {step} of 2" in text for step in (1, 2) for text in told)
    (path,) = history.rglob("request.json")
    made = json.loads(path.read_text())
    assert made["result"]["info"]["workflow"]["6"]["inputs"]["seed"] == 31
    assert {"sent/canvas.png", "sent/depth.png", "sent/normal.png"} <= set(made["files"])


def test_the_list_of_servers_in_the_preferences(window_with_servers: BlenderWindow) -> None:
    window = window_with_servers
    with preferences(window, "SERVICES"):
        window.run("bpy.ops.genai_render.own_server_test(index=0)")
        window.wait_for("ours('connections.keys').told('comfyui:Studio 1')", 20)
        window.run("bpy.ops.genai_render.own_server_test(index=1)")
        window.wait_for("ours('connections.keys').told('comfyui:Studio 2')", 20)
        window.settle(1)
        window.screenshot("comfyui-preferences")
        x, y, width, height = window.region(area="PREFERENCES")
        window.move_mouse(x + width / 2, y + height / 2)
        window.scroll(20)
        window.settle(1)
        window.screenshot("comfyui-preferences-workflows")
        said = window.run(
            "answer = [ours('connections.keys').told(f'comfyui:Studio {n}').text for n in (1, 2)]"
        )
    assert "0 in queue" in said[0]
    assert "cannot be reached" in said[1]


def test_a_key_that_could_be_read_is_asked_for_by_the_servers_name(scene: BlenderWindow) -> None:
    scene.run(
        f"{_KEYRING}\n"
        "ring.kept['genai_render', 'http://studio.example:8188'] = 'me:STUDIOKEY0123456789'\n"
        "prefs.own_servers.clear(); prefs.servers.clear()\n"
        "one = prefs.own_servers.add()\n"
        "one.name, one.base_url, one.kind = 'Studio', 'studio.example:8188', 'comfyui'"
    )
    with preferences(scene, "SERVICES") as where:
        x, y, width, height = scene.region(area="PREFERENCES")
        scene.move_mouse(x + width // 2, y + height // 2)
        scene.scroll(20)
        scene.settle(1)
        scene.screenshot("plain-key-warning")
        scene.press("genai_render.plain_key_allow", **where)
        scene.settle(1)
        scene.screenshot("plain-key-asked")
        assert scene.run("answer = prefs.own_servers[0].plain_key") == ""
        scene.key("Return")
        scene.wait_for("prefs.own_servers[0].plain_key == 'http://studio.example:8188'", 10)
        scene.settle(1)
        scene.screenshot("plain-key-allowed")
        scene.run("bpy.ops.genai_render.plain_key_forbid(endpoint='comfyui:Studio')")
        scene.wait_for("prefs.own_servers[0].plain_key == ''", 10)
    scene.run("prefs.own_servers.clear(); ours('catalog').reload()")


def test_where_a_workflow_takes_what_can_be_changed(
    window_with_servers: BlenderWindow, tmp_path: Path
) -> None:
    """A workflow is added from its file; its inputs and options are changed with the mouse."""
    window = window_with_servers
    exported = tmp_path / "Studio Look.json"
    exported.write_text(json.dumps(whole()))
    window.run(f"with override(): bpy.ops.genai_render.workflow_add(filepath={str(exported)!r})")
    assert window.run("answer = bpy.context.scene.genai_render.model") == "comfyui/studio-look"
    window.run(
        "models = ours('catalog').catalog().models\n"
        "path = models['comfyui/studio-look'].extra['workflow_file']"
    )
    window.settle(1)
    window.run("with override(): bpy.ops.genai_render.workflow_map('INVOKE_DEFAULT', path=path)")
    window.settle(1)
    window.screenshot("comfyui-mapping")
    window.key("Return")
    window.settle(0.5)
    window.run("mine = lambda: ours('catalog').catalog().models['comfyui/studio-look']")
    read = "answer = [option.id for option in mine().options]"
    assert window.run(read) == ["steps", "seconds"], "as its titles mark them"
    window.run(
        "with override(): bpy.ops.genai_render.workflow_map('EXEC_DEFAULT', path=path,"
        " color='2.image', widgets=[dict(name='', place='4.blend_factor', value='', shown=True)])"
    )
    assert window.run(read) == ["blend_factor"]
    x, y, width, height = window.region("UI")
    window.move_mouse(x + width / 2, y + height * 0.8)
    window.scroll(9)
    window.settle(1)
    window.screenshot("comfyui-options")


def test_where_a_model_of_fal_takes_what_can_be_changed(scene: BlenderWindow) -> None:
    """In the panel, with the mouse; it counts for the next picture."""
    model = "fal/fal-ai/flux-control-lora-depth"
    with FalServer() as server:
        scene.run(
            f"{_KEYRING}\n"
            f"ring.kept['genai_render', {server.origin!r}] = {FAL_KEY!r}\n"
            "known = ours('catalog').catalog()\n"
            "ours('connections.providers').of_tables(prefs, known)\n"
            "one = next(each for each in prefs.tables if each.name == 'fal')\n"
            f"one.base_url = {server.origin!r}\n"
            "ours('connections.keys').forget('fal')\n"
            "settings = bpy.context.scene.genai_render; settings.count = 1\n"
            f"ours('settings.choices').MODEL.choose(settings, {model!r})"
        )
        prompt(scene, "a house of glass at golden hour")
        scene.run(
            "with override('UI'):\n"
            f"    bpy.ops.genai_render.input_map('INVOKE_DEFAULT', model={model!r})"
        )
        scene.settle(1)
        scene.screenshot("fal-inputs")
        scene.key("Escape")
        scene.run(
            "with override('UI'):\n"
            f"    bpy.ops.genai_render.input_map('EXEC_DEFAULT', model={model!r}, fields=[\n"
            "        dict(name='image_url', role='color'),\n"
            "        dict(name='control_lora_image_url', role='auto')])"
        )
        scene.wait_for("problem() == ''", 60)
        scene.run("with override(): bpy.ops.genai_render.generate()")
        scene.wait_for(f"({WORKS}) == 0", 120)
        (order,) = [body for _, body in server.orders.values()]
        scene.run(
            f"ours('catalog').keep_input_map({model!r}, {{}})\n"
            "one.base_url = ''; settings.model = 'offline'"
        )
    assert newest(scene)["status"] == "done", messages(scene)
    assert {"image_url", "control_lora_image_url"} <= set(order)


def test_a_view_goes_through_a1111_with_controlnet(scene: BlenderWindow) -> None:
    with A1111Server(seconds=4) as server:
        scene.run(
            "prefs = ours('addon').preferences()\n"
            "prefs.own_servers.clear(); one = prefs.own_servers.add()\n"
            f"one.kind, one.name, one.base_url = 'a1111', 'Desk', {server.origin!r}\n"
            "settings = bpy.context.scene.genai_render; settings.model = 'a1111/current'\n"
            "settings.use_seed, settings.seed, settings.count = True, 99, 1"
        )
        prompt(scene, "a house of glass at golden hour")
        scene.wait_for("statuses().get('a1111:Desk') and problem() == ''", 60)
        scene.run("with override(): bpy.ops.genai_render.generate()")
        scene.wait_for("any(w.partial for w in ours('jobs.session').session().works())", 60)
        scene.screenshot("a1111-working")
        scene.wait_for(f"({WORKS}) == 0", 60)
        (order,) = server.made
        scene.run("prefs.own_servers.clear(); settings.model = 'offline'\nours('catalog').reload()")
    units = order["alwayson_scripts"]["controlnet"]["args"]
    assert [unit["model"] for unit in units] == ["sd15_depth [a1]", "sd15_normalbae [b2]"]
    made = newest(scene)
    assert made["status"] == "done", made
    result = made["result"]
    assert isinstance(result, dict)
    assert (result["seed"], result["info"]["server"]) == (99, "Desk")
    assert {"sent/canvas.png", "sent/depth.png", "sent/normal.png"} <= set(made["files"])


def test_without_a_server_there_are_none_of_their_models(scene: BlenderWindow) -> None:
    known = scene.run("answer = list(ours('catalog').catalog().models)")
    assert not [id for id in known if id.startswith(("comfyui/", "a1111/"))]
