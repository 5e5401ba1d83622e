# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenAI and Gemini from the command line of a real Blender, with the SDKs that ship in the zip."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ..servers import gemini_api, openai_api
from .test_install import MODULE, Installed

OPENAI = "gpt-image-2.5-flare"
GEMINI = "gemini-3.1-flash-image"


class Runner:
    """`render` in Blender's background, against a server of ours. Keeps all that was printed."""

    def __init__(self, blender: Installed, blend: Path, history: Path) -> None:
        self.blender, self.blend, self.history = blender, blend, history
        self.printed = ""

    def __call__(
        self,
        server: Any,
        *words: str,
        model: str = OPENAI,
        before: tuple[str, ...] = (),
        view: bool = False,
    ) -> tuple[int, list[dict[str, Any]], str]:
        """The exit code, the events, and what went to standard error. view: with the canvas."""
        if isinstance(server, openai_api.OpenAIServer):
            known = {"OPENAI_API_KEY": openai_api.KEY, "OPENAI_BASE_URL": server.base_url}
        elif server is not None:
            known = {"GEMINI_API_KEY": gemini_api.KEY, "GOOGLE_GEMINI_BASE_URL": server.origin}
        else:
            known = {"OPENAI_API_KEY": openai_api.KEY}
        self.blender.environ.update(known)
        told: subprocess.CompletedProcess[str] = self.blender.run(
            *("-b", str(self.blend), *before, "--command", "genai_render", "render", "--json"),
            *("--prompt", "golden hour", "--model", model, "--history", str(self.history), *words),
            *(() if view else ("--no-canvas",)),
        )
        for name in known:
            del self.blender.environ[name]
        self.printed += told.stdout + told.stderr
        events = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
        return told.returncode, events, told.stderr


