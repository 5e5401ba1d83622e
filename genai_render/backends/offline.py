# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded engine as a backend: no network, no key, no model; the same seed, the same bytes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import queue
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.bounds import MAX_SEED
from ..core.errors import Cancelled, InvalidInput
from ..core.events import CancelToken, Event, Notice, Progress, Result
from ..core.files import storage
from ..core.image import images
from ..core.models.catalog import Catalog, Model
from ..core.models.model_lists import Listed
from ..core.request import Reference, RenderRequest
from ..core.view import look_match
from ..core.view.canvas import Canvas
from ..engine import Look, Palette, Quality, Reading, Stage, Step, read, render, stage_for
from ..engine.grade.palette import decode, notes
from ..engine.look.look import Sky
from . import picture_actions
from .http.settings import BackendSettings
from .painted_things import in_paint, in_paint_within
from .picture_canvas import fitted, flat, painted

# Turns of the key light, its warmth and brightness, for the 2nd, 3rd and 4th picture of a request.
_VARIATIONS = ((0.0, 0.0, 0.0), (1.0, 0.05, 0.05), (0.45, -0.07, 0.1), (-0.3, 0.1, -0.18))


@dataclass(frozen=True, slots=True)
class _Job:
    """A request made ready: what is rendered, at which size, and what was understood."""

    canvas: Canvas
    look: Look
    palette: Palette | None
    reading: Reading
    quality: Quality
    strength: float
    neural: bool
    notes: tuple[str, ...]
    stage: Stage | None = None
    carried: bool = False


class OfflineBackend:
    """Re-lights, re-grades and re-draws the canvas (see engine/). Needs a canvas or a reference.

    Where the settings say that its pictures belong together, as the frames and cameras of a batch
    do, what is behind the scene and under it is chosen with the first that shows something, and
    kept for all further ones of the same look. stage: one that was chosen before, as
    `Result.info["stage"]` holds it.
    """

    def __init__(self, settings: BackendSettings | None = None, stage: Stage | None = None) -> None:
        self._settings = settings or BackendSettings()
        self._share = self._settings.belong_together or stage is not None
        self._given = stage
        self._stages: dict[Sky, Stage] = {}
        self._choosing = threading.Lock()  # several pictures of one series are made at once

    def run(self, request: RenderRequest, cancel: CancelToken) -> Iterator[Event]:
        cancel.check()
        model = self._settings.models().model(request.model)
        if "action" in model.extra:
            yield from _acted(request, model, self._settings.models(), cancel)
            return
        yield Progress(0.0, "Reading the prompt")
        job = _prepare(request, self._settings.models())
        job = replace(job, stage=self._stage(job))
        for text in (job.reading.sentence, *job.notes):
            if text:
                yield Notice(text)
        first = request.seed if request.seed is not None else random.randint(0, MAX_SEED - 8)
        for index in range(request.count):
            seed = (first + index) % (MAX_SEED + 1)
            yield from _one(request, job, index, seed, cancel)

    def check(self, cancel: CancelToken, endpoint: str = "") -> str:
        return "Nothing needs to be reached."

    def model_names(self, cancel: CancelToken, endpoint: str = "") -> list[str]:
        return []  # it is one itself

    def model_list(self, cancel: CancelToken, endpoint: str = "") -> list[Listed]:
        return []

    def _stage(self, job: _Job) -> Stage | None:
        """What all pictures share; None where each has its own."""
        if not self._share or job.canvas.view.source == "image":
            return None
        if self._given is not None:
            return self._given
        sky = job.look.sky
        with self._choosing:
            if sky not in self._stages:
                kept = (
                    None if self._settings.choices is None else _kept(self._settings.choices, sky)
                )
                stage = kept or stage_for(job.canvas, job.look, job.quality)
                if stage is None:  # nothing in sight: the next picture chooses
                    return None
                if kept is None and self._settings.choices is not None:
                    stage = _keep(self._settings.choices, sky, stage)
                self._stages[sky] = stage
            return self._stages[sky]


