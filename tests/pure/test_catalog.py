# SPDX-License-Identifier: GPL-3.0-or-later
"""Models and styles as data: what ships is right, and a user's own file is understood."""

from __future__ import annotations

import re
from datetime import date

import pytest

from genai_render.backends.base import BACKENDS
from genai_render.backends.http.settings import endpoint_name
from genai_render.core.errors import InvalidInput, NotFound, StorageError
from genai_render.core.framing import RESOLUTIONS
from genai_render.core.models import catalog, cost
from genai_render.core.models.catalog import Catalog, Model, Option
from genai_render.core.models.output_spec import output_spec
from genai_render.core.models.tasks import TASKS
from genai_render.core.request import Reference, RenderRequest
from tests.servers.client import image

SHIPPED = catalog.shipped()


def own(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return catalog.load([path])


# ---- what ships --------------------------------------------------------------------------------


@pytest.mark.parametrize("model", SHIPPED.models.values(), ids=lambda model: model.id)
def test_every_model_is_complete_and_can_be_planned_with(model):
    assert model.label
    assert model.description
    assert model.good_for
    assert model.speed
    assert not model.description.endswith(".")
    assert model.backend in BACKENDS
    assert model.name or not model.online
    assert set(model.resolutions) <= set(RESOLUTIONS)
    assert len({option.id for option in model.options}) == len(model.options)
    for option in model.options:
        assert option.label
        assert option.description
        assert not option.description.endswith(".")
    for resolution in RESOLUTIONS:
        request = RenderRequest(prompt="x", model=model.id, resolution=resolution)
        model.check(request, date.fromisoformat(model.available_from or "2026-09-01"))
        assert output_spec(model, request).width > 0


def test_the_models_that_were_promised_are_there():
    assert set(SHIPPED.models) >= {
        *("offline", "gpt-image-2", "gpt-image-2.5-sunburst", "gpt-image-2.5-flare"),
        *("gpt-image-2.6-sunburst", "gpt-image-2.6-flare", "gpt-image-1.5", "gpt-image-1-mini"),
        *("gemini-3-pro-image", "gemini-3.1-flash-image", "gemini-3.1-flash-lite-image"),
    }


def test_at_least_thirty_models_of_providers_are_curated():
    """Of those that are there today: what each is for, how long it takes, what sizes and how many
    references, and what it costs, by whom and when that was said."""
    there = SHIPPED.offered(date(2026, 12, 2)).values()
    hosted = [model for model in there if model.online and model.ai]
    whole = []
    for model in hosted:
        price = model.price
        priced = price is not None and price.source and re.fullmatch(r"\d{4}-\d\d-\d\d", price.date)
        if priced and model.good_for and model.speed and model.extra.get("sizes"):
            whole.append(model)
            known = cost.per_image(model, model.resolutions[0])
            assert known or price.per_million, model.id
        assert model.provider or model.backend in ("openai", "gemini")
        takes_images = model.extra.get("max_images", 0) > 0
        assert model.tasks or not takes_images, f"{model.id} is recommended for nothing"
    assert len(whole) >= 30
    assert len([model for model in hosted if model.provider == "openrouter"]) >= 30
    for task in TASKS:
        assert len(SHIPPED.recommended(task, date(2026, 12, 2))) >= 3, task


def test_the_names_are_those_that_the_sdk_knows():
    types = pytest.importorskip("openai.types.image_model")
    from typing import get_args

    known = get_args(types.ImageModel)
    for model in SHIPPED.models.values():
        if model.backend == "openai":
            assert model.name in known


def test_styles_are_complete():
    assert "auto" in SHIPPED.styles
    for style in SHIPPED.styles.values():
        assert style.label


# ---- finding -----------------------------------------------------------------------------------


def test_an_entry_is_found_by_id_or_by_label_however_it_is_written():
    for name in ("gpt-image-2", "GPT Image 2", "gpt_image_2", "GPT-IMAGE-2"):
        assert SHIPPED.model(name).id == "gpt-image-2"


def test_a_wrong_name_gets_the_nearest_right_one():
    with pytest.raises(NotFound, match='Did you mean "gpt-image-2'):
        SHIPPED.model("gpt-imgae-2")
    with pytest.raises(NotFound, match=r"Known: .*auto"):
        SHIPPED.style("zzz")


# ---- from when to when a model is there --------------------------------------------------------

DATED = Model(
    *("old", "Old", "openai"),
    available_from="2026-03-01",
    shutdown="2026-12-01",
    dates_source="its page",
    successor="gpt-image-2",
)


@pytest.mark.parametrize(
    ("today", "offered", "note"),
    [
        ("2026-02-28", False, "It is there from 2026-03-01 on"),
        ("2026-03-01", True, ""),
        ("2026-10-01", True, ""),
        ("2026-10-02", True, "Its provider shuts it down on 2026-12-01"),
        ("2026-11-30", True, "Its provider shuts it down on 2026-12-01"),
        ("2026-12-01", False, "Its provider shut it down on 2026-12-01"),
        ("2030-01-01", False, "Its provider shut it down on 2026-12-01"),
    ],
)
def test_a_model_is_offered_while_it_is_there_and_its_end_is_said_before(today, offered, note):
    day = date.fromisoformat(today)
    assert DATED.offered(day) is offered
    assert DATED.dates_note(day) == note
    both = Catalog({"old": DATED, "offline": SHIPPED.models["offline"]}, SHIPPED.styles)
    assert ("old" in both.offered(day)) is offered
    assert both.model("old") is DATED, "an item of History still says what it was made with"


def test_one_that_is_gone_is_refused_with_the_one_that_takes_its_place():
    request = RenderRequest(prompt="x", model="old")
    DATED.check(request, date(2026, 11, 30))
    with pytest.raises(InvalidInput) as raised:
        DATED.check(request, date(2026, 12, 1))
    assert raised.value.text == (
        "Old cannot be used. Its provider shut it down on 2026-12-01. "
        'Choose "gpt-image-2" in its place.'
    )


def test_dates_have_a_source_and_a_successor_that_is_there():
    for model in SHIPPED.models.values():
        if model.available_from or model.shutdown:
            assert model.dates_source, model.id
        if model.shutdown:
            successor = SHIPPED.model(model.successor)
            assert not successor.shutdown, model.id


def test_a_day_is_written_as_one(tmp_path):
    with pytest.raises(InvalidInput, match='"1 December" of the model "a" is not a day'):
        own(
            tmp_path,
            '[[model]]\nid = "a"\nlabel = "A"\nbackend = "openai"\nshutdown = "1 December"\n',
        )


# ---- what a model can do -----------------------------------------------------------------------


def test_what_a_model_cannot_do_is_said():
    model = Model("m", "Mine", "offline", max_references=1, max_count=2, resolutions=("1K",))

    def ask(**more):
        return RenderRequest(**{"prompt": "x", "model": "m", **more})

    model.check(ask(count=2))
    with pytest.raises(InvalidInput, match="at most 2 images"):
        model.check(ask(count=3))
    with pytest.raises(InvalidInput, match=r"Mine cannot make 4K images\. Choose 1K"):
        model.check(ask(resolution="4K"))
    with pytest.raises(InvalidInput, match="at most 1 reference"):
        model.check(ask(references=(Reference(image()), Reference(image()))))
    with pytest.raises(InvalidInput, match='no option called "quality"'):
        model.check(ask(options={"quality": "high"}))


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("ON", True), ("1", True), ("no", False), ("0", False), ("False", False)],
)
def test_a_switch_is_read_from_a_text(text, value):
    assert Option("a", "A", "bool", False).parse(text) is value


