# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenAI and Gemini in a real window, with a server of ours in the provider's place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..servers import gemini_api, openai_api
from ..servers.http import Forever, Pause
from .blender_window import BlenderWindow
from .test_panel import WORKS, item, prompt

OPENAI_MODEL = "gpt-image-2.5-flare"
GEMINI_MODEL = "gemini-3.1-flash-image"

# A keyring in memory instead of the system's, which no test may touch.
_KEYRING = """
from importlib import import_module
core = import_module("bl_ext.user_default.genai_render.core.credentials")
class Memory:
    def __init__(self):
        self.kept = {}
    def get_password(self, service, name):
        return self.kept.get((service, name))
    def set_password(self, service, name, password):
        self.kept[service, name] = password
    def delete_password(self, service, name):
        del self.kept[service, name]
ring = Memory()
ours("keys").credentials = core.Credentials(environ={}, keyring=ring)
prefs = ours("preferences").preferences()
prefs.use_max_cost = prefs.use_month_budget = False
for name in ("openai", "gemini"):
    ours("keys").forget(name)
"""


def use(window: BlenderWindow, provider: str, server: object, key: str | None) -> None:
    """Point the provider to a server, choose one of its models, and have its key in the ring."""
    window.run(_KEYRING)
    origin = server.origin  # pyright: ignore[reportAttributeAccessIssue]
    base = server.base_url if provider == "openai" else origin  # pyright: ignore
    window.run(f"prefs.{provider}.base_url = {base!r}")
    if key is not None:
        window.run(f"ring.kept['genai_render', {origin!r}] = {key!r}")
    model = OPENAI_MODEL if provider == "openai" else GEMINI_MODEL
    window.run(
        f"settings = bpy.context.scene.genai_render; settings.model = {model!r}; settings.count = 1"
    )
    prompt(window, "a house of glass at golden hour")
    if key is not None:
        window.wait_for("ours('asking').outlook(bpy.context).problem == ''", 20)


def start(window: BlenderWindow) -> None:
    window.run("with override(): bpy.ops.genai_render.generate()")


def wait(window: BlenderWindow) -> None:
    window.wait_for(f"({WORKS}) == 0", 120)
    window.settle(0.7)


def messages(window: BlenderWindow) -> list[str]:
    return window.run("answer = [told.text for told in ours('session').session().told]")


def newest(window: BlenderWindow) -> dict[str, object]:
    """The newest entry of History, whatever became of it."""
    found = window.run(
        "answer = [one.id for one in ours('session').session().store.search(limit=1)]"
    )
    return item(window, found[0])


@contextmanager
def preferences(window: BlenderWindow, show: str) -> Iterator[dict[str, str]]:
    """Blender's preferences in the viewport's place, open at ours. Gives where to look in."""
    window.run(
        "spot = area()\n"
        "spot.type = 'PREFERENCES'\n"
        "bpy.context.preferences.active_section = 'ADDONS'\n"
        "bpy.context.window_manager.addon_search = 'GenAI Render'\n"
        f"prefs.show = {show!r}"
    )
    window.settle(0.5)
    window.run(
        "import addon_utils\n"
        "for module in addon_utils.modules(refresh=False):\n"
        "    ours_it_is = module.__name__ == 'bl_ext.user_default.genai_render'\n"
        "    addon_utils.module_bl_info(module)['show_expanded'] = ours_it_is\n"
        "spot.tag_redraw()"
    )
    window.settle(0.5)
    try:
        yield {"kind": "WINDOW", "area": "PREFERENCES"}
    finally:
        window.run("spot.type = 'VIEW_3D'")
        window.open_tab()


def test_unfinished_pictures_appear_and_the_finished_one_has_its_cost(
    scene: BlenderWindow,
) -> None:
    slow = openai_api.streamed(lambda events: [events[0], Pause(5), events[1], Pause(5), events[2]])
    with openai_api.OpenAIServer(slow) as server:
        use(scene, "openai", server, openai_api.KEY)
        scene.settle(0.5)
        scene.screenshot("openai-ready")
        start(scene)
        scene.wait_for("any(w.partial for w in ours('session').session().works())", 60)
        scene.settle(1)
        scene.screenshot("openai-streaming")
        wait(scene)
        scene.screenshot("openai-result")
    made = newest(scene)
    assert made["status"] == "done"
    usd = (100 * 5 + 1000 * 8 + 439 * 30) / 1e6
    assert made["cost_usd"] == pytest.approx(usd)
    spent = scene.run("s = ours('session').session().spending(); answer = [s.session, s.month]")
    assert spent[0] == pytest.approx(usd)
    assert spent[1] >= spent[0]


