# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that the environment names, and what is printed where nobody listens."""

from __future__ import annotations

import base64
import io

import pytest

pytest.importorskip("httpx2")

from genai_render.backends.base import create_backend
from genai_render.backends.http.settings import BackendSettings, Endpoint
from genai_render.backends.self_hosted.servers import from_environment, servers_of
from genai_render.console import Console
from genai_render.core.errors import CredentialsError, GenAIError, InvalidInput
from genai_render.core.keys.credentials import Secret
from genai_render.core.models import catalog
from genai_render.core.request import RenderRequest
from tests.servers.a1111_api import A1111Server
from tests.servers.client import run


def named(text: str, problems: list[GenAIError] | None = None) -> dict[str, Endpoint]:
    return from_environment("comfyui", {"GENAI_RENDER_COMFYUI": text}, problems)


def test_two_paths_on_one_host_are_two_servers():
    found = named("https://studio.lan/one/, https://studio.lan/two,studio.lan:8188")
    assert {name: each.base_url for name, each in found.items()} == {
        "comfyui:studio.lan/one": "https://studio.lan/one",
        "comfyui:studio.lan/two": "https://studio.lan/two",
        "comfyui:studio.lan:8188": "http://studio.lan:8188",
    }


def test_a_bad_address_is_named_and_hides_no_other():
    problems: list[GenAIError] = []
    found = named("ftp://files.lan,127.0.0.1:8188,http://", problems)
    assert list(found) == ["comfyui:127.0.0.1:8188"]
    assert len(problems) == 2
    assert "ftp://files.lan" in problems[0].text
    assert "GENAI_RENDER_COMFYUI" in problems[0].text
    assert list(named("ftp://files.lan,127.0.0.1:8188")) == ["comfyui:127.0.0.1:8188"]
    with pytest.raises(InvalidInput, match="files"):
        named("ftp://files.lan")


@pytest.mark.parametrize(
    ("before", "key"),
    [("anna:g%C3%A4nse", "anna:gänse"), ("a-key-0123456789", "a-key-0123456789"), ("", None)],
)
def test_a_name_and_password_or_a_key_may_stand_in_the_address(before, key):
    mark = f"{before}@" if before else ""
    (endpoint,) = named(f"https://{mark}studio.lan/comfy").values()
    assert endpoint.base_url == "https://studio.lan/comfy"
    assert endpoint.key == (None if key is None else Secret(key))


def test_a_password_is_not_told_with_a_bad_address():
    problems: list[GenAIError] = []
    (name,) = named("ftp://anna:geheim123@files.lan,x:pass-word-9@ok.lan", problems)
    assert name == "comfyui:ok.lan"
    assert "geheim123" not in problems[0].text


def test_the_name_and_password_are_sent_to_that_server(monkeypatch):
    pair = base64.b64encode("anna:gänse".encode()).decode()
    with A1111Server(key=f"Basic {pair}") as server:
        host = server.origin.removeprefix("http://")
        monkeypatch.setenv("GENAI_RENDER_A1111", f"http://anna:g%C3%A4nse@{host}")
        known = catalog.load([catalog.DATA / "a1111.toml"])
        backend = create_backend("a1111", BackendSettings(False, {}, known))
        made = run(backend, RenderRequest(prompt="A house", model="a1111/current"))
    assert made.error is None, made.error
    assert len(made.results) == 1


def test_a_server_that_may_not_be_reached_hides_no_other():
    endpoints = {
        "comfyui:Bad": Endpoint(
            base_url="http://127.0.0.1:1", needs_key=False, key=Secret("schlüssel")
        ),
        "comfyui:Good": Endpoint(base_url="http://127.0.0.1:2", needs_key=False),
    }
    (server,) = servers_of(BackendSettings(False, endpoints), "comfyui")
    assert server.name == "Good"
    del endpoints["comfyui:Good"]
    with pytest.raises(CredentialsError, match="no key has"):
        servers_of(BackendSettings(False, endpoints), "comfyui")


class Full(io.StringIO):
    """As /dev/full and a closed pipe are."""

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("json", [False, True])
def test_where_nobody_listens_the_work_goes_on_in_silence(json):
    console = Console(Full(), json=json)
    for number in range(3):
        console.event("result", number=number)
        console.line("a path")