def test_options_are_read_and_checked():
    number = Option("n", "N", "int", 2, minimum=0, maximum=3)
    assert number.parse("3") == 3
    for bad in ("4", "-1", "1.5", "x", ""):
        with pytest.raises(InvalidInput, match="whole number from 0 to 3"):
            number.parse(bad)
    share = Option("f", "F", "float", 0.5, minimum=0)
    assert share.parse("1e-3") == 0.001
    for bad in ("nan", "inf", "-1"):
        with pytest.raises(InvalidInput):
            share.parse(bad)
    choice = Option("c", "C", "choice", "a", choices=("a", "b"))
    assert choice.parse("b") == "b"
    with pytest.raises(InvalidInput, match="Choose a, b"):
        choice.parse("c")
    with pytest.raises(InvalidInput):
        number.check(True)  # a switch is no number
    assert Option("t", "T", "text", "").parse("anything") == "anything"


def test_an_option_whose_default_it_cannot_have_is_a_mistake():
    with pytest.raises(InvalidInput):
        Option("c", "C", "choice", "z", choices=("a", "b"))
    with pytest.raises(InvalidInput, match="unknown kind"):
        Option("c", "C", "colour", "z")  # pyright: ignore[reportArgumentType]


# ---- a user's own file -------------------------------------------------------------------------


