# SPDX-License-Identifier: GPL-3.0-or-later
"""Workflows of ComfyUI: where our inputs go, what can be left out, and the ones that ship."""

from __future__ import annotations

import json

import pytest

from genai_render.backends.self_hosted.comfyui import library
from genai_render.backends.self_hosted.comfyui.workflow import (
    checked,
    find_places,
    of_graph,
    options_at,
    outputs_of,
    widgets_for,
)
from genai_render.backends.self_hosted.errors import InvalidWorkflow
from genai_render.core.errors import InvalidInput
from genai_render.core.models import catalog

SHIPPED = {model.id.partition("/")[2]: model for model in library.shipped()}


def node(kind, title="", **inputs):
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title or kind}}


SAMPLED = {
    "1": node("LoadImage", "My depth map", image="a.png"),
    "2": node("LoadImage", "ref 2", image="a.png"),
    "3": node("LoadImage", image="a.png"),
    "4": node("LoadImageMask", image="a.png", channel="alpha"),
    "5": node("CLIPTextEncode", text="a cat", clip=["9", 0]),
    "6": node("CLIPTextEncode", text="ugly", clip=["9", 0]),
    "7": node("EmptyLatentImage", width=512, height=512, batch_size=1),
    "8": node(
        *("KSampler", "Sampler [steps, cfg]"),
        **{"seed": 1, "steps": 20, "cfg": 7.0, "positive": ["10", 0], "negative": ["6", 0]},
    ),
    "9": node("CheckpointLoaderSimple", ckpt_name="x.safetensors"),
    "10": node("ControlNetApply", conditioning=["5", 0], strength=1.0),
}


def test_inputs_are_found_by_title_and_by_class():
    found = find_places(SAMPLED)
    assert found == {
        "depth": ("1.image",),
        "reference_2": ("2.image",),
        "color": ("3.image",),
        "mask": ("4.image",),
        "positive": ("5.text",),
        "negative": ("6.text",),
        "width": ("7.width",),
        "height": ("7.height",),
        "seed": ("8.seed",),
    }


def test_widgets_marked_in_a_title_become_options():
    workflow = of_graph("Mine", SAMPLED)
    steps, cfg = workflow.options
    assert (steps.id, steps.kind, steps.default) == ("steps", "int", 20)
    assert (cfg.id, cfg.kind, cfg.default) == ("cfg", "float", 7.0)
    assert workflow.titles["8"] == "Sampler"


def test_a_mapping_goes_over_what_was_found():
    mapping = {
        "inputs": {"color": ["1.image"], "depth": [], "count": "7.batch_size"},
        "options": options_at("Mine", SAMPLED, ["10.strength"]),
    }
    workflow = of_graph("Mine", SAMPLED, mapping)
    assert workflow.places["color"] == ("1.image",)
    assert not workflow.takes("depth")
    assert workflow.takes("count")
    graph = workflow.filled(dict.fromkeys(workflow.places, 3), {"strength": 0.25}, {})
    assert graph["10"]["inputs"]["strength"] == 0.25
    assert graph["7"]["inputs"]["batch_size"] == 3


@pytest.mark.parametrize(
    "mapping",
    [{"inputs": {"colour": ["1.image"]}}, {"inputs": {"depth": ["77.image"]}}, {"options": [{}]}],
)
def test_a_mapping_that_does_not_fit_is_told(mapping):
    with pytest.raises(InvalidWorkflow):
        of_graph("Mine", SAMPLED, mapping)


def test_an_image_that_is_not_there_is_taken_out_where_it_may_be_left_empty():
    graph = {
        "1": node("LoadImage", "Canvas", image="a.png"),
        "2": node("LoadImage", "Reference 1", image="a.png"),
        "3": node("ImageScale", image=["2", 0], width=10, height=10),
        "4": node("Edit", image1=["1", 0], image2=["3", 0]),
        "5": node("SaveImage", images=["4", 0]),
    }
    specs = {
        "Edit": {"input": {"required": {"image1": ["IMAGE"]}, "optional": {"image2": ["IMAGE"]}}}
    }
    workflow = of_graph("Mine", graph)
    made = workflow.filled({"color": "canvas.png"}, {}, specs)
    assert set(made) == {"1", "4", "5"}
    assert made["4"]["inputs"] == {"image1": ["1", 0]}
    with pytest.raises(InvalidInput, match="needs the view"):
        workflow.filled({"reference_1": "ref.png"}, {}, specs)


def test_a_setting_that_a_newer_server_asks_for_gets_its_default():
    """An exported workflow does not have what a node got later."""
    required = {
        "strength": ["FLOAT", {"default": 9.0}],
        "pre_cfg": ["BOOLEAN", {"default": False}],
        "conditioning": ["CONDITIONING"],
    }
    specs = {"ControlNetApply": {"input": {"required": required}}}
    graph = {"10": node("ControlNetApply", conditioning=["5", 0], strength=1.0)}
    made = of_graph("Mine", graph).filled({}, {}, specs)
    assert made["10"]["inputs"] == {"conditioning": ["5", 0], "strength": 1.0, "pre_cfg": False}


