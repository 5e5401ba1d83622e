# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel reads at each redraw is put together once a change, and not again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy
import pytest

import genai_render.blender as ours
from genai_render.backends.http.errors import OnlineAccessOff
from genai_render.blender import addon, backend_settings, catalog
from genai_render.blender.connections import keys
from genai_render.blender.jobs import request_builder


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    ours.register()
    settings().prompt = "golden hour"
    settings().use_canvas = False  # there is no viewport here
    yield
    ours.unregister()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models whose access was looked up."""
    asked: list[str] = []
    real = backend_settings.check_access

    def check_access(known: Any, model: Any, wait: bool) -> None:
        asked.append(model.id)
        real(known, model, wait)

    monkeypatch.setattr(backend_settings, "check_access", check_access)
    return asked


def settings() -> Any:
    return bpy.context.scene.genai_render


def two_online_models() -> list[str]:
    return [model.id for model in catalog.catalog().models.values() if model.online][:2]


def test_looking_again_builds_nothing_again() -> None:
    for _ in range(10):
        request_builder.prepared(bpy.context)
    preparation = addon.state(request_builder.Preparation)
    assert preparation.built == 1
    settings().prompt = "a foggy morning"
    for _ in range(10):
        request_builder.prepared(bpy.context)
    assert preparation.built == 2


def test_access_is_looked_up_once_a_change(asked: list[str]) -> None:
    one, other = two_online_models()
    for model in (one, other):
        settings().model = model
        for _ in range(10):
            problem = request_builder.prepared(bpy.context).problem
            assert isinstance(problem, OnlineAccessOff)
    assert asked == [one, other]
    keys.reached_otherwise()
    request_builder.prepared(bpy.context)
    assert asked == [one, other, other]
    catalog.reload()
    request_builder.prepared(bpy.context)
    assert asked == [one, other, other, other]