def _choice(folder: Path, sky: Sky) -> Path:
    return folder / f"{hashlib.sha256(repr(sky).encode()).hexdigest()[:16]}.json"


def _kept(folder: Path, sky: Sky) -> Stage | None:
    try:
        return Stage.from_json(json.loads(_choice(folder, sky).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(folder: Path, sky: Sky, stage: Stage) -> Stage:
    """What counts from now on: the first that was kept, by whoever did. Raises StorageError."""
    data = json.dumps(stage.to_json()).encode()
    with storage.storage_errors("What was chosen for the series cannot be kept."):
        folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        storage.write_new_file(_choice(folder, sky), data)
    # As it is read again: what goes on with the series gets the same to the last bit.
    return _kept(folder, sky) or stage


def _one(
    request: RenderRequest, job: _Job, index: int, seed: int, cancel: CancelToken
) -> Iterator[Event]:
    """The events of one image."""

    def work(step: Step) -> Result:
        look = varied(job.look, index)

        def rendering(fraction: float, message: str) -> None:
            step((0.75 if job.neural else 0.95) * fraction, message)

        pixels = render(job.canvas, look, job.palette, seed, rendering, job.quality, job.stage)
        ai = False
        extra: list[str] = []
        if job.neural:
            pixels, ai, text = _neural(request, pixels, step)
            extra += [text] if text else []
        pixels = _continued(request, pixels) if job.carried else _blended(request, job, pixels)
        step(0.98, "Saving")
        image = images.encode_png(pixels)
        info: dict[str, Any] = {
            "used": list(job.reading.used),
            "not_used": list(job.reading.not_used),
            "notes": [*job.notes, *extra],
            "quality": job.quality,
        }
        if job.stage is not None:
            info["stage"] = job.stage.to_json()
        height, width = pixels.shape[:2]
        return Result(
            *(image, "image/png", width, height, index, seed),
            prompt_sent=request.prompt,
            info=info,
            cost_usd=0.0,
            ai=ai,
        )

    for event in _in_thread(work, cancel):
        if isinstance(event, Progress) and event.fraction is not None:
            whole = (index + event.fraction) / request.count
            message = event.message
            if request.count > 1:
                message = f"{message} ({index + 1} of {request.count})"
            yield Progress(min(whole, 1.0), message)
        else:
            if isinstance(event, Result):
                for text in event.info["notes"][len(job.notes) :]:
                    yield Notice(text)
            yield event


def _acted(
    request: RenderRequest, model: Model, known: Catalog, cancel: CancelToken
) -> Iterator[Event]:
    """The events of an action on a finished picture."""

    def work(step: Step) -> Result:
        made = picture_actions.made(request, model, known, step)
        step(0.98, "Saving")
        image = images.encode_png(made.pixels)
        height, width = made.pixels.shape[:2]
        return Result(
            *(image, "image/png", width, height, 0, request.seed),
            prompt_sent=request.prompt,
            info={"action": model.extra["action"], "notes": list(made.notes)},
            cost_usd=0.0,
            ai=made.ai,
        )

    for event in _in_thread(work, cancel):
        if isinstance(event, Result):
            for text in event.info["notes"]:
                yield Notice(text)
        yield event


def _in_thread(work: Callable[[Step], Result], cancel: CancelToken) -> Iterator[Event]:
    """Run work(step) in a thread of its own, so that its steps can be reported as they come."""
    events: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
    abandoned = threading.Event()

    def step(fraction: float, message: str) -> None:
        cancel.check()
        if abandoned.is_set():
            raise Cancelled()
        events.put(Progress(fraction, message))

    def run() -> None:
        try:
            events.put(work(step))
        except BaseException as error:  # handed on to the thread that waits
            events.put(error)
        events.put(None)

    thread = threading.Thread(target=run, name="genai_render offline", daemon=True)
    thread.start()
    last: Progress | None = None
    try:
        while (event := events.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            if isinstance(event, Progress):
                if last is not None and (event.fraction, event.message) == (
                    last.fraction,
                    last.message,
                ):
                    continue
                last = event
            yield event
    finally:
        # The consumer may stop listening: then the work stops at its next step.
        abandoned.set()
        thread.join()


# --- what is asked for -------------------------------------------------------------------------


def _prepare(request: RenderRequest, known: Catalog) -> _Job:
    wished = _Wished.of(request, known)
    references: Sequence[Reference] = request.references
    remarks = [f"Reference {text}." for text in notes(references)]
    carried = request.carried and request.canvas is not None and request.source is not None
    if carried:
        assert request.source is not None
        assert request.canvas is not None
        size = images.probe(request.source)
        canvas = fitted(request.canvas, size.width, size.height)
    elif request.kind == "edit":
        assert request.source is not None
        canvas = painted(request.source, request.canvas)
        if request.mask is not None:
            canvas, reading = in_paint_within(canvas, request.mask, wished.reading)
            wished = replace(wished, reading=reading)
    elif request.canvas is not None:
        canvas, reading = in_paint(request.canvas, wished.reading)
        wished = replace(wished, reading=reading)
        canvas = fitted(canvas, request.width, request.height)
    elif references:
        canvas = flat(references[0].data, references[0].name, request.width, request.height)
        remarks.append("Without a view of the scene, the first reference is what is re-drawn.")
        references = references[1:]
    else:
        raise InvalidInput(
            "The offline engine has nothing to draw.",
            "It re-lights and re-draws what is there; it cannot make a picture from words alone.",
            "Turn the canvas on, or add a reference image.",
        )
    return replace(wished.job(canvas, references, tuple(remarks)), carried=carried)


@dataclass(frozen=True, slots=True)
class _Wished:
    """What a request says about the picture, whatever is in it."""

    reading: Reading
    look: Look
    quality: Quality
    strength: float
    neural: bool

    @classmethod
    def of(cls, request: RenderRequest, known: Catalog) -> _Wished:
        of_one = request.kind == "edit" and request.mask is not None
        reading = read(request.prompt, names=_names(request.scene_text), of_one=of_one)
        model = known.model(request.model)
        style = request.style
        if style == "auto" and reading.style:
            style = reading.style
        quality: Quality = {"fast": "fast", "quality": "quality"}.get(request.mode, "balanced")  # pyright: ignore[reportAssignmentType]
        return cls(
            reading,
            reading.apply(Look.from_mapping(known.style(style).look)),
            quality,
            float(model.value(request.options, "strength", 1.0)),
            bool(model.value(request.options, "neural", False)),
        )

    def job(
        self, canvas: Canvas, references: Sequence[Reference], remarks: tuple[str, ...]
    ) -> _Job:
        palette = Palette.of(references)
        look = self.look if palette is None else palette.lit(self.look)
        return _Job(
            *(canvas, look, palette, self.reading),
            *(self.quality, self.strength, self.neural, remarks),
        )


class LivePictures:
    """Pictures of one view after another in one look, as fast as they can be made.

    What does not change with the view is found once: the words, the palette, and what is behind
    the scene. To be used by one thread at a time.
    """

    def __init__(self, request: RenderRequest, known: Catalog) -> None:
        """Raises what is wrong with the request: an unknown model or style, a broken reference."""
        self._request = request.with_(canvas=None)
        self._wished = _Wished.of(request, known)
        self._job: _Job | None = None

    def picture(self, canvas: Canvas, draft: bool) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 display sRGB of the canvas's size. draft: quickly, in less detail."""
        if self._job is None:
            self._job = self._wished.job(canvas, self._request.references, ())
        job = replace(self._job, canvas=canvas)
        if job.stage is None:
            job = replace(job, stage=stage_for(canvas, job.look, "draft"))
        self._job = job
        seed = self._request.seed or 0
        quality = "draft" if draft else job.quality
        pixels = render(canvas, job.look, job.palette, seed, quality=quality, stage=job.stage)
        return _blended(self._request, job, pixels)


def _names(scene_text: str) -> list[str]:
    """The objects' names in the scene's description: "Shows a lamp, a table. Lit by …"."""
    shows = scene_text.partition("Shows ")[2].partition(".")[0]
    return [name.strip() for name in shows.split(",") if name.strip()]


def varied(look: Look, index: int) -> Look:
    """The look for the index-th picture of one request: other light, the same composition."""
    turn, warm, brighter = _VARIATIONS[index % len(_VARIATIONS)]
    if index == 0:
        return look
    light, grade = look.light, look.grade
    # Mirror the light to the other side, or move it some way round: never into the lens.
    azimuth = light.azimuth * (1 - 2 * turn) if turn > 0 else light.azimuth * 1.45 - 12
    limit = max(100.0, abs(light.azimuth))
    azimuth = max(-limit, min(limit, azimuth))
    lift = light.elevation * (1.0 if turn == 1.0 else 1.25 if turn > 0 else 0.72)
    return replace(
        look,
        light=replace(light, azimuth=azimuth, elevation=min(80.0, lift)),
        grade=replace(
            grade,
            temperature=grade.temperature + warm,
            exposure=grade.exposure + brighter,
        ),
    )


# --- what comes out ----------------------------------------------------------------------------


def _blended(request: RenderRequest, job: _Job, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture as strong as asked for, and within the mask of an edit."""
    share: NDArray[np.float32] | float = job.strength
    if request.mask is not None:
        mask = decode(request.mask, "The mask").convert("RGBA").getchannel("A")
        size = (pixels.shape[1], pixels.shape[0])
        if mask.size != size:
            mask = mask.resize(size, Image.Resampling.BILINEAR)
        share = (1 - np.asarray(mask, np.float32) / np.float32(255))[..., None] * job.strength
    elif job.strength >= 1:
        return pixels
    before = job.canvas.color
    result = np.empty_like(pixels)
    for first in range(0, len(pixels), 256):
        part = slice(first, first + 256)
        own = before[part, :, :3].astype(np.float32)
        if request.kind != "edit":
            # Where the canvas is empty there is nothing to go back to.
            seen = before[part, :, 3:].astype(np.float32) / 255
            own = own * seen + pixels[part] * (1 - seen)
        weight = share[part] if isinstance(share, np.ndarray) else share
        result[part] = own + (pixels[part] - own) * weight + np.float32(0.5)
    return result


def _continued(request: RenderRequest, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What was carried over from another camera, and what the engine drew where there was nothing,
    in the colors of the rest."""
    assert request.source is not None
    known = np.asarray(decode(request.source, "The picture").convert("RGB"))
    unseen = np.zeros(known.shape[:2], np.float32)
    if request.mask is not None:
        alpha = np.asarray(decode(request.mask, "The mask").convert("RGBA").getchannel("A"))
        unseen = 1 - alpha.astype(np.float32) / np.float32(255)
    return look_match.continued(pixels, known, unseen, known)


def _neural(
    request: RenderRequest, pixels: NDArray[np.uint8], step: Step
) -> tuple[NDArray[np.uint8], bool, str]:
    """The picture painted like the references by a network: (pixels, whether it was, why not)."""
    wanted = [r for r in request.references if r.weight > 0 and r.role != "composition"]
    if not wanted:
        return pixels, False, "Neural style transfer needs a reference image: it was left out."
    from ..engine.finish import neural_style

    def part(fraction: float, message: str) -> None:
        step(0.75 + 0.2 * fraction, message)

    styles = [(np.asarray(decode(r.data, r.name).convert("RGB")), r.weight) for r in wanted]
    try:
        color = pixels.astype(np.float32) / np.float32(255)
        strength = max(r.weight for r in wanted)
        painted = neural_style.stylize(color, styles, strength, part)
    except neural_style.NeuralUnavailable as error:
        return pixels, False, f"Neural style transfer was left out. {error.text}"
    return np.round(painted * 255).astype(np.uint8), True, ""
