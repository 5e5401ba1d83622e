# SPDX-License-Identifier: GPL-3.0-or-later
"""Our ComfyUI protocol server has no field that a real one has not: compared with what a real one
answered, and with `--comfyui=DIR` that is compared with one now."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("httpx2")
pytest.importorskip("websockets")

from tests.servers import comfyui_fields as fields
from tests.servers.comfyui_api import ComfyUIServer
from tests.servers.comfyui_real import running


def test_our_server_answers_as_a_real_one_did():
    with ComfyUIServer() as ours:
        said = fields.conversation(ours.origin)
    assert fields.differences(said, fields.recorded()) == []
    assert set(said) == set(fields.recorded()), "what only one of them told"


def test_a_real_server_answers_as_was_recorded(request, tmp_path: Path):
    source = request.config.getoption("--comfyui")
    if not source:
        pytest.skip("needs --comfyui=DIR")
    with running(Path(source).resolve(), tmp_path) as real:
        said = fields.conversation(real.origin)
    assert fields.differences(fields.recorded(), said) == []


def test_a_field_that_differs_is_found():
    real = {"a": {"b": ["number", "str"], "more": "str"}}
    assert fields.differences({"a": {"b": ["number"]}}, real) == []
    assert fields.differences({"a": {"b": ["str"]}}, real) == [".a.b[0] is str, not number"]
    assert fields.differences({"a": {"c": "str"}}, real) == [".a.c is not there"]
