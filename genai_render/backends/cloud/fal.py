# SPDX-License-Identifier: GPL-3.0-or-later
"""fal, and whatever speaks as it does: each model has a schema of its own, which says what it
takes. Our images go to the fields whose names and descriptions say so (see input_schema).
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...core import prompt
from ...core.errors import Cancelled, GenAIError, InvalidInput, ServerError
from ...core.events import CancelToken, Event, Failed, Notice, Progress, Result
from ...core.image import images
from ...core.masks import mask
from ...core.models import input_schema
from ...core.models.catalog import Model
from ...core.models.input_schema import LEFT_OUT, Fields
from ...core.models.model_lists import Listed
from ...core.models.output_spec import OutputSpec, output_spec
from ...core.prompt import SentImage
from ...core.request import MAX_SEED, RenderRequest
from ..http import errors
from ..http.settings import Access, BackendSettings, access, endpoint_name
from ..parallel import Work, in_parallel
from . import answers
from .attachments import Attachment, Attachments, attachments, of_canvas
from .fal_job import again, charged, done
from .fal_media import send_on
from .fal_queue import FalQueue, Ticket, failed, guarded_call

CATEGORIES = ("text-to-image", "image-to-image")
"""The provider's words for the models that make images."""

_INLINE_BYTES = 1_500_000
"""Of all images of a request: so much goes along with it, more is put aside and pointed to."""
_KNOWN_SECONDS = 3600.0  # for which a schema is taken as known

_PICTURES = ("image", "images")
_NEEDS = {
    "color": "the view, or an image to start from",
    "depth": "the depth of the view",
    "normal": "the normals of the view",
    "mask": "a mask",
    "reference_1": "a reference image",
    "reference_2": "a second reference image",
    "images": "an image",
}
_GET = {
    "mask": "Edit an image of History and draw a mask on it, or choose another model.",
    "reference_1": "Choose a reference image.",
    "reference_2": "Choose two reference images.",
}

_fields: dict[tuple[str, str], tuple[float, Fields]] = {}


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """A request, worked out for a model. sent: the images by the names of the fields; lists: the
    fields that take several; own: which have the prompt, the seed and the count; body: all else."""

    request: RenderRequest
    model: Model
    where: Access
    spec: OutputSpec
    prompt: str
    own: Mapping[str, str]
    body: Mapping[str, Any]
    sent: Mapping[str, list[Attachment]]
    lists: frozenset[str]
    kept: Mapping[str, bytes]
    notices: tuple[str, ...] = ()

    @property
    def in_one_job(self) -> bool:
        """Whether all images of the request come from one job."""
        return "count" in self.own and not self.model.extra.get("one_per_call")


@dataclass(slots=True)
class _Images:
    """Where the images of a request go. roles: what they are, for the prompt."""

    by_field: dict[str, list[Attachment]] = field(default_factory=dict)
    roles: tuple[SentImage, ...] = ()
    kept: dict[str, bytes] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


