# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of the guide, followed to the letter: what stands in their blocks is what is used."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genai_render.backends.base import create_backend
from genai_render.backends.http.settings import BackendSettings, Endpoint
from genai_render.backends.self_hosted.comfyui import library
from genai_render.core.keys.credentials import Credentials
from genai_render.core.models import catalog, cost, input_schema
from genai_render.core.request import Reference, RenderRequest
from tests.servers.acme_api import COST, KEY, AcmeServer
from tests.servers.client import canvas, image, run
from tests.servers.comfyui_api import ComfyUIServer
from tests.servers.http import Answer, Server

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide"
PAGES = sorted(GUIDE.glob("*.md"))


def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", (GUIDE / page).read_text("utf-8"), re.DOTALL)


def saved(folder: Path, page: str, name: str, kind: str = "toml") -> Path:
    """The page's only block of that kind, in a file."""
    (text,) = blocks(page, kind)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_there_is_a_page_for_each_thing_and_none_is_long():
    names = {page.stem for page in PAGES}
    assert names >= {"provider", "fal", "model", "style", "pack", "workflow", "medium"}
    for page in PAGES:
        assert len(page.read_text("utf-8").splitlines()) < 30, page.name


def test_a_model_at_fal(tmp_path):
    known = catalog.load([saved(tmp_path, "fal.md", "fal.toml")])
    model = known.model("fal/fal-ai/flux-lora-depth")
    assert [option.id for option in model.options] == ["num_inference_steps"]
    assert model.options[0].label == "Steps"
    fields = input_schema.of_table(model.extra["schema"])
    assert input_schema.places(fields, model.name, model.extra["inputs"]) == {"depth": "image_url"}
    for word in re.findall(r"`(\w+)`", (GUIDE / "fal.md").read_text("utf-8").split("knows")[1]):
        assert word in (*input_schema.IMAGE_INPUTS, "schema")


# ---- a provider --------------------------------------------------------------------------------


def test_a_provider_by_a_table_alone(tmp_path):
    path = saved(tmp_path, "provider.md", "acme.toml")
    known = catalog.load([path])
    model = known.model("acme/acme-xl")
    assert (model.backend, model.label) == ("json", "acme-xl (Acme Images)")
    assert cost.per_image(model, "1K") == 0.02
    with AcmeServer() as server:
        settings = BackendSettings(
            endpoints={"acme": Endpoint(base_url=server.base_url)},
            catalog=known,
            credentials=Credentials({}, _Ring({server.origin: KEY})),
        )
        reference = Reference(image(64, 48, "jpeg"), "light.jpg")
        request = RenderRequest(
            prompt="A red house", model=model.id, canvas=canvas(), references=(reference,)
        )
        made = run(create_backend(model.backend, settings), request)
        two = run(create_backend(model.backend, settings), request.with_(count=2))
    assert made.error is two.error is None
    assert [result.cost_usd for result in two.results] == [pytest.approx(COST / 2)] * 2
    (result,) = made.results
    assert result.cost_usd == pytest.approx(COST)
    assert result.info["provider"] == "Acme Images"
    order = server.received[0].json
    assert len(order["inputs"]) == 2
    assert "A red house" in order["text"]
    assert "n" not in order, "what is not there is left out"


def test_a_table_without_a_dialect_speaks_openai_s(tmp_path):
    """As the page says below its block."""
    (text,) = blocks("provider.md", "toml")
    kept = [
        line
        for line in text.splitlines()
        if not line.startswith(("dialect", "body", "answer", "image", "path"))
    ]
    path = tmp_path / "acme.toml"
    path.write_text("\n".join(kept))
    assert catalog.load([path]).model("acme/acme-xl").backend == "compatible"


class _Ring:
    def __init__(self, keys):
        self.keys = keys

    def get_password(self, service, username):
        return self.keys.get(username)


# ---- a model -----------------------------------------------------------------------------------


def test_a_model(tmp_path):
    known = catalog.load([saved(tmp_path, "model.md", "models.toml")])
    model = known.model("studio-flux")
    assert [option.id for option in model.options] == ["quality", "guides"]
    assert model.option("guides").default == "color"
    assert model.option("quality") == catalog.shipped().model("gpt-image-2.6-flare").option(
        "quality"
    )
    asked = {}

    def answer(request):
        asked.update(request.json)
        return Answer.of_json({"data": [{"b64_json": base64.b64encode(image(832, 1216)).decode()}]})

    with Server(answer) as server:
        endpoints = {"studio": Endpoint(base_url=f"{server.origin}/v1", needs_key=False)}
        settings = BackendSettings(endpoints=endpoints, catalog=known)
        request = RenderRequest(prompt="A house", model=model.id, aspect="2:3")
        made = run(create_backend(model.backend, settings), request)
    assert made.error is None
    assert (asked["model"], asked["size"]) == ("flux.1-dev", "832x1216")
    # Without a server of that name in the preferences, its own address counts.
    assert settings.provider("studio").base_url == ""
    assert model.extra["base_url"] == "http://192.168.0.9:8080/v1"


# ---- styles ------------------------------------------------------------------------------------


def offline(known: catalog.Catalog, style: str) -> bytes:
    request = RenderRequest("a house", style=style, canvas=canvas(160, 120), seed=3)
    made = run(create_backend("offline", BackendSettings(catalog=known)), request)
    assert made.error is None
    return made.results[0].image


def test_a_style_for_the_models_and_for_the_offline_engine(tmp_path):
    known = catalog.load([saved(tmp_path, "style.md", "linocut.toml")])
    assert "carved lines" in known.style("linocut").prompt
    assert offline(known, "linocut") != offline(known, "auto")


