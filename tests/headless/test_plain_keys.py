# SPDX-License-Identifier: GPL-3.0-or-later
"""A key that could be read on its way: allowed in the preferences, for one server at a time."""

from __future__ import annotations

import time
from typing import Any

import bpy
import pytest

from genai_render.backends.http.settings import PLAIN_KEY_VARIABLE, check_key_may_go
from genai_render.blender import addon, backend_settings, background, catalog
from genai_render.blender.connections import keys, plain_keys
from genai_render.core.errors import CredentialsError
from genai_render.core.keys.credentials import SERVICE, Credentials

KEY = "studio-user:PLAINKEY0123456789"
STUDIO, OTHER = "http://studio.example:8188", "http://other.example:8188"


class Ring:
    """A keyring with the same key for each of the servers here."""

    def get_password(self, service: str, name: str) -> str | None:
        return KEY if service == SERVICE and name.startswith("http://") else None

    def set_password(self, service: str, name: str, password: str) -> None:
        raise NotImplementedError

    def delete_password(self, service: str, name: str) -> None:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def keyring(prefs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "credentials", Credentials(environ={}, keyring=Ring()))
    monkeypatch.delenv(PLAIN_KEY_VARIABLE, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def comfyui(prefs: Any, name: str, address: str) -> Any:
    server = prefs.own_servers.add()
    server.name, server.base_url = name, address
    return server


def told(connection: Any) -> plain_keys.PlainKey | None:
    """When the key was looked up, which is done in the background."""
    plain_keys.of_connection(connection)
    waiting = addon.state(background.Background)
    until = time.monotonic() + 10
    while waiting.pending and time.monotonic() < until:
        waiting.take()
        time.sleep(0.005)
    return plain_keys.of_connection(connection)


def may_go(connection: Any, origin: str) -> bool:
    settings = backend_settings.for_connection(connection, catalog.catalog())
    try:
        check_key_may_go(settings.endpoint(connection.endpoint), origin)
    except CredentialsError:
        return False
    return True


def allow(connection: Any) -> None:
    found = told(connection)
    assert found is not None
    bpy.ops.genai_render.plain_key_allow(endpoint=connection.endpoint, way=found.way)


@pytest.mark.parametrize("kind", ["comfyui", "a1111", "compatible", "openai"])
def test_it_is_allowed_for_one_server_and_asked_again_for_another(prefs: Any, kind: str) -> None:
    if kind == "compatible":
        one = prefs.servers.add()
        one.name = "Studio"
    elif kind == "openai":
        one = prefs.openai
    else:
        one = comfyui(prefs, "Studio", "")
        one.kind = kind
    one.base_url = STUDIO
    found = told(one)
    assert found is not None
    assert not found.allowed
    assert "studio.example:8188" in found.warning
    assert not may_go(one, STUDIO)

    allow(one)
    found = told(one)
    assert found is not None
    assert found.allowed
    assert may_go(one, STUDIO)

    one.base_url = OTHER
    found = told(one)
    assert found is not None
    assert not found.allowed
    assert "other.example:8188" in found.warning
    assert not may_go(one, OTHER)
    one.base_url = STUDIO.replace("http:", "https:")
    assert told(one) is None  # no one reads along

    one.base_url = STUDIO
    assert may_go(one, STUDIO)
    bpy.ops.genai_render.plain_key_forbid(endpoint=one.endpoint)
    assert not may_go(one, STUDIO)


def test_another_server_is_not_allowed_with_it(prefs: Any) -> None:
    first, second = comfyui(prefs, "One", STUDIO), comfyui(prefs, "Two", OTHER)
    first, second = prefs.own_servers
    allow(first)
    assert may_go(first, STUDIO)
    assert not may_go(second, OTHER)
    assert not may_go(first, OTHER)


def test_a_proxy_that_would_see_it_is_named_and_asked_for(prefs: Any) -> None:
    one = comfyui(prefs, "Studio", STUDIO)
    allow(one)
    prefs.proxy, prefs.proxy_address = "own", "http://me:pass-word-1@gate.example:3128"
    found = told(one)
    assert found is not None
    assert not found.allowed
    assert "the proxy gate.example:3128" in found.warning
    assert "pass-word" not in found.warning + found.way
    assert not may_go(one, STUDIO)
    allow(one)
    assert may_go(one, STUDIO)


def test_what_is_allowed_is_what_was_read(prefs: Any) -> None:
    one = comfyui(prefs, "Studio", STUDIO)
    assert told(one) is not None
    with pytest.raises(RuntimeError, match="address has changed"):
        bpy.ops.genai_render.plain_key_allow(endpoint=one.endpoint, way=OTHER)
    with pytest.raises(RuntimeError, match="address has changed"):
        bpy.ops.genai_render.plain_key_allow(endpoint=one.endpoint)
    assert not may_go(one, STUDIO)


def test_this_computer_and_a_server_without_a_key_are_not_asked_for(
    prefs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = comfyui(prefs, "Here", "127.0.0.1:8188")
    assert told(one) is None
    assert may_go(one, "http://127.0.0.1:8188")
    one.base_url = STUDIO
    monkeypatch.setattr(Ring, "get_password", lambda *_: None)
    keys.forget(one.endpoint)
    assert told(one) is None


def test_the_panel_says_it_before_anything_is_sent(prefs: Any) -> None:
    prefs.openai.base_url = STUDIO
    known = catalog.catalog()
    model = known.model("gpt-image-2.5-flare")
    told(prefs.openai)
    bpy.context.preferences.system.use_online_access = True
    for wait in (False, True):
        with pytest.raises(CredentialsError, match=r"studio\.example:8188"):
            backend_settings.check_access(known, model, wait=wait)
    allow(prefs.openai)
    told(prefs.openai)
    for wait in (False, True):
        backend_settings.check_access(known, model, wait=wait)
