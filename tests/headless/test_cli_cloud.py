# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenAI and Gemini through `python -m genai_render`, with a server of ours in their place."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..servers import fal_api, gemini_api, openai_api
from ..servers.http import Answer, Forever
from .test_cli import ROOT, picture

pytest.importorskip("openai")
pytest.importorskip("google.genai")

OPENAI = "gpt-image-2.5-flare"
GEMINI = "gemini-3.1-flash-image"
PAID = (100 * 5 + 1000 * 8 + 439 * 30) / 1e6


class CommandLine:
    """Runs our commands and keeps all that they print, to look for the keys in the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.history = folder / "history"
        self.printed = ""
        self.variables: dict[str, str] = {}

    def words(self, *words: object, model: str = OPENAI) -> list[str]:
        command = [sys.executable, "-m", "genai_render", "render", "--no-canvas", "--json"]
        command += ["--prompt", "golden hour", "--model", model, "--history", str(self.history)]
        return command + [str(word) for word in words]

    def environ(self, server: Any) -> dict[str, str]:
        """As it is, with only the keys and addresses of ours, and a user folder of its own."""
        known = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OPENAI_", "GOOGLE_", "GEMINI_"))
        }
        known["BLENDER_USER_RESOURCES"] = str(self.folder / "user")
        if isinstance(server, openai_api.OpenAIServer):
            known |= {"OPENAI_API_KEY": openai_api.KEY, "OPENAI_BASE_URL": server.base_url}
        else:
            known |= {"GEMINI_API_KEY": gemini_api.KEY, "GOOGLE_GEMINI_BASE_URL": server.origin}
        return known | self.variables

    def __call__(
        self, server: Any, *words: object, model: str = OPENAI
    ) -> tuple[int, list[dict[str, Any]]]:
        """The exit code, and the events."""
        told = subprocess.run(
            self.words(*words, model=model),
            cwd=ROOT,
            env=self.environ(server),
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        self.printed += told.stdout + told.stderr
        return told.returncode, [json.loads(line) for line in told.stdout.splitlines()]

    @property
    def statuses(self) -> list[str]:
        """Of every entry of History."""
        kept = self.history.rglob("request.json")
        return sorted(json.loads(path.read_text())["status"] for path in kept)


@pytest.fixture
def render(tmp_path: Path) -> Iterator[CommandLine]:
    """With a look, in the end, for the keys in all that was printed and written."""
    made = CommandLine(tmp_path)
    yield made
    for key in (openai_api.KEY, gemini_api.KEY, fal_api.KEY):
        middle = key[10:24]  # also of a key whose ends alone are shown
        assert middle not in made.printed
        for path in tmp_path.rglob("*"):
            if path.is_file():
                assert middle.encode() not in path.read_bytes(), path


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == kind]


def test_an_image_comes_with_what_it_cost(render: CommandLine, tmp_path: Path) -> None:
    style = picture((200, 80, 20), tmp_path / "style.png")
    with openai_api.OpenAIServer() as server:
        code, events = render(server, "--reference", f"{style}=style", "--output", tmp_path / "out")
        assert server.received[0].path == "/v1/images/edits"
    assert code == 0, render.printed
    (result,) = of(events, "result")
    assert result["cost_usd"] == pytest.approx(PAID)
    assert of(events, "done")[0]["cost_usd"] == pytest.approx(PAID, abs=1e-6)
    assert Path(result["path"]).parent == tmp_path / "out"
    assert any(event["message"] == "Taking shape" for event in of(events, "progress"))


# The bpy module reads no preferences, in which online access would be allowed.
_ONLINE = """
import sys, bpy
bpy.context.preferences.system.use_online_access = True
from genai_render.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_key_goes_unencrypted_only_where_the_environment_names_the_way(
    render: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a server elsewhere, through a proxy, which is the server itself here."""
    words = [sys.executable, "-c", _ONLINE, *render.words()[3:]]
    monkeypatch.setattr(render, "words", lambda *_, **__: words)
    with openai_api.OpenAIServer() as server:
        gate = f"127.0.0.1:{server.port}"
        way = f"http://studio.example through {gate}"
        render.variables = {
            "OPENAI_BASE_URL": "http://studio.example/v1",
            "http_proxy": f"http://{gate}",
            "no_proxy": "",
        }
        code, events = render(server)
        assert code == 4, render.printed
        told = " ".join(event.get("message", "") for event in events)
        assert f"GENAI_RENDER_PLAIN_KEY={way!r}" in told
        assert server.received == []
        render.variables["GENAI_RENDER_PLAIN_KEY"] = way
        code, events = render(server)
        assert code == 0, render.printed
        assert server.received[0].target.startswith("http://studio.example/v1/")


def test_models_are_refreshed_and_stay_known_without_the_network(render: CommandLine) -> None:
    def models(server: Any, *words: str) -> tuple[int, list[dict[str, Any]]]:
        told = subprocess.run(
            [sys.executable, "-m", "genai_render", "models", "--json", *words],
            cwd=ROOT,
            env=render.environ(server),
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        render.printed += told.stdout + told.stderr
        return told.returncode, [json.loads(line) for line in told.stdout.splitlines()]

    listed = [
        {"id": "gpt-image-77", "object": "model", "created": 1, "owned_by": "openai"},
        {
            **{"id": OPENAI, "object": "model", "created": 1, "owned_by": "openai"},
            "shutdown_date": "2099-01-02",
        },
    ]

    def tells(request: Any, server: Any) -> Answer:
        return Answer.of_json({"object": "list", "data": listed})

    with openai_api.OpenAIServer(tells) as server:
        code, events = models(server, "--refresh")
    assert code == 0, render.printed
    (told,) = of(events, "refreshed")
    assert (told["provider"], told["new"]) == ("openai", ["gpt-image-77"])
    code, events = models(server)  # which has gone by now
    assert code == 0, render.printed
    known = {event["id"]: event for event in of(events, "model")}
    assert known["gpt-image-77"]["backend"] == "openai"
    assert known[OPENAI]["shutdown"] == "2099-01-02"


def test_a_queue_of_fal_s_kind_at_an_address_of_one_s_own(
    render: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table alone: the options come from the model's own schema."""
    with fal_api.FalServer() as server:
        own = tmp_path / "own.toml"
        own.write_text(
            '[[provider]]\nid = "studio"\nlabel = "Studio"\ndialect = "fal"\n'
            f'base_url = "{server.origin}"\nvariables = ["STUDIO_API_KEY"]\n'
            'key_format = "Key {}"\n[[provider.model]]\n'
            'name = "fal-ai/recraft/v4.1/text-to-image"\n'
            'price = { per_image = { "1K" = 0.04 }, source = "studio", date = "2026-11-28" }\n'
        )
        monkeypatch.setenv("GENAI_RENDER_MODELS", str(own))
        monkeypatch.setenv("STUDIO_API_KEY", fal_api.KEY)
        model = "studio/fal-ai/recraft/v4.1/text-to-image"
        code, events = render(server, "--max-cost", 1, model=model)
        assert code == 0, render.printed
        assert any(
            event["message"] == "Studio is working: 50 %" for event in of(events, "progress")
        )
        (result,) = of(events, "result")
        assert result["cost_usd"] == pytest.approx(0.04)
        server.result_script = [lambda *_: fal_api.Refusal(401, f"No {fal_api.KEY}").answer]
        code, events = render(server, model=model)
    assert code == 4, render.printed


def test_vertex_by_the_environment(
    render: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vertex_api = pytest.importorskip("tests.servers.vertex_api", exc_type=ImportError)
    login = tmp_path / "login.json"
    with vertex_api.VertexServer() as server:
        login.write_text(json.dumps(server.service_account()))
        known = render.environ(server)
        for name, value in {
            "GOOGLE_GENAI_USE_VERTEXAI": "true",
            "GOOGLE_CLOUD_PROJECT": vertex_api.PROJECT,
            "GOOGLE_CLOUD_LOCATION": vertex_api.LOCATION,
            "GOOGLE_APPLICATION_CREDENTIALS": str(login),
            "GOOGLE_VERTEX_BASE_URL": server.origin,
        }.items():
            known[name] = value
        monkeypatch.setattr(render, "environ", lambda _server: known)
        code, events = render(server, model=GEMINI)
        assert code == 0, render.printed
        assert len(of(events, "result")) == 1
        known["GOOGLE_APPLICATION_CREDENTIALS"] = str(tmp_path / "lost.json")
        code, events = render(server, model=GEMINI)
    assert code == 4, render.printed
    assert "gcloud auth application-default login" in of(events, "failed")[0]["message"]


def test_three_of_four_are_kept_and_the_fourth_is_told_of(render: CommandLine) -> None:
    refusal = gemini_api.says(gemini_api.chunk(finish="IMAGE_SAFETY"))
    with gemini_api.GeminiServer(refusal) as server:
        code, events = render(server, "--count", 4, model=GEMINI)
        assert len(server.received) == 4
    assert code == 3, render.printed
    assert len(of(events, "result")) == 3
    assert "1 of 4 images did not come." in [event["text"] for event in of(events, "notice")]
    assert "refused" in of(events, "failed")[0]["message"]
    assert render.statuses == ["done", "done", "done", "refused"]


def test_what_goes_wrong_has_its_words_and_its_exit_code(render: CommandLine) -> None:
    with openai_api.OpenAIServer(
        openai_api.fault(400, "Not this.", "moderation_blocked"),
        openai_api.wrong_key,
        openai_api.fault(429, "Slow down", "rate_limit_exceeded", headers={"retry_after": "1"}),
    ) as server:
        code, events = render(server)
        assert code == 3
        assert 'OpenAI says: "Not this."' in of(events, "failed")[0]["message"]
        code, events = render(server)
        assert code == 4
        assert "does not accept the key" in of(events, "failed")[0]["message"]
        code, events = render(server)
        assert code == 0
        assert any("as OpenAI asked" in event["message"] for event in of(events, "progress"))
        assert len(server.received) == 4
    assert render.statuses == ["done", "failed", "refused"]


def test_budgets_refuse_before_anything_is_sent(render: CommandLine) -> None:
    with openai_api.OpenAIServer() as server:
        code, events = render(server, "--max-cost", 0.01)
        assert code == 6
        assert "your limit is $0.01" in of(events, "failed")[0]["message"]
        code, events = render(server, "--max-cost", 1, model="gpt-image-2.6-flare")
        assert code == 6
        assert "price of this model is not known" in of(events, "failed")[0]["message"]
        assert server.connections == 0
        code, _ = render(server, "--month-budget", 0.03)
        assert code == 0
        code, events = render(server, "--month-budget", 0.03)
        assert code == 6
        assert "$0.022 of this month's $0.03 are spent" in of(events, "failed")[0]["message"]
        assert len(server.received) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_in_the_middle_of_a_stream_closes_the_connection(render: CommandLine) -> None:
    silent = openai_api.streamed(lambda events: [events[0], Forever()])
    with openai_api.OpenAIServer(silent) as server:
        process = subprocess.Popen(
            render.words(),
            cwd=ROOT,
            env=render.environ(server),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if "Taking shape" in line:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert server.received[0].client_gone.wait(5)
    render.printed += out + err
    assert process.returncode == 130, err
    assert "Cancelled after it was sent" in err  # the provider may charge it all the same
    assert render.statuses == ["failed"]