class FalBackend:
    """A model by its schema, in the queue of its provider."""

    def __init__(self, settings: BackendSettings | None = None) -> None:
        self._settings = settings or BackendSettings()

    def run(self, request: RenderRequest, cancel: CancelToken) -> Iterator[Event]:
        """Raises what `Backend.run` may, of which CredentialsError and OnlineAccessOff come
        before anything is sent, and InvalidInput before anything is paid for."""
        model = self._settings.models().model(request.model)
        where = access(self._settings, endpoint_name(model), str(model.extra.get("base_url", "")))
        cancel.check()
        label = where.provider.label
        yield Progress(None, f"Asking {label} what {model.label} takes")
        fields = self._fields_of(model, where, cancel)
        if model.makes != "image":
            yield from send_on(model, request, where, fields, cancel, self._settings.online_access)
            return
        yield Progress(None, "Preparing the images")
        call = self._worked_out(model, request, where, fields)
        for text in (*call.spec.notes, *call.notices):
            yield Notice(text)
        if request.count == 1 or call.in_one_job:
            yield from self._job(call, 0, request.count, cancel)
            return

        def work(index: int) -> Work:
            return lambda token: self._job(call, index, 1, token)

        yield from in_parallel([work(index) for index in range(request.count)], cancel)

    def check(self, cancel: CancelToken, endpoint: str = "") -> str:
        """Ask what a model costs, which takes the key and costs nothing. A sentence."""
        where = access(self._settings, endpoint or "fal")
        models = self._settings.models().models.values()
        known = [one.name for one in models if one.provider == where.provider.id]
        there = self._queue(where, cancel).prices(known or ["fal-ai/flux/dev"])
        return f"The key is good. {len(there)} of the {len(known)} models here can be used with it."

    def model_names(self, cancel: CancelToken, endpoint: str = "") -> list[str]:
        """The models that make images, by the provider's own names."""
        return [model.name for model in self.model_list(cancel, endpoint)]

    def model_list(self, cancel: CancelToken, endpoint: str = "") -> list[Listed]:
        """Those that make images, with what each takes and costs. Some dozens of questions."""
        where = access(self._settings, endpoint or "fal")
        queue = self._queue(where, cancel)
        listed: dict[str, Listed] = {}
        for category in CATEGORIES:
            for entry in queue.models(category):
                model = _listed(entry)
                if model is not None:
                    listed[model.name] = model
        for name, price in queue.prices(list(listed)).items():
            if name in listed:
                line = {"billable": "output_image", "unit": price.unit, "cost_usd": price.usd}
                listed[name] = replace(listed[name], prices=(line,))
        return sorted(listed.values(), key=lambda one: one.name)

    def _queue(self, where: Access, cancel: CancelToken) -> FalQueue:
        return FalQueue(where, cancel, self._settings.online_access)

    # ---- what is sent ------------------------------------------------------------------------

    def _fields_of(self, model: Model, where: Access, cancel: CancelToken) -> Fields:
        """By the provider's own schema of today; by what the catalogue knows where that cannot be
        had. Raises what is wrong where neither is there."""
        key = where.base_url, model.name
        kept = _fields.get(key)
        if kept is not None and time.monotonic() - kept[0] < _KNOWN_SECONDS:
            return kept[1]
        known = input_schema.of_table(model.extra.get("schema", {}))
        try:
            fields = self._queue(where, cancel).fields(model.name)
        except (Cancelled, errors.OnlineAccessOff):
            raise
        except ServerError:
            if not known:
                raise
            return known
        _fields[key] = time.monotonic(), fields
        return fields

    def _worked_out(
        self, model: Model, request: RenderRequest, where: Access, fields: Fields
    ) -> ProviderCall:
        places = input_schema.places(fields, model.name, model.extra.get("inputs"))
        own = input_schema.own_fields(fields)
        shown = _images(model, request, fields, places)
        for role, name in places.items():
            if fields[name].required and name not in shown.by_field:
                raise InvalidInput(
                    f"{model.label} needs {_NEEDS[role]}.",
                    action=_GET.get(role, "Turn the view on, and have something in it."),
                )
        spec = output_spec(model, request)
        style = self._settings.models().style(request.style)
        if _reads_images(model, fields, places):
            text = prompt.compose(request, style, shown.roles)
        else:
            text = prompt.build_prompt(request, style)
        if "prompt" in own:
            longest = fields[own["prompt"]].longest
            if longest and len(text) > longest:
                raise InvalidInput(
                    f"{model.label} takes prompts of at most {longest} characters; with the style "
                    f"and the scene this one has {len(text)}.",
                    action="Shorten it, or choose no style.",
                )
        body: dict[str, Any] = input_schema.sized(
            fields, spec.width, spec.height, spec.aspect, spec.resolution
        )
        chosen, dropped = _chosen(model, request, fields)
        body |= chosen
        body |= input_schema.as_it_is(fields, shown.by_field)
        for name, one in fields.items():
            filled = name in body or name in shown.by_field or name in own.values()
            if one.required and not filled and one.default is None:
                raise InvalidInput(
                    f'{model.label} asks for "{name}", which nothing here can give.',
                    action="Choose another model.",
                )
        notices = [*shown.notices]
        if dropped:
            notices.append(f"{model.label} has no {', '.join(dropped)} any more: left out.")
        return ProviderCall(
            request,
            model,
            where,
            spec,
            text,
            own,
            body,
            shown.by_field,
            frozenset(name for name in shown.by_field if fields[name].kind == "images"),
            shown.kept,
            tuple(notices),
        )

    # ---- one job -----------------------------------------------------------------------------

    def _job(
        self, call: ProviderCall, first: int, count: int, cancel: CancelToken
    ) -> Iterator[Event]:
        label, queue = call.where.provider.label, self._queue(call.where, cancel)
        number = sum(map(len, call.sent.values()))
        sending = "Sending the images" if number else "Sending"
        over = yield from done(
            queue,
            call.where,
            call.model,
            self._settings.online_access,
            f"{sending} to {label}",
            lambda: _body(call, queue, first, count),
            cancel,
        )
        if over.standing.error and not _pictures(over.answer):
            raise failed(label, 500, over.standing.error, over.standing.error_type)
        cost = charged(call.where, call.model, queue, over.units)
        yield from self._results(call, over.ticket, over.answer, cost, first, count, cancel)

    # ---- what comes back ---------------------------------------------------------------------

    def _results(
        self,
        call: ProviderCall,
        ticket: Ticket,
        answer: Mapping[str, Any],
        cost: float | None,
        first: int,
        count: int,
        cancel: CancelToken,
    ) -> Iterator[Event]:
        label, entries = call.where.provider.label, _pictures(answer)
        if not entries:
            fault = errors.bad_answer(label, "There is no image in it.")
            fault.cost_usd = cost
            raise fault
        flags = answer.get("has_nsfw_concepts")
        blacked = flags if isinstance(flags, list) else []
        each = None if cost is None else cost / len(entries)
        for number in range(count):
            index = first + number
            problem: GenAIError
            try:
                if number >= len(entries):
                    raise errors.bad_answer(label, f"Only {len(entries)} of {count} images came.")
                if number < len(blacked) and blacked[number] is True:
                    raise errors.refused(label, "", "Its filter blacked the picture out. " + _TRY)
                address = entries[number]
                data = again(lambda: self._picture(address, call.where, cancel), cancel)  # noqa: B023
                yield _result(call, ticket, answer, data, number, index, count, each)
                continue
            except GenAIError as error:
                if number < len(entries):
                    error.cost_usd = each
                if count == 1 or error.code == "cancelled":
                    raise
                problem = error
            yield Failed(problem.with_traceback(None), index)

    def _picture(self, address: str, where: Access, cancel: CancelToken) -> bytes:
        label, online = where.provider.label, self._settings.online_access
        if address.startswith("data:"):
            return answers.opened(address.partition(",")[2], label)

        def guarded(get: Any) -> Any:
            return guarded_call(get, label, cancel)

        return answers.downloaded(address, where, cancel, online, label, guarded)