def test_four_at_once_from_gemini_of_which_one_is_refused(scene: BlenderWindow) -> None:
    refusal = gemini_api.says(gemini_api.chunk(finish="IMAGE_SAFETY"))
    slow = gemini_api.streamed(lambda events: [events[0], events[1], Pause(6), *events[2:]])
    with gemini_api.GeminiServer(slow, slow, refusal, slow) as server:
        use(scene, "gemini", server, gemini_api.KEY)
        scene.run("bpy.context.scene.genai_render.count = 4")
        scene.settle(0.5)
        start(scene)
        scene.wait_for("any(w.partial for w in ours('session').session().works())", 60)
        scene.settle(1)
        scene.screenshot("gemini-thinking")
        wait(scene)
        scene.screenshot("gemini-three-of-four")
    states = scene.run(
        "answer = [one.status for one in ours('session').session().store.search(limit=4)]"
    )
    assert sorted(states) == ["done", "done", "done", "refused"]
    assert any("refused" in text for text in messages(scene))


def test_a_refusal_says_why_and_is_kept_as_refused(scene: BlenderWindow) -> None:
    said = "Your request was rejected by the safety system."
    details = {"moderation_stage": "input", "categories": ["violence"]}
    refusing = openai_api.fault(400, said, "moderation_blocked", moderation_details=details)
    with openai_api.OpenAIServer(refusing) as server:
        use(scene, "openai", server, openai_api.KEY)
        start(scene)
        wait(scene)
        scene.screenshot("openai-refused")
        assert len(server.received) == 1, "a refusal is not tried again"
    (text,) = messages(scene)
    assert "refused" in text
    assert said in text
    assert "violence" in text
    kept = newest(scene)
    assert kept["status"] == "refused"
    assert not list(Path(str(kept["folder"])).glob("image.*"))


def test_the_wait_that_a_provider_asks_for_is_shown(scene: BlenderWindow) -> None:
    limit = openai_api.fault(
        429, "Rate limit reached.", "rate_limit_exceeded", headers={"retry_after": "12"}
    )
    with openai_api.OpenAIServer(limit) as server:
        use(scene, "openai", server, openai_api.KEY)
        start(scene)
        scene.wait_for(
            "any('as OpenAI asked' in w.message for w in ours('session').session().works())", 60
        )
        scene.settle(0.5)
        scene.screenshot("openai-waits")
        wait(scene)
        assert len(server.received) == 2
    assert newest(scene)["status"] == "done"


def test_a_wrong_key_is_said_without_being_shown(scene: BlenderWindow) -> None:
    wrong = "sk-proj-WRONGKEY99999999999999999999"
    with openai_api.OpenAIServer() as server:
        use(scene, "openai", server, wrong)
        start(scene)
        wait(scene)
        scene.screenshot("openai-wrong-key")
    (text,) = messages(scene)
    assert "does not accept the key" in text
    assert "WRONGKEY" not in text
    assert "9999" not in text


def test_no_key_is_said_beside_the_button(scene: BlenderWindow) -> None:
    with openai_api.OpenAIServer() as server:
        use(scene, "openai", server, None)
        scene.wait_for("'There is no key' in ours('asking').outlook(bpy.context).problem", 20)
        assert not scene.run("answer = bpy.ops.genai_render.generate.poll()")
        scene.settle(0.5)
        scene.screenshot("openai-no-key")
        assert server.connections == 0


def test_budgets_stop_it_before_anything_is_sent(scene: BlenderWindow) -> None:
    with openai_api.OpenAIServer() as server:
        use(scene, "openai", server, openai_api.KEY)
        scene.run("prefs.use_max_cost = True; prefs.max_cost = 0.01")
        problem = scene.run("answer = ours('asking').outlook(bpy.context).problem")
        assert "your limit is $0.01" in problem
        scene.run("prefs.use_max_cost = False")
        scene.run("prefs.use_month_budget = True; prefs.month_budget = 0.04")
        scene.run("ours('session').session().reservations.hold(-1, 0.02, 0.0, None)")
        problem = scene.run("answer = ours('asking').outlook(bpy.context).problem")
        assert "of this month's $0.04 are spent" in problem
        assert not scene.run("answer = bpy.ops.genai_render.generate.poll()")
        scene.settle(0.5)
        scene.screenshot("budget-stop")
        with preferences(scene, "COST"):
            scene.screenshot("preferences-cost")
        scene.run("ours('session').session().reservations.release(-1)")
        scene.run("prefs.use_month_budget = False")
        assert server.connections == 0