def test_a_user_can_add_a_model_and_change_one(tmp_path):
    made = own(
        tmp_path,
        """
        [[model]]
        id = "studio-flux"
        label = "Flux in the studio"
        backend = "compatible"
        name = "flux.1-dev"
        [model.extra]
        profile = "studio"
        base_url = "http://192.168.0.9:8080/v1"
        [[model.option]]
        id = "quality"
        label = "Quality"
        kind = "choice"
        default = "auto"
        choices = ["auto", "high"]

        [[model]]
        id = "gpt-image-2"
        label = "Ours"
        backend = "openai"
        name = "gpt-image-2-2026-04-21"
        price = { per_image = { "1K" = 0.05 }, source = "our contract", date = "2026-11-01" }
        """,
    )
    assert made.model("studio-flux").extra["profile"] == "studio"
    assert made.model("studio-flux").option("quality").choices == ("auto", "high")
    assert made.model("gpt-image-2").name == "gpt-image-2-2026-04-21"
    assert made.model("gpt-image-2").price.per_image["1K"] == 0.05
    assert SHIPPED.model("gpt-image-2").label == "GPT Image 2"
    assert made.model("offline") == SHIPPED.model("offline")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[model]\n", "not a valid TOML file"),
        ('[[model]]\nid = "a"\n', 'The model "a" in "mine.toml" is not complete'),
        (
            '[[model]]\nid = "a"\nlabel = "A"\nbackend = "openai"\ncolour = 1\n',
            "setting that does not exist",
        ),
        (
            '[[model]]\nid = "a"\nlabel = "A"\nbackend = "openai"\nprice = { euros = 1 }\n',
            "mine.toml",
        ),
        ('model = "a"\n', "mine.toml"),
        ("model = [1]\n", "mine.toml"),
        ('[[model]]\nid = "a"\nlabel = "A"\nbackend = "x"\nresolutions = 4\n', "mine.toml"),
        ('[[model]]\nid = "a"\nlabel = "A"\nbackend = "x"\noption = 4\n', "mine.toml"),
        ('[[model]]\nid = "a"\nlabel = "A"\nbackend = "x"\nprice = 4\n', "mine.toml"),
        ('[[style]]\nlabel = "A"\n', "mine.toml"),
    ],
)
def test_a_mistake_in_a_users_file_is_said_with_its_place(tmp_path, text, words):
    with pytest.raises(InvalidInput) as raised:
        own(tmp_path, text)
    assert words in raised.value.text


def test_a_file_that_is_not_there_or_no_text_is_said(tmp_path):
    with pytest.raises(StorageError, match="cannot be read"):
        catalog.load([tmp_path / "missing.toml"])
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="not a valid TOML"):
        catalog.load([tmp_path / "mine.toml"])


# ---- servers of the user's own -------------------------------------------------------------------


def test_a_model_that_is_known_by_its_name_alone_is_taken_to_be_like_the_nearest():
    dated = SHIPPED.like_known("openai", "gpt-image-2.5-flare-2026-09-08")
    flare = SHIPPED.model("gpt-image-2.5-flare")
    assert (dated.id, dated.name, dated.options) == (
        *["gpt-image-2.5-flare-2026-09-08"] * 2,
        flare.options,
    )
    assert dated.price == flare.price
    for name in ("flash-image", "flash-lite-image", "pro-image"):
        newer = SHIPPED.like_known("gemini", f"gemini-3.2-{name}")
        near = next(model for model in SHIPPED.models.values() if model.id.endswith(name))
        assert newer.extra == near.extra
    newer = SHIPPED.like_known("gemini", "gemini-3.2-flash-image")
    assert newer.price is None, "nobody knows what it costs"
    with pytest.raises(NotFound):
        SHIPPED.like_known("nobody", "x")


def test_a_server_of_ones_own_adds_its_models():
    known = SHIPPED.plus([catalog.server_model("Studio", "flux.1-dev")])
    model = known.model("Studio/flux.1-dev")
    assert (model.backend, model.name) == ("compatible", "flux.1-dev")
    assert endpoint_name(model) == "Studio"
    assert cost.estimate(model, RenderRequest("a house", model=model.id)) is None
    assert set(SHIPPED.models) < set(known.models)


@pytest.mark.parametrize(("usd", "said"), [(0.0, "free"), (0.02, "about $0.06")])
def test_a_server_of_ones_own_costs_what_the_user_says(usd, said):
    model = catalog.server_model("Studio", "flux.1-dev", usd)
    request = RenderRequest("a house", model=model.id, count=3)
    assert cost.estimate_parts(model, request, (1024, 768)).text == said