@pytest.fixture(scope="module")
def installed(
    blender: str, extension_zip: Path, tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    """One for all tests of this file: installing it takes longer than a test."""
    made = Installed(blender, tmp_path_factory.mktemp("cloud-user"))
    made.extension("install-file", "-r", "user_default", "--enable", str(extension_zip))
    return made


@pytest.fixture(scope="module")
def blend(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cloud") / "cube.blend"
    installed.ask(
        "import bpy\n"
        "bpy.ops.wm.read_homefile(use_factory_startup=True)\n"
        f"bpy.ops.wm.save_as_mainfile(filepath={str(path)!r})\n"
        "answer = True"
    )
    return path


@pytest.fixture
def render(installed: Installed, blend: Path, tmp_path: Path) -> Runner:
    return Runner(installed, blend, tmp_path / "history")


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == kind]


def kept(history: Path) -> list[dict[str, Any]]:
    """Every entry of History."""
    return [json.loads(path.read_text()) for path in history.rglob("request.json")]


def test_both_providers_and_what_they_cost(render: Runner) -> None:
    with openai_api.OpenAIServer() as server:
        code, events, said = render(server, view=True)
        assert server.received[0].path == "/v1/images/edits"
    assert code == 0, said
    (result,) = of(events, "result")
    assert result["cost_usd"] == pytest.approx((100 * 5 + 1000 * 8 + 439 * 30) / 1e6)
    assert Path(result["path"]).is_file()
    with gemini_api.GeminiServer() as server:
        code, events, said = render(server, "--count", "2", model=GEMINI, view=True)
    assert code == 0, said
    assert len(of(events, "result")) == 2
    assert [one["status"] for one in kept(render.history)] == ["done"] * 3


def test_budgets_are_exit_code_6_and_nothing_is_sent(render: Runner) -> None:
    with openai_api.OpenAIServer() as server:
        code, events, _ = render(server, "--max-cost", "0.01")
        assert code == 6
        assert "your limit is $0.01" in of(events, "failed")[0]["message"]
        # Of which the first is already spent.
        code, *_ = render(server)
        assert code == 0
        sent = len(server.received)
        _set_month_budget(render.blender, 0.03)
        code, events, _ = render(server)
        _set_month_budget(render.blender, None)
        assert code == 6
        assert "of this month's" in of(events, "failed")[0]["message"]
        assert len(server.received) == sent


def _set_month_budget(blender: Installed, usd: float | None) -> None:
    blender.ask(
        "import bpy\n"
        f"prefs = bpy.context.preferences.addons[{MODULE!r}].preferences\n"
        f"prefs.use_month_budget, prefs.month_budget = {usd is not None}, {usd or 0}\n"
        "bpy.ops.wm.save_userpref()\n"
        "answer = True"
    )


# Notes whom anything of Python's talks to, from before our command begins.
_GUARD = """
import sys, ipaddress
def _guard(event, values):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.connect"):
        where = values[-1] if event in ("socket.connect", "socket.sendto") else values[0]
        host = where[0] if isinstance(where, tuple) else where
        local = isinstance(where, str) and event == "socket.connect"
        try:
            local = local or ipaddress.ip_address(str(host)).is_loopback
        except ValueError:
            local = local or str(host) in ("localhost", "None")
        if not local:
            print("LEAVES THIS COMPUTER:", event, host, file=sys.stderr, flush=True)
sys.addaudithook(_guard)
"""


def test_without_online_access_nothing_leaves_this_computer(
    render: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where proxies are set up; a server on this computer can be used."""
    guard = ("--offline-mode", "--python-expr", _GUARD)
    code, events, said = render(None, before=guard)
    assert code == 5, said
    assert "needs the network" in of(events, "failed")[0]["message"]
    assert "LEAVES" not in said
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setitem(render.blender.environ, name, "http://192.0.2.1:3128")
    code, events, said = render(None, before=guard)
    assert code == 5, said
    assert "LEAVES" not in said
    reach = "import socket\ns = socket.socket()\ns.settimeout(0.1)\ns.connect_ex(('192.0.2.1', 9))"
    with openai_api.OpenAIServer() as server:
        code, events, said = render(server, before=guard)
        assert code == 0, said
        assert "LEAVES" not in said
        *_, said = render(server, "--dry-run", before=(*guard, "--python-expr", reach))
    assert "LEAVES THIS COMPUTER: socket.connect 192.0.2.1" in said, "the guard sees nothing"


def test_what_goes_wrong_has_its_exit_code_and_shows_no_key(render: Runner, tmp_path: Path) -> None:
    """With servers that give the key back in their words, and a Blender that crashes."""
    key = openai_api.KEY
    with openai_api.OpenAIServer(
        openai_api.fault(400, f"Rejected, {key}", "moderation_blocked"),
        openai_api.wrong_key,
        openai_api.fault(429, key, "rate_limit_exceeded", headers={"retry_after": "1"}),
        openai_api.fault(500, f"crash: Authorization: Bearer {key}", "server_error"),
    ) as server:
        code, events, said = render(server, "--output", str(tmp_path / "out"))
        assert code == 3
        assert "refused" in of(events, "failed")[0]["message"]
        assert "Rejected, " in said
        code, events, said = render(server)
        assert code == 4, said
        assert "does not accept the key" in of(events, "failed")[0]["message"]
        code, events, said = render(server)
        assert code == 5, said
        assert any("as OpenAI asked" in event["message"] for event in of(events, "progress"))
        assert "fault of its own" in of(events, "failed")[0]["message"]
        assert len(server.received) == 4
        code, *_ = render(server, "--output", str(tmp_path / "out"))
        assert code == 0
    with gemini_api.GeminiServer(key="another") as server:
        code, *_ = render(server, model=GEMINI)
        assert code == 4
    states = sorted(entry["status"] for entry in kept(render.history))
    assert states == ["done", "failed", "failed", "failed", "refused"]
    render.blender.ask(
        "import bpy\nbpy.ops.wm.save_userpref()\n"
        f"bpy.ops.wm.save_as_mainfile(filepath={str(tmp_path / 'saved.blend')!r})\nanswer = True"
    )
    report = _crash_report(render, tmp_path)
    assert "Python backtrace" in report.read_text(errors="replace")
    for key in (openai_api.KEY, gemini_api.KEY):
        middle = key[10:24]  # also of a key that is starred out at its ends
        assert middle not in render.printed
        for folder in (tmp_path, render.blender.user_folder):
            for path in folder.rglob("*"):
                if path.is_file():
                    assert middle.encode() not in path.read_bytes(), path


# Blender falls over while a job holds a key: its socket is never connected.
_CRASH = """
import ctypes, sys
def fall(event, values):
    if event == "socket.connect":
        ctypes.string_at(0)
sys.addaudithook(fall)
"""


def _crash_report(render: Runner, folder: Path) -> Path:
    """What Blender writes of a crash for a report of a bug."""
    temporary = folder / "temporary"
    temporary.mkdir()
    render.blender.environ["TMPDIR"] = str(temporary)
    with openai_api.OpenAIServer() as server:
        code, *_ = render(server, before=("--python-expr", _CRASH))
    del render.blender.environ["TMPDIR"]
    assert code not in (0, 5)
    (report,) = temporary.rglob("*.crash.txt")
    return report


def test_no_sdk_is_loaded_until_it_is_used_and_then_the_one_that_ships(
    installed: Installed,
) -> None:
    loaded, found = installed.ask(
        "import sys\n"
        "loaded = sorted({name.partition('.')[0] for name in sys.modules} & "
        "{'openai', 'google', 'keyring', 'httpx2', 'httpcore2', 'pydantic', 'websockets'})\n"
        "import openai, google.genai, keyring, httpx2, pydantic_core, typing_extensions\n"
        "modules = openai, google.genai, keyring, httpx2, pydantic_core\n"
        "answer = loaded, [module.__file__ for module in modules]"
    )
    assert loaded == []
    for path in found:
        assert Path(path).is_relative_to(installed.user_folder), path
