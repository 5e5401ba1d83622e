# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that are loaded when they are first used."""

from __future__ import annotations

import sys
import threading

import pytest

from genai_render.core import lazy


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """A module whose name stands only at its end, some time after its beginning."""
    (tmp_path / "slow_to_load.py").write_text("import time\ntime.sleep(0.3)\nname = 'all of it'\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield lazy.module("slow_to_load")
    sys.modules.pop("slow_to_load", None)


def test_threads_that_use_it_at_once_all_wait_until_it_is_whole(slow):
    names = []
    threads = [threading.Thread(target=lambda: names.append(slow.name)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names == ["all of it"] * 8


def test_what_a_test_sets_is_put_back(slow):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slow, "name", "another")
        assert sys.modules["slow_to_load"].name == "another"
    assert sys.modules["slow_to_load"].name == "all of it"
