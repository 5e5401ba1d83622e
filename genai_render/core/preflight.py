# SPDX-License-Identifier: GPL-3.0-or-later
"""A request before it goes out: whole, sized and priced, with all there is to say about it.

`prepare` is pure: the same settings give the same answer, and nothing is sent or read. What it
gives is what the panel shows, what is captured, and what `submission.Gate` takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .errors import GenAIError, InvalidInput
from .framing import Size
from .masks import mask
from .models import closeness
from .models.cost import UNKNOWN, Estimate, estimate_parts
from .models.output_spec import OutputSpec, output_spec

if TYPE_CHECKING:
    from .models.catalog import Model
    from .request import RenderRequest


@dataclass(frozen=True, slots=True)
class Prepared:
    """What would go out, and why it cannot if it cannot.

    model: None where the one that is chosen is missing.
    request: whole but for a canvas that is still to be captured; None where it cannot even be
        put together.
    estimate: of all its images and inputs together.
    canvas_size: the pixels of a canvas that has yet to be captured; None if none is wanted.
    notices: what will differ from what was asked for.
    problem: why it cannot be sent; None if it can. What it would be and cost is known then, too,
        as far as it can be.
    """

    model: Model | None
    request: RenderRequest | None
    spec: OutputSpec | None = None
    estimate: Estimate = UNKNOWN
    canvas_size: Size | None = None
    problem: GenAIError | None = None

    @property
    def notices(self) -> tuple[str, ...]:
        return self.spec.notes if self.spec is not None else ()

    @property
    def cost(self) -> str:
        """For people: "about $0.06", "unknown"; "" where there is nothing to price."""
        return self.estimate.text if self.spec is not None else ""

    def but(self, check: Callable[[Prepared], object]) -> Prepared:
        """The same, with what `check` raises as its problem; as it is if it has one already."""
        if self.problem is not None:
            return self
        try:
            check(self)
        except GenAIError as error:
            return replace(self, problem=error)
        return self


def prepare(
    model: Model,
    build: Callable[[], RenderRequest],
    canvas_aspect: float | None = None,
    seen: float = 1.0,
) -> Prepared:
    """What sending the request that `build` gives would mean. Raises nothing: see `problem`.

    canvas_aspect: width over height of a canvas that is captured when it is sent; None where none
    is, or the request has its canvas already.
    seen: how many times as much as its price list says the model has cost of late.
    """
    try:
        request = build()
        model.check(request)
        closeness.check(model, request.closeness)
        _check_start(model, request, canvas_aspect is not None)
        if request.source is not None:
            mask.check(request.source, request.mask, request.markup)
        spec = output_spec(model, request, canvas_aspect)
        request = request.with_(width=spec.width, height=spec.height)
        size = None if canvas_aspect is None else Size(spec.width, spec.height)
        sent = None if size is None else (size.width, size.height)
        estimate = replace(estimate_parts(model, request, sent), seen=seen)
        return Prepared(model, request, spec, estimate, size)
    except GenAIError as error:
        return Prepared(model, None, problem=error)


def _check_start(model: Model, request: RenderRequest, canvas_comes: bool) -> None:
    starts = canvas_comes or request.canvas is not None or request.source is not None
    if model.needs_canvas_or_reference and not (starts or request.references):
        raise InvalidInput(
            f"{model.label} needs something to start from.",
            action="Use the view (without --no-canvas), or add a reference (--reference).",
        )