@pytest.mark.parametrize(
    "values", [{}, [], 3, {"1": {"class_type": "A"}}, {"1": {"inputs": {}}}, {"nodes": []}]
)
def test_what_is_no_workflow_in_api_format_says_how_to_get_one(values):
    with pytest.raises(InvalidWorkflow) as caught:
        checked(values, "mine.json")
    assert "Export (API)" in caught.value.action


def test_saved_images_come_before_previews_and_videos_are_none():
    saved = {"filename": "a.png", "subfolder": "", "type": "output"}
    shown = {"filename": "b.png", "subfolder": "", "type": "temp"}
    video = {"filename": "c.mp4", "subfolder": "", "type": "output"}
    assert outputs_of({"1": {"images": [shown]}, "2": {"images": [saved]}})[0] == [saved]
    assert outputs_of({"1": {"images": [shown]}})[0] == [shown]
    assert outputs_of({"1": {"images": [video], "animated": [True]}}) == ([], {"mp4"})


@pytest.mark.parametrize("name", SHIPPED)
def test_each_shipped_workflow_fits_its_entry(name):
    model = SHIPPED[name]
    workflow = library.workflow_of(model)
    assert set(workflow.option_places) <= {option.id for option in model.options}
    for option in model.options:
        assert option.id in workflow.option_places or option.id == "negative"
        for place in workflow.option_places.get(option.id, ()):
            id, _, key = place.partition(".")
            assert workflow.graph[id]["inputs"][key] == option.default, place
    for node in workflow.graph.values():
        for value in node["inputs"].values():
            if isinstance(value, list):
                assert value[0] in workflow.graph
            elif str(value).endswith((".safetensors", ".pth")):
                assert value in workflow.needs, "where it can be had is not said"
    assert workflow.takes("color") or workflow.takes("source")
    assert name == "upscale" or workflow.takes("positive")
    assert name == "upscale" or workflow.takes("seed")
    assert name in ("inpaint", "outpaint") or workflow.takes("width")
    assert workflow.takes("mask") == (name == "inpaint")
    assert workflow.takes("depth") == (name in ("depth-normal", "style-reference"))
    assert model.max_references == sum(workflow.takes(f"reference_{n}") for n in (1, 2))


def test_each_input_can_go_only_where_it_fits():
    assert widgets_for("depth", SAMPLED) == ["1.image", "2.image", "3.image", "4.image"]
    assert widgets_for("positive", SAMPLED)[-2:] == ["5.text", "6.text"]
    assert "9.ckpt_name" not in widgets_for("negative", SAMPLED)
    assert widgets_for("seed", SAMPLED) == [
        *("7.width", "7.height", "7.batch_size", "8.seed", "8.steps")
    ]


def test_nodes_and_options_of_the_same_name_stay_apart():
    twice = {**SAMPLED, "11": {**SAMPLED["8"], "inputs": {"steps": 5}}}
    workflow = of_graph("Mine", twice)
    assert (workflow.names["8"], workflow.names["11"]) == ("Sampler 8", "Sampler 11")
    assert workflow.names["7"] == "EmptyLatentImage"
    made = options_at("Mine", twice, ["8.steps", "11.steps"])
    assert [(one["id"], one["label"]) for one in made] == [
        ("steps", "Steps"),
        ("steps_11", "Steps (Sampler)"),
    ]


def test_an_exported_file_is_added_with_its_mapping_and_never_over_another(tmp_path):
    exported, folder = tmp_path / "from comfy" / "look.json", tmp_path / "workflows"
    exported.parent.mkdir()
    exported.write_text(json.dumps(SAMPLED))
    library.write_mapping(exported, {"inputs": {"depth": []}})
    first = library.add(exported, folder)
    second = library.add(exported, folder)
    assert (first.name, second.name) == ("look.json", "look 2.json")
    assert library.add(first, folder) == first
    assert library.read_mapping(second) == {"inputs": {"depth": []}}
    exported.write_text('{"nodes": []}')
    with pytest.raises(InvalidWorkflow):
        library.add(exported, folder)
    assert len(list(folder.glob("look*.json"))) == 4


def test_a_folder_of_workflows_becomes_models_and_bad_files_are_told(tmp_path):
    (tmp_path / "My Flow.json").write_text(json.dumps(SAMPLED))
    (tmp_path / "broken.json").write_text("{")
    library.write_mapping(tmp_path / "My Flow.json", {"inputs": {"mask": []}})
    known, problems = library.with_workflows(catalog.shipped(), tmp_path)
    assert "comfyui/my-flow" in known.models
    assert not library.workflow_of(known.models["comfyui/my-flow"]).takes("mask")
    assert ["broken.json" in problem.what for problem in problems] == [True]
    assert "comfyui/depth-normal" in known.models
