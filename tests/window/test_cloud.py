# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenAI and Gemini in a real window, with a server of ours in the provider's place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from ..servers import acme_api, gemini_api, openai_api
from ..servers.http import Forever, Pause
from .blender_window import BlenderWindow
from .test_panel import WORKS, item, prompt
from .test_panel_pictures import _SCENE

OPENAI_MODEL = "gpt-image-2.5-flare"
GEMINI_MODEL = "gemini-3.1-flash-image"

# A keyring in memory instead of the system's, which no test may touch.
_KEYRING = """
from importlib import import_module
core = import_module("bl_ext.user_default.genai_render.core.keys.credentials")
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
ours("connections.keys").credentials = core.Credentials(environ={}, keyring=ring)
prefs = ours("addon").preferences()
prefs.use_max_cost = prefs.use_month_budget = False
for name in ("openai", "gemini"):
    ours("connections.keys").forget(name)
"""
_TOLD = (
    "not ours('connections.keys').busy('openai') "
    "and ours('connections.keys').told('openai') is not None"
)


def use(window: BlenderWindow, provider: str, server: object, key: str | None) -> None:
    """Point the provider to a server, choose one of its models, and have its key in the ring."""
    origin = server.origin  # pyright: ignore[reportAttributeAccessIssue]
    base = server.base_url if provider == "openai" else origin  # pyright: ignore
    # All at once, or the panel could look for the key in between, and remember that it is missing.
    window.run(
        f"{_KEYRING}\n"
        f"if {key!r} is not None:\n"
        f"    ring.kept['genai_render', {origin!r}] = {key!r}\n"
        f"prefs.{provider}.base_url = {base!r}"
    )
    model = OPENAI_MODEL if provider == "openai" else GEMINI_MODEL
    window.run(
        f"settings = bpy.context.scene.genai_render; settings.model = {model!r}; settings.count = 1"
    )
    prompt(window, "a house of glass at golden hour")
    if key is not None:
        window.wait_for("problem() == ''", 60)


def start(window: BlenderWindow) -> None:
    window.run("with override(): bpy.ops.genai_render.generate()")


def wait(window: BlenderWindow) -> None:
    window.wait_for(f"({WORKS}) == 0", 120)
    window.settle(0.7)


def messages(window: BlenderWindow) -> list[str]:
    return window.run("answer = [told.text for told in ours('jobs.session').session().told]")


