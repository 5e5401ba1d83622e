# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch file chosen in the panel is counted between redraws, again when it or the scene is
another one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import bpy
import pytest

import genai_render.blender as ours
from genai_render.blender.jobs import batch_plan
from genai_render.blender.jobs.batch_plan import FilePlan, FilePlans


@pytest.fixture
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FilePlans]:
    ours.register()
    monkeypatch.setattr(batch_plan, "_LOOK_SECONDS", 0.0)
    for name in ("Left", "Right"):
        camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
        bpy.context.scene.collection.objects.link(camera)
    bpy.context.scene.camera = bpy.data.objects["Left"]
    path = tmp_path / "night.toml"
    path.write_text('[[batch]]\nprompt = ["a", "b"]\ncamera = "all"\nframe = "1-3"\n')
    bpy.context.scene.genai_render.batch_file = str(path)
    made = batch_plan.file_plans()
    yield made
    ours.unregister()


def _counted(plans: FilePlans) -> FilePlan:
    """As the timer does it."""
    plan = plans.plan(bpy.context)
    while plan is not None and plan.counting:
        plans._tick()
        plan = plans.plan(bpy.context)
    assert plan is not None
    return plan


def test_it_is_counted_and_priced_and_not_while_it_is_asked(plans: FilePlans) -> None:
    first = plans.plan(bpy.context)
    assert first is not None
    assert (first.counting, first.sums) == (True, None)
    whole = _counted(plans)
    assert whole.sums is not None
    assert (whole.sums.pictures, whole.sums.captures, whole.sums.usd) == (12, 6, 0)
    assert plans.plan(bpy.context) is whole


def test_it_is_counted_again_when_the_file_or_the_scene_is_another(plans: FilePlans) -> None:
    _counted(plans)
    bpy.data.objects.remove(bpy.data.objects["Right"])
    sums = _counted(plans).sums
    assert sums is not None
    assert sums.pictures == 6
    path = batch_plan.chosen(bpy.context)
    assert path is not None
    path.write_text('[[batch]]\nprompt = "a"\n')
    os.utime(path, (1, 1))
    sums = _counted(plans).sums
    assert sums is not None
    assert sums.pictures == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[batch]]\nprompt = "x"\nstile = "auto"\n', "stile"),
        ('[[batch]]\nprompt = "x"\ncamera = "Nobody"\n', "Nobody"),
        ("", "nothing to make"),
    ],
)
def test_what_is_wrong_is_said(plans: FilePlans, text: str, said: str) -> None:
    path = batch_plan.chosen(bpy.context)
    assert path is not None
    path.write_text(text)
    problem = _counted(plans).problem
    assert problem is not None
    assert said in problem.text


def test_of_another_scene_and_of_a_file_that_is_gone(plans: FilePlans) -> None:
    path = batch_plan.chosen(bpy.context)
    assert path is not None
    other = bpy.data.scenes.new("Other")
    other.collection.objects.link(bpy.data.objects["Left"])
    other.camera = bpy.data.objects["Left"]
    path.write_text('[[batch]]\nprompt = "x"\nscene = "Other"\n')
    problem = _counted(plans).problem
    assert problem is not None
    assert "command line" in problem.text
    path.unlink()
    problem = _counted(plans).problem
    assert problem is not None
    assert "night.toml" in problem.text
    bpy.context.scene.genai_render.batch_file = ""
    assert plans.plan(bpy.context) is None