_TRY = "Change the words or the images that could be taken wrongly."


def _listed(entry: Mapping[str, Any]) -> Listed | None:
    """A model of the provider's list; None for one that nothing is known of."""
    name, about = entry.get("endpoint_id"), entry.get("metadata")
    if not isinstance(name, str) or not isinstance(about, Mapping):
        return None
    try:
        fields = input_schema.of_openapi(entry.get("openapi"), name)
    except ValueError:
        return None
    filled = input_schema.places(fields, name).values()
    if any(
        one.required and one.kind in _PICTURES and one.name not in filled for one in fields.values()
    ):
        return None  # it asks for a picture that nothing here has, such as that of a garment
    return Listed(
        name,
        str(about.get("display_name") or ""),
        str(about.get("description") or ""),
        schema={field: one.compact() for field, one in fields.items()},
    )


def _reads_images(model: Model, fields: Fields, places: Mapping[str, str]) -> bool:
    """Whether the prompt is an instruction, so that it is told which image is what."""
    said = model.extra.get("describe_images")
    return input_schema.reads_images(fields, places) if said is None else bool(said)


def _images(
    model: Model, request: RenderRequest, fields: Fields, places: Mapping[str, str]
) -> _Images:
    """The images of the request, each at its field. Raises InvalidInput for what has none."""
    if "images" in places:
        return _in_a_list(model, request, fields, places)
    shown = _Images()

    def put(role: str, image: Attachment) -> None:
        shown.by_field[places[role]] = [image]
        shown.roles = (*shown.roles, image.sent)
        if not image.name.startswith(("reference", "source")):
            shown.kept[image.name] = image.data

    given = attachments(replace(model, options=(), extra={}), request)
    if request.kind == "edit":
        if "color" not in places:
            raise InvalidInput(
                f"{model.label} cannot start from an image.", action="Choose another model."
            )
        if request.markup is not None:
            raise InvalidInput(
                f"{model.label} cannot read marks.", action="Draw a mask, or choose another model."
            )
        put("color", given.images[0])
        if request.mask is not None:
            if "mask" not in places:
                raise InvalidInput(
                    f"{model.label} has no place for a mask.",
                    action="Choose a model that fills in, or remove the mask.",
                )
            put("mask", _white(request.mask))
    elif request.canvas is not None:
        for image in of_canvas(request.canvas, "color, depth and normals"):
            role = "color" if image.role == "canvas" else image.role
            if role in places:
                put(role, image)
    references = [image for image in given.images if image.name.startswith("reference")]
    if references and "color" in places and not shown.by_field and request.canvas is None:
        put("color", references.pop(0))
    left_out = []
    for number, image in enumerate(references, start=1):
        if f"reference_{number}" in places:
            put(f"reference_{number}", image)
        else:
            left_out.append(image.name)
    if left_out:
        shown.notices.append(
            f"{model.label} has no place for references: {' and '.join(left_out)} left out."
        )
    return shown