def test_cancel_in_the_middle_of_a_stream_closes_the_connection(scene: BlenderWindow) -> None:
    silent = openai_api.streamed(lambda events: [events[0], Forever()])
    with openai_api.OpenAIServer(silent) as server:
        use(scene, "openai", server, openai_api.KEY)
        start(scene)
        scene.wait_for("any(w.partial for w in ours('session').session().works())", 60)
        scene.press("genai_render.cancel", 0.91)
        wait(scene)
        assert server.received[0].client_gone.wait(5)
    left = "[t.name for t in __import__('threading').enumerate() if t.name.startswith('genai')]"
    scene.wait_for(f"not {left}", 10)
    assert messages(scene) == []


def test_a_key_goes_from_its_field_to_the_keyring_and_is_tested(scene: BlenderWindow) -> None:
    """Typed by hand, in the preferences: the field is empty at once, and the test tells."""
    with openai_api.OpenAIServer() as server:
        use(scene, "openai", server, None)
        with preferences(scene, "SERVICES") as where:
            scene.screenshot("preferences-no-key")
            x, y = scene.find_button("genai_render.test_access", 0.96, **where)
            scene.click(x - 300, y + 29)  # the field is in the next row
            scene.key("ctrl+a")
            scene.type(openai_api.KEY)
            scene.key("Return")
            scene.wait_for("list(ring.kept.values())", 20)
            scene.wait_for("ours('keys').told('openai') is not None", 20)
            assert scene.run("answer = prefs.openai.key_entry") == ""
            assert scene.run(f"answer = ring.kept['genai_render', {server.origin!r}]") == (
                openai_api.KEY
            )
            scene.settle(0.5)
            scene.screenshot("preferences-key-kept")
            scene.run("bpy.ops.genai_render.test_access(endpoint='openai')")
            scene.wait_for(
                "not ours('keys').busy('openai') and ours('keys').told('openai') is not None", 30
            )
            scene.settle(0.5)
            scene.screenshot("preferences-key-tested")
            told = scene.run("answer = ours('keys').told('openai').text")
            assert "The key is good" in told
            scene.run("bpy.ops.genai_render.key_remove(endpoint='openai')")
            scene.wait_for("not ring.kept", 20)


def test_a_server_of_ones_own(scene: BlenderWindow) -> None:
    """Added in the preferences, asked for its models, and used without a key."""
    with openai_api.OpenAIServer(key=None) as server:
        scene.run(_KEYRING)
        with preferences(scene, "SERVICES"):
            scene.run("bpy.ops.genai_render.server_add()")
            scene.run("mine = prefs.servers[0]; mine.name = 'Studio'")
            scene.run(f"mine.base_url = {server.base_url!r}")
            scene.run("bpy.ops.genai_render.server_models(index=0)")
            scene.wait_for("'gpt-image-2' in prefs.servers[0].models", 30)
            scene.settle(0.5)
            scene.screenshot("preferences-server")
        scene.run("prefs.servers[0].models = 'gpt-image-2, gpt-image-1.5'")
        scene.run("bpy.context.scene.genai_render.model = 'Studio/gpt-image-2'")
        prompt(scene, "a glass house")
        assert scene.run("answer = ours('asking').outlook(bpy.context).cost") == "unknown"
        scene.run("prefs.servers[0].price_known = True")
        assert scene.run("answer = ours('asking').outlook(bpy.context).cost") == "free"
        start(scene)
        wait(scene)
    assert newest(scene)["status"] == "done", messages(scene)
    scene.run("bpy.context.scene.genai_render.model = 'offline'")
    scene.run("prefs.servers.clear(); ours('properties').reload_catalog()")


