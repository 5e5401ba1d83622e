# SPDX-License-Identifier: GPL-3.0-or-later
"""Google's Veo on Vertex AI through Google's own SDK: a long-running operation, asked after until
it is done. The Gemini API has no Veo since 2026-10-22, nor has its SDK (google-genai 3.6.1).

The operation is begun once. From then on it is only asked after, however often the connection
breaks: nobody pays twice. There is no call to stop it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from ...core import media
from ...core.errors import (
    Cancelled,
    CredentialsError,
    GenAIError,
    InvalidInput,
    ServerError,
)
from ...core.events import CancelToken, Event, Notice, Progress, Result
from ...core.image import images
from ...core.models import cost
from ...core.models.catalog import Model
from ...core.models.output_spec import clip_seconds, output_spec
from ...core.request import RenderRequest
from ..http import errors
from ..http.retry import trying_again
from ..http.settings import Access

if TYPE_CHECKING:
    from google.genai import Client

Guarded = Callable[..., Any]
OpenClient = Callable[[], AbstractContextManager[tuple["Client", list[str]]]]

_PAUSES = (4.0, 10.0)  # seconds between two questions after an operation, at first and at last
_MISSES = 8  # questions in a row without an answer, after which an operation is given up
_LONGEST = 1800.0  # seconds; Google says that six minutes are the most
_TRY = "Change the words or the image that could be taken wrongly."


def make_clip(
    model: Model,
    request: RenderRequest,
    where: Access,
    label: str,
    open_client: OpenClient,
    guarded: Guarded,
    cancel: CancelToken,
) -> Iterator[Event]:
    """open_client, guarded: those of the Gemini backend. Raises what `Backend.run` may."""
    check_place(model, where.vertex is not None)
    if request.control is not None:
        raise InvalidInput(
            f"{model.label} does not follow a clip of the scene.", action="Choose another model."
        )
    spec = output_spec(model, request)
    for text in spec.notes:
        yield Notice(text)
    begun: list[Any] = []

    def beginning() -> Iterator[Event]:
        yield Progress(None, f"Sending the image to {label}")
        with open_client() as (sdk, kinds):
            begun.append(
                guarded(
                    lambda: sdk.models.generate_videos(
                        model=model.name,
                        source=_source(request),
                        config=_config(model, request, spec.aspect),
                    ),
                    cancel,
                    kinds,
                )
            )

    yield from trying_again(beginning, cancel, label)
    try:
        operation = yield from _followed(begun[0], label, open_client, guarded, cancel)
    except Cancelled:
        cancel.note_sent()
        raise
    paid = None if model.price is None else cost.sent_on(model, model.price, request)
    video = _video(operation, label)
    try:
        made = _clip(video, label)
    except GenAIError as error:
        error.cost_usd = paid
        raise
    source = request.source or b""
    about = images.probe(source)
    yield Result(
        source,
        about.mime,
        about.width,
        about.height,
        seed=request.seed,
        prompt_sent=request.prompt,
        info={
            "provider": label,
            "model": model.name,
            "operation": errors.plain(operation.name, 200),
            "asked": {
                "aspect": spec.aspect,
                "resolution": str(model.value(request.options, "resolution")),
                "seconds": clip_seconds(model, request),
            },
        },
        cost_usd=paid,
        media=made,
    )


def check_place(model: Model, on_vertex: bool) -> None:
    """Raises CredentialsError where it would be asked for at the Gemini API, which has no Veo."""
    if not on_vertex:
        raise CredentialsError(
            f"{model.label} is reached through Vertex AI only.",
            "Google took Veo out of the Gemini API on 2026-10-22, and out of its SDK for it.",
            "Turn Vertex AI on for Google Gemini in the add-on's preferences, or choose a model at "
            "fal.",
        )


def _source(request: RenderRequest) -> Any:
    from google.genai import types

    return types.GenerateVideosSource(prompt=request.prompt, image=_image(request.source or b""))


def _image(data: bytes) -> Any:
    from google.genai import types

    return types.Image(image_bytes=data, mime_type=images.probe(data).mime)


def _config(model: Model, request: RenderRequest, aspect: str) -> Any:
    from google.genai import types

    end = request.references[0].data if request.references else None
    return types.GenerateVideosConfig(
        number_of_videos=1,
        duration_seconds=int(clip_seconds(model, request)),
        aspect_ratio=aspect or None,
        resolution=str(model.value(request.options, "resolution", "720p")),
        last_frame=None if end is None else _image(end),
        seed=request.seed,
    )


def _followed(
    operation: Any, label: str, open_client: OpenClient, guarded: Guarded, cancel: CancelToken
) -> Generator[Event, None, Any]:
    """Progress until the operation is done, which it gives at its end."""
    pause, misses, start = _PAUSES[0], 0, time.monotonic()
    while not operation.done:
        waited = time.monotonic() - start
        if waited > _LONGEST:
            raise errors.TimedOut(
                f"{label} did not finish the clip in time.",
                "",
                f"Try again, shorter or in a lower resolution. {errors.ONCE}",
            )
        yield Progress(None, f"{label} is making the clip ({waited:.0f} s)")
        if cancel.wait(pause):
            cancel.check()
        pause = min(pause * 1.25, _PAUSES[1])
        try:
            with open_client() as (sdk, kinds):
                asked = operation
                operation = guarded(lambda: sdk.operations.get(asked), cancel, kinds)  # noqa: B023
            misses = 0
        except (Cancelled, errors.OnlineAccessOff):
            raise
        except ServerError:
            misses += 1
            if misses >= _MISSES:
                raise
    return operation


def _video(operation: Any, label: str) -> Any:
    """The clip of an operation that is done. Raises why there is none."""
    fault = operation.error
    if fault:
        text = str(fault.get("message", "")) if isinstance(fault, dict) else str(fault)
        code = fault.get("code") if isinstance(fault, dict) else None
        if code == 3 or "safety" in text.lower() or "usage guidelines" in text.lower():
            raise errors.refused(label, text, _TRY)
        if code == 8:
            raise errors.rate_limited(label, text)
        raise errors.server_failed(label, None, text)
    response = operation.response or operation.result
    made = (response.generated_videos if response is not None else None) or []
    if made and made[0].video is not None:
        return made[0].video
    if response is not None and (
        response.rai_media_filtered_count or response.rai_media_filtered_reasons
    ):
        reasons = " ".join(response.rai_media_filtered_reasons or [])
        refusal = errors.refused(label, reasons, f"Its filter held the clip back. {_TRY}")
        refusal.cost_usd = 0.0
        raise refusal
    raise errors.bad_answer(label, "There is no clip in it.")


def _clip(video: Any, label: str) -> media.Media:
    """It comes in the answer itself: nothing was said of a bucket to put it into."""
    try:
        return media.read(video.video_bytes or b"", "video", "The clip")
    except media.MediaError as error:
        why = error.text
    raise errors.bad_answer(label, why)