def _in_a_list(
    model: Model, request: RenderRequest, fields: Fields, places: Mapping[str, str]
) -> _Images:
    most = input_schema.most_images(fields, places)
    extra = {
        "max_bytes": 24_000_000,
        **model.extra,
        "max_images": min(most, int(model.extra.get("max_images", most))),
        "mask": "mask" in places,
        "markup": False,
    }
    attached: Attachments = attachments(replace(model, extra=extra), request)
    shown = _Images(roles=attached.roles, kept=attached.kept(), notices=[*attached.notices])
    if attached.images:
        shown.by_field[places["images"]] = list(attached.images)
    if "mask" in places and request.mask is not None:
        shown.by_field[places["mask"]] = [_white(request.mask)]
    return shown


def _white(mask_png: bytes) -> Attachment:
    """The mask as the models want it: white where the image may change."""
    return Attachment("mask-sent.png", images.encode_png(mask.white(mask_png)), "image/png", "mask")


def _chosen(
    model: Model, request: RenderRequest, fields: Fields
) -> tuple[dict[str, Any], list[str]]:
    """The options as they are sent, without those that are as the model has them anyway; and the
    labels of those that were set and that it does not have."""
    body: dict[str, Any] = {}
    dropped = []
    own = set(input_schema.own_fields(fields).values())
    for option in model.options:
        value = option.value_in(request.options)
        one = fields.get(option.id)
        if one is None or one.name in own:
            if option.id in request.options and option.id in model.extra.get("schema", {}):
                dropped.append(option.label)
            continue
        if one.kind == "choice" and value == LEFT_OUT and value not in one.choices:
            continue
        if value != one.default and not (one.default is None and value == ""):
            body[one.name] = value
    return body, dropped


def _body(call: ProviderCall, queue: FalQueue, first: int, count: int) -> dict[str, Any]:
    body = dict(call.body)
    if "prompt" in call.own:
        body[call.own["prompt"]] = call.prompt
    if "count" in call.own and count > 1:
        body[call.own["count"]] = count
    if "seed" in call.own and call.request.seed is not None:
        body[call.own["seed"]] = (call.request.seed + first) % (MAX_SEED + 1)
    whole = sum(len(image.data) for several in call.sent.values() for image in several)
    for name, several in call.sent.items():
        pointed = [
            queue.uploaded(image.data, image.mime, image.name)
            if whole > _INLINE_BYTES
            else f"data:{image.mime};base64,{base64.b64encode(image.data).decode()}"
            for image in several
        ]
        body[name] = pointed if name in call.lists else pointed[0]
    return body


def _pictures(answer: Mapping[str, Any]) -> list[str]:
    """The addresses of the images in an answer, whatever the model calls them."""
    for name in ("images", "image", "output", "result", *answer):
        entries = answer.get(name)
        several = entries if isinstance(entries, list) else [entries]
        urls = [entry.get("url") for entry in several if isinstance(entry, Mapping)]
        found = [url for url in urls if isinstance(url, str) and url]
        if found:
            return found
    return []


def _result(
    call: ProviderCall,
    ticket: Ticket,
    answer: Mapping[str, Any],
    data: bytes,
    number: int,
    index: int,
    count: int,
    cost: float | None,
) -> Result:
    about, said = images.probe(data), answer.get("seed")
    seed = None
    if "seed" in call.own and number == 0:
        if type(said) is int and 0 <= said <= MAX_SEED:
            seed = said
        elif call.request.seed is not None:
            seed = (call.request.seed + index) % (MAX_SEED + 1)
    expanded = answer.get("prompt")
    return Result(
        data,
        about.mime,
        about.width,
        about.height,
        index,
        seed,
        prompt_sent=call.prompt,
        sent=dict(call.kept),
        info={
            "provider": call.where.provider.label,
            "model": call.model.name,
            "request_id": ticket.request_id,
            "asked": {"size": call.spec.size, **_plain(call.body)},
            **(
                {"revised_prompt": errors.plain(expanded, 2000)}
                if isinstance(expanded, str) and expanded and expanded != call.prompt
                else {}
            ),
            **({"images_in_call": count} if count > 1 else {}),
        },
        cost_usd=cost,
    )


def _plain(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if isinstance(value, (str, int, float))}
