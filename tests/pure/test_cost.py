# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image costs: before, after, and against a budget. What is not known is not guessed."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_render.core.errors import OverBudget
from genai_render.core.image import images
from genai_render.core.models import catalog, cost
from genai_render.core.models.catalog import Model, Price
from genai_render.core.models.cost import Estimate, Reservations, Usage
from genai_render.core.request import Reference, RenderRequest
from tests.servers.client import canvas, image, layer

MODELS = catalog.shipped().models


def request(model="gpt-image-2", **more):
    return RenderRequest(**{"prompt": "A red house", "model": model, **more})


def estimate(model, **more):
    return cost.estimate_parts(MODELS[model], request(model, **more))


# ---- before ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "quality", "aspect", "usd"),
    [
        # As OpenAI's image generation guide lists them, to a tenth of a cent.
        ("gpt-image-2", "low", "1:1", 0.006),
        ("gpt-image-2", "medium", "1:1", 0.053),
        ("gpt-image-2", "high", "1:1", 0.211),
        ("gpt-image-2.5-flare", "low", "1:1", 0.006),
        ("gpt-image-2.5-flare", "medium", "1:1", 0.013),
        ("gpt-image-2.5-flare", "high", "1:1", 0.053),
        ("gpt-image-2.5-flare", "xhigh", "1:1", 0.094),
        ("gpt-image-2.5-flare", "max", "1:1", 0.211),
        ("gpt-image-1.5", "low", "1:1", 0.009),
        ("gpt-image-1.5", "medium", "2:3", 0.05),
        ("gpt-image-1.5", "high", "3:2", 0.2),
        ("gpt-image-1-mini", "high", "1:1", 0.036),
    ],
)
def test_an_image_costs_what_the_provider_lists(model, quality, aspect, usd):
    options = {"quality": quality, "partials": 0}
    assert estimate(model, aspect=aspect, options=options).images == pytest.approx(usd, abs=5e-4)


@pytest.mark.parametrize(
    ("width", "height", "grid", "tokens"),
    [
        # Measured by users of the API.
        (1024, 1024, 16, 196),
        (1024, 1024, 48, 1756),
        (1024, 1024, 96, 7024),
        (2048, 2048, 16, 397),
        (2048, 2048, 96, 14272),
        (2880, 2880, 48, 5930),
        (1536, 1024, 96, 5488),
        (1024, 1536, 96, 5488),
    ],
)
def test_output_tokens_over_the_grid(width, height, grid, tokens):
    assert cost.grid_tokens(width, height, grid) == tokens


@pytest.mark.parametrize(
    ("model", "resolution", "usd"),
    [
        ("gemini-3-pro-image", "1K", 0.134),
        ("gemini-3-pro-image", "2K", 0.134),
        ("gemini-3-pro-image", "4K", 0.24),
        ("gemini-3.1-flash-image", "1K", 0.067),
        ("gemini-3.1-flash-image", "2K", 0.101),
        ("gemini-3.1-flash-image", "4K", 0.151),
        ("gemini-3.1-flash-lite-image", "1K", 0.0336),
        ("gemini-2.5-flash-image", "1K", 0.039),
    ],
)
def test_gemini_s_images_cost_what_google_lists(model, resolution, usd):
    assert estimate(model, resolution=resolution).images == pytest.approx(usd, abs=6e-4)
    assert cost.per_image(MODELS[model], resolution) == pytest.approx(usd, abs=6e-4)


def test_the_offline_engine_is_free():
    made = estimate("offline", count=4, canvas=canvas(), references=(Reference(image()),))
    assert made.usd == 0
    assert made.text == "free"
    cost.check_budget(made.usd, 0.0)
    cost.check_month(made.usd, 10.0, 0.0)


def test_every_image_costs_and_so_does_what_is_sent():
    one = estimate("gpt-image-2", options={"partials": 0})
    four = estimate("gpt-image-2", count=4)
    assert four.images == pytest.approx(4 * one.images)
    assert four.inputs == pytest.approx(one.inputs)  # sent once for all four
    viewed = estimate("gpt-image-2", canvas=canvas(1024, 1024))
    assert viewed.inputs - one.inputs > 2 * 1024 * 8 / 1e6  # the view and its depth
    more = estimate("gpt-image-2", canvas=canvas(1024, 1024), references=(Reference(image()),))
    assert more.inputs > viewed.inputs


def test_a_view_that_is_still_to_be_captured_is_counted_by_its_size():
    model = MODELS["gpt-image-2"]
    captured = cost.estimate(model, request(canvas=canvas(1600, 900)))
    assert cost.estimate(model, request(), (1600, 900)) == pytest.approx(captured)
    assert cost.estimate(model, request()) < captured
    assert cost.estimate_parts(MODELS["offline"], request("offline"), (1600, 900)).usd == 0