def test_a_models_file_that_is_wrong_is_said_and_the_rest_goes_on(
    scene: BlenderWindow, tmp_path: Path
) -> None:
    scene.run(_KEYRING)
    path = tmp_path / "models.toml"
    path.write_text('[[model]]\nid = "mine"\nlabel = "Mine"\nbackend = "openai"\ncolour = 1\n')
    scene.run(f"prefs.models_file = {str(path)!r}")
    assert "colour" in scene.run("answer = ours('preferences').models_problem()")
    with preferences(scene, "WORK"):
        scene.screenshot("preferences-work")
    path.write_text('[[model]]\nid = "mine"\nlabel = "Mine"\nbackend = "openai"\n')
    scene.run(f"prefs.models_file = {str(path)!r}")
    assert scene.run("answer = ours('preferences').models_problem()") == ""
    scene.run("bpy.context.scene.genai_render.model = 'mine'")
    scene.run("bpy.context.scene.genai_render.model = 'offline'; prefs.models_file = ''")


def test_a_key_that_was_typed_is_in_nothing_that_blender_keeps(
    scene: BlenderWindow, tmp_path: Path
) -> None:
    """Not in its preferences, a .blend, the log, the Info Editor, nor in History."""
    with openai_api.OpenAIServer() as server:
        use(scene, "openai", server, None)
        scene.run("bpy.context.preferences.use_preferences_save = False")
        with preferences(scene, "SERVICES") as where:
            x, y = scene.find_button("genai_render.test_access", 0.96, **where)
            scene.click(x - 300, y + 29)
            scene.type(openai_api.KEY)
            scene.key("Return")
            scene.wait_for("list(ring.kept.values())", 20)
            scene.settle(1)
        scene.wait_for("ours('asking').outlook(bpy.context).problem == ''", 20)
        start(scene)
        wait(scene)
        assert newest(scene)["status"] == "done", messages(scene)
    blend = tmp_path / "scene.blend"
    scene.run(
        "bpy.ops.wm.save_userpref()\n"
        f"bpy.ops.wm.save_as_mainfile(filepath={str(blend)!r}, copy=True, compress=False)"
    )
    scene.run("spot = area('PROPERTIES'); spot.type = 'INFO'")
    scene.settle(1)
    reports = scene.run(
        "with override('WINDOW', 'INFO'):\n"
        "    bpy.ops.info.select_all(action='SELECT')\n"
        "    bpy.ops.info.report_copy()\n"
        "answer = bpy.context.window_manager.clipboard"
    )
    scene.run("spot.type = 'PROPERTIES'")
    scene.settle(0.5)
    marked = openai_api.KEY[10:24]
    assert reports
    assert marked not in reports
    assert (scene.resources / "config" / "userpref.blend").is_file()
    for folder in (scene.folder, tmp_path):
        for path in folder.rglob("*"):
            if path.is_file():
                assert marked.encode() not in path.read_bytes(), path


def test_without_online_access_the_window_reaches_nobody(scene: BlenderWindow) -> None:
    """Neither the button nor a Test sends anything, not even to look up a name."""
    scene.run(_KEYRING)
    scene.run(
        "prefs.openai.base_url = ''; bpy.context.preferences.system.use_online_access = False"
    )
    scene.run("ring.kept['genai_render', 'https://api.openai.com'] = 'sk-proj-something-or-other'")
    scene.run(
        "import sys, ipaddress\n"
        "left = []\n"
        "def guard(event, values):\n"
        "    if event in ('socket.getaddrinfo', 'socket.gethostbyname'):\n"
        "        left.append((event, str(values[0])))\n"
        "    elif event in ('socket.connect', 'socket.sendto') and isinstance(values[-1], tuple):\n"
        "        if not ipaddress.ip_address(values[-1][0]).is_loopback:\n"
        "            left.append((event, str(values[-1])))\n"
        "sys.addaudithook(guard)"
    )
    scene.run(f"bpy.context.scene.genai_render.model = {OPENAI_MODEL!r}")
    prompt(scene, "a glass house")
    problem = scene.run("answer = ours('asking').outlook(bpy.context).problem")
    assert "needs the network" in problem
    assert "Allow Online Access" in problem
    assert not scene.run("answer = bpy.ops.genai_render.generate.poll()")
    scene.settle(0.5)
    scene.screenshot("online-access-off")
    scene.run("bpy.ops.genai_render.test_access(endpoint='openai')")
    scene.wait_for(
        "not ours('keys').busy('openai') and ours('keys').told('openai') is not None", 30
    )
    assert "Online access is off" in scene.run("answer = ours('keys').told('openai').text")
    assert scene.run("answer = left") == []
