# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models a list shows, and the marks that a person gives them."""

from __future__ import annotations

from datetime import date

import pytest

from genai_render.core.errors import StorageError
from genai_render.core.models import catalog, model_marks
from genai_render.core.models.model_marks import ModelMarks
from genai_render.core.models.model_picker import found, on_shelf, sizes, terms
from genai_render.core.models.tasks import SHELVES, TASKS

KNOWN = catalog.shipped()
TODAY = date(2026, 11, 28)
FLUX = "openrouter/black-forest-labs/flux.2-pro"


def ids(models):
    return [model.id for model in models]


def test_every_task_has_models_and_every_model_is_somewhere():
    for task in TASKS:
        shown = on_shelf(KNOWN, task, ModelMarks(), TODAY)
        assert shown == KNOWN.recommended(task, TODAY)
        assert shown, task
    assert set(SHELVES) == {"all", "favorites", "recent", *TASKS}
    everything = on_shelf(KNOWN, "all", ModelMarks(), TODAY)
    assert len([model for model in everything if model.provider == "openrouter"]) >= 30


def test_marks_show_in_their_order_and_outlive_a_model():
    marks = ModelMarks().toggled("gone").toggled(FLUX).toggled("offline")
    assert ids(on_shelf(KNOWN, "favorites", marks, TODAY)) == [FLUX, "offline"]
    assert marks.toggled(FLUX).favorites == ("gone", "offline")
    used = marks.used("offline").used(FLUX).used("offline")
    assert ids(on_shelf(KNOWN, "recent", used, TODAY)) == ["offline", FLUX]
    assert len(ModelMarks(recent=tuple(map(str, range(40)))).used("x").recent) == 12


def test_words_are_looked_for_everywhere():
    everything = on_shelf(KNOWN, "all", ModelMarks(), TODAY)
    assert found(KNOWN, everything, "  ") == everything
    assert FLUX in ids(found(KNOWN, everything, "OpenRouter flux PRO"))
    assert ids(found(KNOWN, everything, "transparent google")) == []
    assert found(KNOWN, everything, "no such model") == []


def test_terms():
    flux = KNOWN.model("openrouter/black-forest-labs/flux-3-image")
    assert (sizes(flux), terms(flux)) == ("1K–4K", "1K to 4K, 2 references")
    assert terms(KNOWN.model("openrouter/krea/krea-2-large")) == "1K, 1 reference"
    assert terms(KNOWN.model("openrouter/recraft/recraft-v4.1-flash")) == "1K, no references"


def test_marks_are_kept_in_a_file_and_a_damaged_one_is_none(tmp_path):
    path = tmp_path / model_marks.FILE
    assert model_marks.read(path) == ModelMarks()
    marks = ModelMarks(("a", "b"), ("c",))
    model_marks.write(path, marks)
    assert model_marks.read(path) == marks
    for damaged in (b"", b"[]", b'{"favorites": 3}', b"\xff"):
        path.write_bytes(damaged)
        assert model_marks.read(path) == ModelMarks()
    with pytest.raises(StorageError):
        model_marks.write(tmp_path / "none" / "x", marks)