def test_gemini_is_sent_everything_again_for_each_image():
    one = estimate("gemini-3-pro-image", canvas=canvas())
    three = estimate("gemini-3-pro-image", canvas=canvas(), count=3)
    assert three.inputs == pytest.approx(3 * one.inputs)
    # Three guides of 560 tokens each at $2 a million, and a few words.
    assert one.inputs == pytest.approx(3 * 560 * 2 / 1e6, rel=0.2)


def test_unfinished_pictures_add_to_the_price_of_a_single_image():
    none = estimate("gpt-image-2", options={"partials": 0})
    three = estimate("gpt-image-2", options={"partials": 3})
    assert three.images - none.images == pytest.approx(300 * 30 / 1e6)


def test_a_larger_picture_costs_more_and_a_very_large_input_no_more_than_the_model_looks_at():
    sizes = [estimate("gpt-image-2", resolution=r).images for r in ("1K", "2K", "4K")]
    assert sizes == sorted(sizes)
    big = estimate("gpt-image-2", canvas=canvas(4096, 4096)).inputs
    assert big < estimate("gpt-image-2", canvas=canvas(1024, 1024)).inputs * 2


def test_high_fidelity_costs_more():
    edit = {"kind": "edit", "source": image(1024, 1024)}
    low = estimate("gpt-image-1.5", **edit).inputs
    high = estimate("gpt-image-1.5", options={"fidelity": "high"}, **edit).inputs
    assert high - low == pytest.approx(4160 * 8 / 1e6)


def test_an_edit_costs_its_source_and_its_mask():
    edit = {"kind": "edit", "source": image(64, 64)}
    masked = estimate("gpt-image-2", mask=layer(64, 64), **edit)
    assert masked.inputs > estimate("gpt-image-2", **edit).inputs


@pytest.mark.parametrize("model", ["gpt-image-2.6-sunburst", "gpt-image-2.6-flare"])
def test_what_is_not_published_is_unknown(model):
    made = estimate(model)
    assert made.usd is None
    assert made.text == "unknown"
    assert cost.estimate(MODELS[model], request(model)) is None


def test_a_model_without_a_price_is_unknown():
    bare = Model("mine", "Mine", "compatible")
    assert cost.estimate(bare, request("mine")) is None
    assert cost.per_image(bare, "1K") is None


def test_known_images_with_unknown_inputs_are_not_a_sum():
    made = estimate("gemini-2.5-flash-image", canvas=canvas())
    assert made.images == pytest.approx(0.0387)
    assert made.usd is None
    assert made.text == "$0.039 and the inputs"


def test_every_shipped_price_says_where_and_when_it_was_read():
    for model in MODELS.values():
        if model.price is not None:
            assert model.price.source, model.id
            assert len(model.price.date) == 10, model.id


# ---- after -------------------------------------------------------------------------------------


def test_the_real_sum_follows_from_what_was_counted():
    usage = Usage(text_in=100, image_in=1000, text_out=0, image_out=439)
    assert cost.actual(MODELS["gpt-image-2.5-flare"], usage) == pytest.approx(
        (100 * 5 + 1000 * 8 + 439 * 30) / 1e6
    )
    assert cost.actual(MODELS["gpt-image-2.6-flare"], usage) is not None  # by its rates


def test_without_a_count_or_a_rate_the_real_sum_is_unknown():
    assert cost.actual(MODELS["gpt-image-2"], None) is None
    assert cost.actual(Model("mine", "Mine", "compatible"), Usage(1)) is None
    part = Model("p", "P", "openai", price=Price(per_million={"text_in": 1.0}))
    assert cost.actual(part, Usage(text_in=10)) == pytest.approx(1e-5)
    assert cost.actual(part, Usage(text_in=10, image_out=10)) is None


def test_usages_add_up_and_go_into_json():
    total = Usage(1, 2, 3, 4) + Usage(10, 20, 30, 40)
    assert total.to_json() == {"text_in": 11, "image_in": 22, "text_out": 33, "image_out": 44}


# ---- budgets -----------------------------------------------------------------------------------


def test_a_run_above_the_maximum_is_refused_and_says_both_sums():
    cost.check_budget(0.5, None)
    cost.check_budget(0.5, 0.5)
    with pytest.raises(OverBudget, match=r"about \$0\.51; your limit is \$0\.50") as raised:
        cost.check_budget(0.51, 0.5)
    assert raised.value.exit_code == 6