def test_a_pack_with_its_picture(tmp_path, monkeypatch):
    packs = tmp_path / "packs"
    saved(packs, "pack.md", "sketchbook/pack.toml")
    Image.new("RGB", (256, 256), "navy").save(packs / "sketchbook" / "night.webp")
    tree = blocks("pack.md", "text")[0]
    assert set(re.findall(r"\w+\.\w+", tree)) == {"pack.toml", "night.webp"}

    monkeypatch.setenv(catalog.FILES_VARIABLE, os.pathsep.join([str(packs), ""]))
    known = catalog.load(catalog.files_in_environment())
    style = known.style("sketchbook_night")
    assert style.preview_path is not None
    with Image.open(style.preview_path) as picture:
        assert picture.size == (256, 256)
    assert offline(known, style.id) != offline(known, "auto")
    # The folder of the pack itself does, too.
    assert "sketchbook_night" in catalog.load([packs / "sketchbook"]).styles


def test_the_pictures_that_ship_are_found_as_before():
    for style in catalog.shipped().styles.values():
        assert style.preview_path is None or style.preview_path.is_file()


# ---- a workflow --------------------------------------------------------------------------------


def test_a_workflow_with_its_mapping(tmp_path):
    mapping, graph = blocks("workflow.md", "json")
    (tmp_path / "rich.json").write_text(graph)
    (tmp_path / "rich.mapping.json").write_text(mapping)
    known, problems = library.with_workflows(catalog.shipped(), tmp_path)
    assert problems == []
    model = next(one for one in known.models.values() if one.label == "rich")
    assert [option.id for option in model.options] == ["amount"]
    workflow = library.workflow_of(model)
    filled = workflow.filled({"color": "view.png"}, {"amount": 0.9}, {})
    assert filled["1"]["inputs"]["image"] == "view.png"
    assert filled["2"]["inputs"]["blend_factor"] == 0.9
    # And by its titles alone, as the page says.
    titled = json.loads(graph)
    titled["1"]["_meta"] = {"title": "View"}
    titled["2"]["_meta"] = {"title": "Richer [blend_factor]"}
    (tmp_path / "titled.json").write_text(json.dumps(titled))
    model = library.of_file(tmp_path / "titled.json")
    assert [option.id for option in model.options] == ["blend_factor"]
    assert library.workflow_of(model).takes("color")


def test_a_workflow_as_the_page_has_it_is_taken_by_a_server(tmp_path):
    mapping, graph = blocks("workflow.md", "json")
    (tmp_path / "rich.json").write_text(graph)
    (tmp_path / "rich.mapping.json").write_text(mapping)
    known, _ = library.with_workflows(catalog.shipped(), tmp_path)
    model = next(one for one in known.models.values() if one.label == "rich")
    with ComfyUIServer() as server:
        endpoint = Endpoint(base_url=server.origin, needs_key=False)
        settings = BackendSettings(False, {"comfyui:Here": endpoint}, known)
        request = RenderRequest(prompt="rich", model=model.id, canvas=canvas(96, 64))
        made = run(create_backend("comfyui", settings), request)
    assert made.error is None
    assert len(made.results) == 1


# ---- a medium ----------------------------------------------------------------------------------


def test_a_medium_in_a_copy_of_the_add_on(tmp_path):
    package = tmp_path / "genai_render"
    left_out = shutil.ignore_patterns("__pycache__", "blender", "workflows", "*.webp")
    shutil.copytree(ROOT / "genai_render", package, ignore=left_out)
    saved(package / "engine" / "media", "medium.md", "dots.py", "python")
    listing = package / "engine" / "look" / "look.py"
    names = re.compile(r"(MEDIA: tuple\[str, \.\.\.\] = \([^=]*?)(\n\))", re.DOTALL)
    text, times = names.subn(r'\1\n    "dots",\2', listing.read_text("utf-8"))
    assert times == 1
    listing.write_text(text, encoding="utf-8")
    look = re.findall(r"`(look = \{.*?\})`", (GUIDE / "medium.md").read_text("utf-8"))[0]
    (tmp_path / "dots.toml").write_text(f'[[style]]\nid = "dots"\nlabel = "Dots"\n{look}\n')
    code = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from genai_render.backends.base import create_backend
        from genai_render.backends.http.settings import BackendSettings
        from genai_render.core.models import catalog
        from genai_render.core.events import CancelToken, Result
        from genai_render.core.request import Reference, RenderRequest
        known = catalog.load([Path({str(tmp_path / "dots.toml")!r})])
        photo = Reference(Path({str(tmp_path / "photo.png")!r}).read_bytes())
        request = RenderRequest("a house", style="dots", references=(photo,), seed=1)
        backend = create_backend("offline", BackendSettings(catalog=known))
        made = [e for e in backend.run(request, CancelToken()) if isinstance(e, Result)]
        Path({str(tmp_path / "made.png")!r}).write_bytes(made[0].image)
        """
    )
    rows = np.linspace(0, 255, 96, dtype=np.uint8)[:, None, None]
    Image.fromarray(np.broadcast_to(rows, (96, 96, 3))).save(tmp_path / "photo.png")
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    with Image.open(tmp_path / "made.png") as picture:
        pixels = np.asarray(picture.convert("L"), np.float32)
    paper = pixels > 230
    top, bottom = paper[: len(paper) // 3].mean(), paper[-len(paper) // 3 :].mean()
    assert bottom > top, "the darker, the larger the dots"
