# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation's pictures of the providers, with a server of ours in OpenAI's place.

`--shots DIR` renews them: doc-streaming and doc-providers.
"""

from __future__ import annotations

from PIL import Image

from ..servers import openai_api
from ..servers.http import Forever
from .blender_window import BlenderWindow
from .test_cloud import messages, use, wait
from .test_panel_pictures import _SCENE

_WAITS = openai_api.fault(
    429, "Rate limit reached.", "rate_limit_exceeded", headers={"retry_after": "40"}
)
_REFUSES = openai_api.fault(
    400,
    "Your request was rejected by the safety system.",
    "moderation_blocked",
    moderation_details={"moderation_stage": "input", "categories": ["violence"]},
)
_UNFINISHED = openai_api.streamed(lambda events: [*events[:2], Forever()])


def _sidebar(window: BlenderWindow, name: str) -> Image.Image:
    """What is to be seen from the prompt down to the messages."""
    x, y, width, _ = window.region("UI")
    picture = Image.open(window.screenshot(name)).convert("RGB")
    return picture.crop((x, y + 250, x + width - 22, y + 600))


def test_streaming_waiting_refusing_and_stopping(scene: BlenderWindow) -> None:
    def start() -> None:
        scene.run("with override(): bpy.ops.genai_render.generate()")

    def stop() -> None:
        scene.run("ours('session').session().cancel_all()")
        wait(scene)
        scene.run("ours('session').session().told.clear()")

    scene.run(_SCENE)
    with openai_api.OpenAIServer(_UNFINISHED, _WAITS, _REFUSES) as server:
        use(scene, "openai", server, openai_api.KEY)
        scene.run("settings.prompt, settings.style = 'golden hour, warm light', 'movie'")
        scene.settle(3)

        start()
        scene.wait_for("any((w.fraction or 0) > 0.6 for w in ours('session').session().works())")
        scene.settle(2)
        scene.screenshot("doc-streaming")
        parts = [_sidebar(scene, "doc-provider-streams")]
        stop()

        scene.run("ours('overlay').hide()")
        start()
        scene.wait_for("any('asked' in w.message for w in ours('session').session().works())")
        scene.settle(1)
        parts.append(_sidebar(scene, "doc-provider-waits"))
        stop()

        start()
        wait(scene)
        assert "refused" in messages(scene)[0]
        parts.append(_sidebar(scene, "doc-provider-refuses"))
        stop()

        scene.run("ours('session').session().reservations.hold(-1, 4.99, 0.0, None)")
        scene.run("prefs.use_month_budget, prefs.month_budget = True, 5.0")
        assert not scene.run("answer = bpy.ops.genai_render.generate.poll()")
        scene.settle(1)
        parts.append(_sidebar(scene, "doc-provider-budget"))
        scene.run("ours('session').session().reservations.release(-1)")
        scene.run("prefs.use_month_budget = False")

    sheet = Image.new(
        "RGB", (sum(part.width for part in parts) + 12 * (len(parts) - 1), parts[0].height), "white"
    )
    left = 0
    for part in parts:
        sheet.paste(part, (left, 0))
        left += part.width + 12
    sheet.save(scene.shots / "doc-providers.png")