def newest(window: BlenderWindow) -> dict[str, object]:
    """The newest entry of History, whatever became of it."""
    found = window.run(
        "answer = [one.id for one in ours('jobs.session').session().store.search(limit=1)]"
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


# Who imports what the SDKs are of, when it is imported for the first time.
_WATCH_IMPORTS = """
import sys, threading
imported = []
def watch(event, values):
    if event == "import" and values[0].partition(".")[0] in ("openai", "httpx2", "pydantic"):
        imported.append(threading.current_thread().name)
sys.addaudithook(watch)
"""


def test_unfinished_pictures_appear_and_the_finished_one_has_its_cost(
    scene: BlenderWindow,
) -> None:
    slow = openai_api.streamed(lambda events: [events[0], Pause(5), events[1], Pause(1), events[2]])
    scene.run(_WATCH_IMPORTS)
    with openai_api.OpenAIServer(slow) as server:
        use(scene, "openai", server, openai_api.KEY)
        scene.run("prefs.openai.organization, prefs.openai.project = 'org-studio', 'proj-film'")
        scene.settle(0.5)
        scene.screenshot("openai-ready")
        start(scene)
        scene.wait_for("any(w.partial for w in ours('jobs.session').session().works())", 60)
        scene.settle(1)
        scene.screenshot("openai-streaming")
        wait(scene)
        scene.screenshot("openai-result")
        headers = server.received[0].headers
    scene.run("prefs.openai.organization = prefs.openai.project = ''")
    assert (headers["openai-organization"], headers["openai-project"]) == (
        "org-studio",
        "proj-film",
    )
    assert "MainThread" not in scene.run("answer = imported"), "the window waited for the SDK"
    made = newest(scene)
    assert made["status"] == "done"
    usd = (100 * 5 + 1000 * 8 + 439 * 30) / 1e6
    assert made["cost_usd"] == pytest.approx(usd)
    spent = scene.run(
        "s = ours('jobs.session').session().spending(); answer = [s.session, s.month]"
    )
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
        scene.wait_for("any(w.partial for w in ours('jobs.session').session().works())", 60)
        scene.settle(1)
        scene.screenshot("gemini-thinking")
        wait(scene)
        scene.screenshot("gemini-three-of-four")
    states = scene.run(
        "answer = [one.status for one in ours('jobs.session').session().store.search(limit=4)]"
    )
    assert sorted(states) == ["done", "done", "done", "refused"]
    (text,) = messages(scene)
    assert text.startswith("1 of 4 images did not come. Google refused to make this image.")


_WAITS = openai_api.fault(
    429, "Rate limit reached.", "rate_limit_exceeded", headers={"retry_after": "9"}
)
_SAYS = "Your request was rejected by the safety system."
_REFUSES = openai_api.fault(
    400,
    _SAYS,
    "moderation_blocked",
    moderation_details={"moderation_stage": "input", "categories": ["violence"]},
)
_UNFINISHED = openai_api.streamed(lambda events: [*events[:2], Forever()])


def _sidebar(window: BlenderWindow, name: str) -> Image.Image:
    """What is to be seen from the prompt down to the messages."""
    x, y, width, _ = window.region("UI")
    picture = Image.open(window.screenshot(name)).convert("RGB")
    return picture.crop((x, y + 262, x + width - 22, y + 564))


def test_a_stream_a_wait_a_refusal_and_a_budget(scene: BlenderWindow) -> None:
    """One after another, with the documentation's pictures of them (`--shots DIR` renews these):
    doc-streaming and doc-providers."""

    def stop() -> None:
        scene.run("ours('jobs.session').session().cancel_all()")
        wait(scene)
        scene.run("ours('jobs.session').session().told.clear()")

    scene.run(_SCENE)
    works_well = openai_api.streamed(lambda events: events)
    with openai_api.OpenAIServer(_UNFINISHED, _WAITS, works_well, _REFUSES) as server:
        use(scene, "openai", server, openai_api.KEY)
        scene.run("settings.prompt, settings.style = 'golden hour, warm light', 'movie'")
        scene.settle(3)

        start(scene)
        scene.wait_for(
            "any((w.fraction or 0) > 0.6 for w in ours('jobs.session').session().works())"
        )
        scene.settle(3)
        scene.screenshot("doc-streaming")
        parts = [_sidebar(scene, "doc-provider-streams")]
        stop()

        # What follows shows in the panel alone: a simpler view is drawn in less time.
        scene.run(
            "view.shading.show_shadows = view.shading.show_cavity = False\n"
            "for thing in list(bpy.data.objects):\n"
            "    if thing.name != 'Backdrop' and thing.type not in ('CAMERA', 'LIGHT'):\n"
            "        bpy.data.objects.remove(thing)"
        )

        # The provider asks to wait: that is shown, and kept to.
        scene.run("ours('viewport.overlay').hide()")
        start(scene)
        scene.wait_for("any('asked' in w.message for w in ours('jobs.session').session().works())")
        scene.settle(1)
        parts.append(_sidebar(scene, "doc-provider-waits"))
        wait(scene)
        assert len(server.received) == 3
        assert newest(scene)["status"] == "done"
        stop()

        # It refuses: why is said, and kept without a picture; it is not tried again.
        scene.run("ours('viewport.overlay').hide()")
        start(scene)
        wait(scene)
        (text,) = messages(scene)
        assert text.startswith("OpenAI refused to make this image.")
        assert _SAYS in text
        assert "violence" in text
        kept = newest(scene)
        assert kept["status"] == "refused"
        assert not list(Path(str(kept["folder"])).glob("image.*"))
        parts.append(_sidebar(scene, "doc-provider-refuses"))
        stop()
        assert len(server.received) == 4

        # Budgets stop it before anything is sent.
        outlook = "answer = problem()"
        scene.run("prefs.use_max_cost = True; prefs.max_cost = 0.01")
        assert "your limit is $0.01" in scene.run(outlook)
        scene.run("prefs.use_max_cost = False")
        scene.run(
            "held = ours('jobs.session').session().gate._reservations\n"
            "held.hold(-1, 4.98 - ours('jobs.session').session().spending().month, 0.0, None)"
        )
        scene.run("prefs.use_month_budget, prefs.month_budget = True, 5.0")
        assert "of this month's $5.00 are spent" in scene.run(outlook)
        assert not scene.run("answer = bpy.ops.genai_render.generate.poll()")
        scene.settle(1)
        parts.append(_sidebar(scene, "doc-provider-budget"))

        # What was spent: in a panel that is closed at first, so here as a pop-up.
        scene.move_mouse(500, 400)
        scene.run("with override(): bpy.ops.wm.call_panel(name='GENAI_RENDER_PT_spending')")
        scene.settle(1)
        scene.screenshot("panel-cost")
        scene.move_mouse(300, 800)
        scene.key("Escape")
        with preferences(scene, "COST"):
            scene.screenshot("preferences-cost")
        scene.run("held.release(-1)")
        scene.run("prefs.use_month_budget = False")
        assert len(server.received) == 4

    sheet = Image.new(
        "RGB", (sum(part.width for part in parts) + 12 * (len(parts) - 1), parts[0].height), "white"
    )
    left = 0
    for part in parts:
        sheet.paste(part, (left, 0))
        left += part.width + 12
    sheet.save(scene.shots / "doc-providers.png")


def test_a_key_that_is_missing_or_wrong_is_said_without_being_shown(scene: BlenderWindow) -> None:
    wrong = "sk-proj-WRONGKEY99999999999999999999"
    with openai_api.OpenAIServer() as server:
        use(scene, "openai", server, None)
        scene.wait_for("'There is no key' in problem()", 20)
        assert not scene.run("answer = bpy.ops.genai_render.generate.poll()")
        scene.settle(0.5)
        scene.screenshot("openai-no-key")
        assert server.connections == 0

        use(scene, "openai", server, wrong)
        start(scene)
        wait(scene)
        scene.screenshot("openai-wrong-key")
    (text,) = messages(scene)
    assert "does not accept the key" in text
    assert "WRONGKEY" not in text
    assert "9999" not in text


def test_cancel_in_the_middle_of_a_stream_closes_the_connection(scene: BlenderWindow) -> None:
    silent = openai_api.streamed(lambda events: [events[0], Forever()])
    with openai_api.OpenAIServer(silent) as server:
        use(scene, "openai", server, openai_api.KEY)
        start(scene)
        scene.wait_for("any(w.partial for w in ours('jobs.session').session().works())", 60)
        scene.press("genai_render.cancel", 0.91, begin=0.5)
        wait(scene)
        assert server.received[0].client_gone.wait(5)
    # The panel's pictures have a thread of their own, whatever the jobs do.
    names = "{t.name for t in __import__('threading').enumerate() if t.name.startswith('genai')}"
    left = names + " - {'genai-previews'}"
    scene.wait_for(f"not ({left})", 10)
    (told,) = messages(scene)
    assert told.startswith("Cancelled after it was sent. The provider may charge it")


def test_a_key_is_typed_tested_and_used_and_in_nothing_that_blender_keeps(
    scene: BlenderWindow, tmp_path: Path
) -> None:
    """The field is empty at once, and the key in the keyring alone: not in the preferences, a
    .blend, the log, the Info Editor, History, nor in what Blender adds to a bug report."""
    with openai_api.OpenAIServer() as server:
        use(scene, "openai", server, None)
        scene.run("bpy.context.preferences.use_preferences_save = False")
        with preferences(scene, "SERVICES") as where:
            scene.screenshot("preferences-no-key")
            x, y = scene.find_button("genai_render.test_access", 0.96, **where)
            scene.click(x - 300, y + 29)  # the field is in the next row
            scene.key("ctrl+a")
            scene.type(openai_api.KEY)
            scene.key("Return")
            scene.wait_for("list(ring.kept.values())", 20)
            scene.wait_for(_TOLD, 20)
            assert scene.run("answer = prefs.openai.key_entry") == ""
            assert scene.run(f"answer = ring.kept['genai_render', {server.origin!r}]") == (
                openai_api.KEY
            )
            scene.click(x, y)
            scene.wait_for(
                "'The key is good' in getattr(ours('connections.keys').told('openai'), 'text', '')"
            )
            scene.move_mouse(x - 700, y)  # or a tip lies over it
            scene.settle(1)
            scene.screenshot("preferences-key-tested")
        scene.wait_for("problem() == ''", 20)
        start(scene)
        wait(scene)
        assert newest(scene)["status"] == "done", messages(scene)
        blend, system = tmp_path / "scene.blend", tmp_path / "system-info.txt"
        scene.run(
            "bpy.ops.wm.save_userpref()\n"
            f"bpy.ops.wm.save_as_mainfile(filepath={str(blend)!r}, copy=True, compress=False)\n"
            f"bpy.ops.wm.sysinfo(filepath={str(system)!r})"
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
        assert blend.is_file()
        assert system.is_file()
        assert (scene.resources / "config" / "userpref.blend").is_file()
        for folder in (scene.folder, tmp_path):
            for path in folder.rglob("*"):
                if path.is_file():
                    assert marked.encode() not in path.read_bytes(), path
        scene.run("bpy.ops.genai_render.key_remove(endpoint='openai')")
        scene.wait_for("not ring.kept", 20)


def test_a_server_of_ones_own(scene: BlenderWindow) -> None:
    """Added in the preferences, asked for its models, and used without a key; elsewhere, and so
    through a proxy, which is the server itself here."""
    with openai_api.OpenAIServer(key=None) as server:
        scene.run(_KEYRING)
        scene.run("prefs.openai.base_url = prefs.gemini.base_url = ''")
        scene.run("bpy.context.preferences.system.use_online_access = True")
        scene.run(f"prefs.proxy, prefs.proxy_address = 'own', {server.origin!r}")
        with preferences(scene, "SERVICES"):
            scene.run("bpy.ops.genai_render.server_add()")
            scene.run("mine = prefs.servers[0]; mine.name = 'Studio'")
            scene.run("mine.base_url = 'http://images.example/v1'")
            scene.run("bpy.ops.genai_render.server_models(index=0)")
            scene.wait_for("'gpt-image-2' in prefs.servers[0].models", 30)
            scene.run("prefs.openai.show_server = True")
            scene.run("prefs.openai.more_models = 'gpt-image-3-flare, gpt-image-2'")
            scene.settle(0.5)
            scene.screenshot("preferences-server")
        # One more of OpenAI's, known by its name alone: as the nearest, at an unknown price.
        scene.run("bpy.context.scene.genai_render.model = 'gpt-image-3-flare'")
        assert scene.run(
            "found = ours('catalog').catalog().model('gpt-image-3-flare')\n"
            "answer = [found.backend, len(found.options) > 3, found.price is None]"
        ) == ["openai", True, True]
        scene.run("prefs.servers[0].models = 'gpt-image-2, gpt-image-1.5'")
        scene.run("bpy.context.scene.genai_render.model = 'Studio/gpt-image-2'")
        prompt(scene, "a glass house")
        assert (
            scene.run("answer = ours('jobs.request_builder').prepared(bpy.context).cost")
            == "unknown"
        )
        scene.run("prefs.servers[0].price_known = True")
        assert (
            scene.run("answer = ours('jobs.request_builder').prepared(bpy.context).cost") == "free"
        )
        start(scene)
        wait(scene)
        for request in server.received:
            assert request.target.startswith("http://images.example/v1/")
    assert newest(scene)["status"] == "done", messages(scene)
    scene.run("prefs.proxy = 'system'; bpy.context.scene.genai_render.model = 'offline'")
    scene.run("prefs.openai.more_models = ''; prefs.openai.show_server = False")
    scene.run("prefs.servers.clear(); ours('catalog').reload()")


def test_a_provider_that_is_a_table_in_a_file(scene: BlenderWindow, tmp_path: Path) -> None:
    """As the guide says: the file is chosen, the provider stands in the preferences with a place
    for its key, and its model makes an image."""
    page = (Path(__file__).parents[2] / "docs" / "guide" / "provider.md").read_text("utf-8")
    path = tmp_path / "acme.toml"
    path.write_text(page.partition("```toml\n")[2].partition("```")[0])
    with acme_api.AcmeServer() as server:
        scene.run(_KEYRING)
        scene.run("bpy.context.preferences.system.use_online_access = True")
        scene.run(f"prefs.models_file = {str(path)!r}")
        with preferences(scene, "SERVICES"):
            scene.settle(1)
            scene.run("mine = next(one for one in prefs.tables if one.name == 'acme')")
            scene.run(f"mine.base_url = {server.base_url!r}; mine.show_server = True")
            scene.run(f"mine.key_entry = {acme_api.KEY!r}")
            scene.wait_for("list(ring.kept.values())", 20)
            scene.settle(1)
            scene.screenshot("preferences-provider-table")
        assert scene.run(f"answer = ring.kept['genai_render', {server.origin!r}]") == acme_api.KEY
        scene.run("bpy.context.scene.genai_render.model = 'acme/acme-xl'")
        prompt(scene, "a house of glass")
        start(scene)
        wait(scene)
        assert newest(scene)["status"] == "done", messages(scene)
        assert len(server.received[-1].json["inputs"]) == 1, "the view"
    scene.run("bpy.context.scene.genai_render.model = 'offline'")
    scene.run("prefs.tables.clear(); prefs.models_file = ''")


def test_a_models_file_that_is_wrong_is_said_and_the_rest_goes_on(
    scene: BlenderWindow, tmp_path: Path
) -> None:
    scene.run(_KEYRING)
    path = tmp_path / "models.toml"
    path.write_text('[[model]]\nid = "mine"\nlabel = "Mine"\nbackend = "openai"\ncolour = 1\n')
    scene.run(f"prefs.models_file = {str(path)!r}")
    assert "colour" in scene.run("answer = ours('catalog').models_problem()")
    with preferences(scene, "WORK"):
        scene.screenshot("preferences-work")
    path.write_text('[[model]]\nid = "mine"\nlabel = "Mine"\nbackend = "openai"\n')
    scene.run(f"prefs.models_file = {str(path)!r}")
    assert scene.run("answer = ours('catalog').models_problem()") == ""
    scene.run("bpy.context.scene.genai_render.model = 'mine'")
    scene.run("bpy.context.scene.genai_render.model = 'offline'; prefs.models_file = ''")


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
    problem = scene.run("answer = problem()")
    assert "needs the network" in problem
    assert "Allow Online Access" in problem
    assert not scene.run("answer = bpy.ops.genai_render.generate.poll()")
    scene.settle(0.5)
    scene.screenshot("online-access-off")
    scene.run("bpy.ops.genai_render.test_access(endpoint='openai')")
    scene.wait_for(
        _TOLD,
        30,
    )
    assert "Online access is off" in scene.run(
        "answer = ours('connections.keys').told('openai').text"
    )
    assert scene.run("answer = left") == []