def test_an_unknown_price_cannot_keep_to_a_limit():
    with pytest.raises(OverBudget, match="not known"):
        cost.check_budget(None, 100.0)
    with pytest.raises(OverBudget, match="not known"):
        cost.check_month(None, 0.0, 100.0)
    cost.check_budget(None, None)
    cost.check_month(None, 0.0, None)


def test_the_months_budget_counts_what_was_spent():
    cost.check_month(0.2, 9.8, 10.0)
    with pytest.raises(OverBudget) as raised:
        cost.check_month(0.21, 9.8, 10.0)
    assert "$9.80 of this month's $10.00" in raised.value.text


def test_jobs_on_their_way_count_too():
    held = Reservations()
    held.hold(1, 4.0, spent=2.0, maximum=10.0)
    held.hold(2, 4.0, spent=2.0, maximum=10.0)
    with pytest.raises(OverBudget):
        held.hold(3, 0.5, spent=2.0, maximum=10.0)
    assert held.total == 8.0
    held.release(1)
    held.hold(3, 0.5, spent=6.0, maximum=11.0)
    held.release(9)  # what was never held is no error


def test_many_at_once_cannot_pass_the_budget_together():
    held, passed = Reservations(), []
    gate = threading.Barrier(20)

    def ask(job):
        gate.wait()
        try:
            held.hold(job, 1.0, 0.0, 7.0)
        except OverBudget:
            return
        passed.append(job)

    threads = [threading.Thread(target=ask, args=(job,)) for job in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 7
    assert held.total == 7.0


@pytest.mark.parametrize(
    ("usd", "text"),
    [(0, "$0.00"), (0.0004, "$0.0004"), (0.0134, "$0.013"), (0.211, "$0.21"), (12.5, "$12.50")],
)
def test_small_sums_are_written_with_the_digits_they_need(usd, text):
    assert cost.dollars(usd) == text


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 100))
def test_what_is_let_through_never_passes_the_budget(estimated, spent, maximum):
    try:
        cost.check_month(estimated, spent, maximum)
    except OverBudget:
        assert spent + estimated > maximum
    else:
        assert estimated == 0 or spent + estimated <= maximum


def test_an_estimate_is_a_sum_only_of_what_is_known():
    assert Estimate(None, 1.0).usd is None
    assert Estimate(1.0, None).usd is None
    assert Estimate(1.0, 0.5).usd == 1.5
    assert Estimate(1.0, 0.5).text == "about $1.50"


def test_each_megapixel_after_the_first_has_a_price_of_its_own_with_what_is_sent():
    """FLUX.2 at fal: the first of 1024 by 1024 pixels, and each that follows, rounded up."""
    view = canvas(1024, 1024)
    max_edit, pro = "fal/fal-ai/flux-2-max/edit", "fal/fal-ai/flux-2-pro/edit"
    one = estimate(max_edit, canvas=view, aspect="1:1", options={"guides": "color"})
    assert (one.images, one.inputs) == (pytest.approx(0.07), pytest.approx(0.03))
    large = estimate(max_edit, canvas=view, aspect="1:1", resolution="2K")
    assert large.images == pytest.approx(0.07 + 3 * 0.03)
    small = Reference(image(64, 48), "a.png")
    two = estimate(
        pro, canvas=view, aspect="1:1", options={"guides": "color"}, references=(small, small)
    )
    assert two.usd == pytest.approx(0.03 + 3 * 0.015)


def test_the_first_image_that_is_sent_can_be_free():
    view, model = canvas(1024, 1024), "fal/bytedance/seedream/v5/pro/edit"
    assert estimate(model, canvas=view, options={"guides": "color"}).usd == pytest.approx(0.0675)
    more = estimate(
        model, canvas=view, options={"guides": "color"}, references=(Reference(image(), "a.png"),)
    )
    assert more.usd == pytest.approx(0.0675 + 0.0045)


@pytest.mark.parametrize(("side", "usd"), [(1000, 0.08), (2600, 0.16), (4000, 0.32)])
def test_an_enlargement_can_be_priced_by_how_large_it_becomes(side, usd):
    source = images.encode_png(np.zeros((side, side, 3), np.uint8))
    model = "fal/fal-ai/topaz/upscale/image"
    options = {"upscale_factor": 2.0}
    found = estimate(model, kind="edit", source=source, parent="x", options=options)
    assert found.usd == pytest.approx(usd)


def test_what_fal_tells_no_price_of_is_not_known_and_not_free():
    for name in ("sdxl-controlnet-union", "birefnet/v2"):
        model = MODELS[f"fal/fal-ai/{name}"]
        assert model.price is None
        assert cost.per_image(model, "1K") is None
    priced = [m for m in MODELS.values() if m.provider == "fal" and m.price is not None]
    assert len(priced) == 15
    assert all(m.price is not None and m.price.source and m.price.date for m in priced)
