# SPDX-License-Identifier: GPL-3.0-or-later
"""Providers whose table says what is sent to them as JSON, and where the images and the cost stand
in what comes back (see core/provider.py)."""

from __future__ import annotations

import base64
import contextlib
import json
import urllib.parse
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...core import prompt
from ...core.bounds import MAX_SEED
from ...core.errors import GenAIError, InvalidInput
from ...core.events import CancelToken, Event, Failed, Notice, PartialImage, Progress, Result
from ...core.image import images
from ...core.models.catalog import Model
from ...core.models.cost import actual
from ...core.models.model_lists import Listed, listed
from ...core.models.output_spec import OutputSpec, output_spec
from ...core.provider import at, filled, names_in
from ...core.request import RenderRequest
from ..http import errors
from ..http.retry import trying_again
from ..http.settings import Access, BackendSettings, access, endpoint_name
from ..parallel import Work, in_parallel
from . import answers
from .attachments import Attachments, attachments

if TYPE_CHECKING:
    import httpx2

_ONE, _SEVERAL = ("image", "only_image"), ("images", "more_images")
_LEFT_TO_THE_PROVIDER = ("auto", "default", "")


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """A request worked out for a provider: all that its calls are made of."""

    request: RenderRequest
    model: Model
    spec: OutputSpec
    attached: Attachments
    prompt: str
    where: Access

    @property
    def path(self) -> str:
        provider = self.where.provider
        return (provider.edit_path or provider.path) if self.attached.images else provider.path

    @property
    def pattern(self) -> Mapping[str, Any]:
        return _pattern(self.where, self.model, bool(self.attached.images))

    @property
    def in_one_call(self) -> bool:
        """Whether all images of the request come from one call."""
        return "count" in names_in(self.pattern) and not self.model.extra.get("one_per_call")


class JsonBackend:
    """A provider by its table. Each image is a call of its own where a call makes only one."""

    def __init__(self, settings: BackendSettings | None = None) -> None:
        self._settings = settings or BackendSettings()

    def run(self, request: RenderRequest, cancel: CancelToken) -> Iterator[Event]:
        """Raises what `Backend.run` may, of which CredentialsError and OnlineAccessOff come
        before anything is sent."""
        model = self._settings.models().model(request.model)
        where = access(self._settings, endpoint_name(model), str(model.extra.get("base_url", "")))
        cancel.check()
        yield Progress(None, "Preparing the images")
        call = self._worked_out(model, request, where)
        for text in (*call.spec.notes, *call.attached.notices):
            yield Notice(text)
        if request.count == 1 or call.in_one_call:
            yield from self._tried(call, 0, request.count, cancel)
            return

        def work(index: int) -> Work:
            return lambda token: self._tried(call, index, 1, token)

        yield from in_parallel([work(index) for index in range(request.count)], cancel)

    def check(self, cancel: CancelToken, endpoint: str = "") -> str:
        """Ask the provider for its models, which costs nothing. A sentence for the user."""
        names = self.model_names(cancel, endpoint)
        known = {m.name for m in self._settings.models().models.values() if m.provider == endpoint}
        usable = sum(1 for name in names if name in known)
        return f"The provider answers: {len(names)} models, {usable} of them are in the list here."

    def model_names(self, cancel: CancelToken, endpoint: str = "") -> list[str]:
        """The models that the provider offers, by its own names."""
        return [model.name for model in self.model_list(cancel, endpoint)]

    def model_list(self, cancel: CancelToken, endpoint: str = "") -> list[Listed]:
        where = access(self._settings, endpoint)
        online, label = self._settings.online_access, where.provider.label
        models = listed_models(where, cancel, online, label)
        if not where.provider.models.details:
            return models
        return [with_prices(where, cancel, online, model) for model in models]

    # ---- what is sent ------------------------------------------------------------------------

    def _worked_out(self, model: Model, request: RenderRequest, where: Access) -> ProviderCall:
        places = names_in(_pattern(where, model, images=True))
        extra = dict(model.extra)
        if not places & {*_ONE, *_SEVERAL}:
            extra["max_images"] = 0
        elif not places & set(_SEVERAL):
            extra["max_images"] = 1
        extra["mask"], extra["markup"] = "mask" in places, False
        attached = attachments(replace(model, extra=extra), request)
        if request.kind == "edit" and not attached.images:
            raise InvalidInput(
                f"{model.label} cannot start from an image.", action="Choose another model."
            )
        style = self._settings.models().style(request.style)
        text = prompt.compose(request, style, attached.roles)
        return ProviderCall(request, model, output_spec(model, request), attached, text, where)

    # ---- one call ----------------------------------------------------------------------------

    def _tried(
        self, call: ProviderCall, first: int, count: int, cancel: CancelToken
    ) -> Iterator[Event]:
        label = call.where.provider.label
        yield from trying_again(lambda: self._made(call, first, count, cancel), cancel, label)

    def _made(
        self, call: ProviderCall, first: int, count: int, cancel: CancelToken
    ) -> Iterator[Event]:
        label = call.where.provider.label
        body = filled(call.pattern, _values(call, first, count)) or {}
        number = len(call.attached.images)
        sending = f"Sending to {label}"
        if number == 1:
            sending = f"Sending 1 image to {label}"
        elif number:
            sending = f"Sending {number} images to {label}"
        yield Progress(None, sending)
        online = self._settings.online_access
        with _asked(
            call.where, cancel, online, "POST", call.path, call.model.name, body
        ) as response:
            if answers.content_type(response) == "text/event-stream":
                yield Progress(None, f"{label} is working")
                answer = yield from _streamed(response, first, label, cancel)
            else:
                _guarded(response.read, label, cancel)
                if answers.content_type(response).startswith("image/"):
                    text = base64.b64encode(answers.image_body(response, label)).decode()
                    yield self._result({}, [text], 0, call, first, cancel)
                    return
                answer = answers.json_body(response, label)
        fault = answer.get("error")
        if fault:
            raise answers.translated(label, {"error": fault}, None, response.headers)
        yield from self._results(answer, call, first, count, cancel)

    # ---- what comes back ---------------------------------------------------------------------

    def _results(
        self,
        answer: Mapping[str, Any],
        call: ProviderCall,
        first: int,
        count: int,
        cancel: CancelToken,
    ) -> Iterator[Event]:
        label, form = call.where.provider.label, call.where.provider.answer
        entries = at(answer, form.images)
        if isinstance(entries, (str, Mapping)):
            entries = [entries]
        if not isinstance(entries, list) or not entries:
            answers.check_not_refused(answer, label)
            raise errors.bad_answer(label, "There is no image in it.")
        for number in range(count):
            index = first + number
            problem: GenAIError
            try:
                if number >= len(entries):
                    raise errors.bad_answer(label, f"Only {len(entries)} of {count} images came.")
                result = self._result(answer, entries, number, call, index, cancel)
                yield replace(result, more=self._at_hand(entries[number + 1 : count], call))
                continue
            except GenAIError as error:
                if count == 1 or error.code == "cancelled":
                    raise
                problem = error
            yield Failed(problem.with_traceback(None), index)

    def _result(
        self,
        answer: Mapping[str, Any],
        entries: list[Any],
        number: int,
        call: ProviderCall,
        index: int,
        cancel: CancelToken,
    ) -> Result:
        label, form = call.where.provider.label, call.where.provider.answer
        entry = entries[number]
        usage = answers.usage_of(answer)
        said = at(answer, form.cost) if form.cost else None
        total = actual(call.model, usage)
        if isinstance(said, (int, float)) and said >= 0:
            total = said * form.usd_per_unit
        each = None if total is None else total / len(entries)
        try:
            data = self._image(entry, call.where, cancel)
        except GenAIError as error:
            error.cost_usd = each
            raise
        about = images.probe(data)
        seed = at(entry, form.seed) if isinstance(entry, Mapping) else None
        seed = at(answer, form.seed) if seed is None else seed
        revised = at(entry, form.revised_prompt) if isinstance(entry, Mapping) else None
        asked = {"size": call.spec.size, "quality": call.spec.quality}
        if call.spec.aspect:
            asked = {"aspect": call.spec.aspect, "resolution": call.spec.resolution}
        return Result(
            data,
            about.mime,
            about.width,
            about.height,
            index,
            _seed(seed, call, index),
            prompt_sent=call.prompt,
            sent=call.attached.kept(),
            info={
                "provider": label,
                "model": call.model.name,
                "asked": asked,
                **({"usage": usage.to_json()} if usage else {}),
                **({"revised_prompt": errors.plain(revised, 2000)} if revised else {}),
                **({"images_in_call": len(entries)} if len(entries) > 1 else {}),
            },
            cost_usd=each,
        )

    def _at_hand(self, entries: list[Any], call: ProviderCall) -> int:
        """How many images lie in the answer itself and need not be fetched."""
        texts = (_text_of(entry, call.where) for entry in entries)
        return sum(1 for text in texts if isinstance(text, str) and not _is_address(text))

    def _image(self, entry: Any, where: Access, cancel: CancelToken) -> bytes:
        label = where.provider.label
        text = _text_of(entry, where)
        if not isinstance(text, str) or not text:
            raise errors.bad_answer(label, "There is no image in it.")
        if text.startswith("data:"):
            return answers.opened(text.partition(",")[2], label)
        if _is_address(text):
            online = self._settings.online_access
            return answers.downloaded(
                text, where, cancel, online, label, lambda get: _guarded(get, label, cancel)
            )
        return answers.opened(text, label)


def _text_of(entry: Any, where: Access) -> Any:
    """What stands for the image in an entry of an answer: base64, or an address."""
    if not isinstance(entry, Mapping):
        return entry
    texts = (at(entry, path) for path in where.provider.answer.image)
    return next((one for one in texts if isinstance(one, str) and one), "")


def _is_address(text: str) -> bool:
    return text.startswith(("http://", "https://", "/")) and len(text) < 8000


def listed_models(
    where: Access, cancel: CancelToken, online_access: bool, label: str
) -> list[Listed]:
    """A provider's list of its models, by name, as its table says where that is."""
    form = where.provider.models
    if not form.path:
        return []
    with _asked(where, cancel, online_access, "GET", form.path, label=label) as response:
        _guarded(response.read, label, cancel)
        entries = at(answers.json_value(response, label), form.items)
    if not isinstance(entries, list):
        raise errors.bad_answer(label, "There is no list of models in it.")
    models = []
    for entry in entries:
        makes = at(entry, form.images_only) if form.images_only else "image"
        name, takes = at(entry, form.id), at(entry, form.takes)
        if isinstance(name, str) and name and makes and "image" in makes:
            more = {key: at(entry, getattr(form, key)) for key in ("label", "description")}
            models.append(
                listed(
                    name,
                    at(entry, form.shutdown),
                    takes=takes if isinstance(takes, Mapping) else None,
                    streams=at(entry, form.streams) is True,
                    **{key: text if isinstance(text, str) else "" for key, text in more.items()},
                )
            )
    return sorted(models, key=lambda one: one.name)


def with_prices(where: Access, cancel: CancelToken, online_access: bool, model: Listed) -> Listed:
    """With what the model costs, from where the provider's table says that it stands."""
    form, label = where.provider.models, where.provider.label
    path = form.details.replace("{name}", urllib.parse.quote(model.name))
    with _asked(where, cancel, online_access, "GET", path, label=label) as response:
        _guarded(response.read, label, cancel)
        lines = at(answers.json_value(response, label), form.prices)
    if not isinstance(lines, list):
        return model
    return replace(model, prices=tuple(line for line in lines if isinstance(line, Mapping)))


def _pattern(where: Access, model: Model, images: bool) -> Mapping[str, Any]:
    """The pattern of the body for this model, with what the model itself adds or leaves out."""
    provider = where.provider
    pattern = provider.edit_body if images and provider.edit_body else provider.body
    without = model.extra.get("without", ())
    own = {name: value for name, value in pattern.items() if name not in without}
    return {**own, **model.extra.get("body", {})}


def _values(call: ProviderCall, first: int, count: int) -> dict[str, Any]:
    """What goes to the places of a pattern; None for what there is not."""
    request, spec, model = call.request, call.spec, call.model
    form = call.where.provider.image
    sent = [_image_value(form, image.data, image.mime) for image in call.attached.images]
    mask = call.attached.mask
    seed = None if request.seed is None else (request.seed + first) % (MAX_SEED + 1)
    values = {
        "model": model.name,
        "prompt": call.prompt,
        "image": sent[0] if sent else None,
        "images": sent or None,
        "only_image": sent[0] if len(sent) == 1 else None,
        "more_images": sent if len(sent) > 1 else None,
        "mask": None if mask is None else _image_value(form, mask, "image/png"),
        "count": count if count > 1 else None,
        "seed": seed,
        "size": spec.size,
        "width": spec.width,
        "height": spec.height,
        "aspect": spec.aspect or None,
        "resolution": spec.resolution or None,
        "quality": spec.quality or None,
        "stream": True if count == 1 and model.extra.get("stream") else None,
    }
    for option in model.options:
        value = option.value_in(request.options)
        values[f"option.{option.id}"] = None if value in _LEFT_TO_THE_PROVIDER else value
    for place, words in call.where.provider.words.items():
        values[place] = words.get(str(values.get(place)), values.get(place))
    return values


def _image_value(form: Any, data: bytes, mime: str) -> Any:
    text = base64.b64encode(data).decode()
    places = {"data_uri": f"data:{mime};base64,{text}", "base64": text, "mime": mime}
    return filled(form, places)


def _streamed(
    response: httpx2.Response, index: int, label: str, cancel: CancelToken
) -> Generator[Event, None, dict[str, Any]]:
    """Unfinished images as they come; gives the last event as an answer of its own."""
    lines = response.iter_lines()
    while True:
        line = _guarded(lambda: next(lines, None), label, cancel)
        if line is None:
            raise errors.bad_answer(label, "It ended without the finished image.")
        text = line.removeprefix("data:").strip()
        if not line.startswith("data:") or not text.startswith("{"):
            continue
        event = None
        with contextlib.suppress(ValueError):
            event = json.loads(text)
        if not isinstance(event, dict):
            raise errors.bad_answer(label, "It is damaged or cut off.")
        kind = str(event.get("type", ""))
        if kind == "error" or event.get("error"):
            return {"error": event.get("error") or event}
        if kind.endswith(".partial_image"):
            with contextlib.suppress(errors.BadAnswer):
                yield PartialImage(answers.opened(str(event.get("b64_json", "")), label), index)
        elif kind.endswith(".completed"):
            return {"data": [event], **event}


@contextlib.contextmanager
def _asked(
    where: Access,
    cancel: CancelToken,
    online_access: bool,
    method: str,
    path: str,
    model: str = "",
    body: Any = None,
    label: str = "",
) -> Iterator[httpx2.Response]:
    """What the provider answers, still to be read. Raises what it says is wrong, as ours."""
    provider = where.provider
    label = label or provider.label
    try:
        from ..http import transport
    except ImportError as error:
        raise errors.package_missing(label, error) from None
    base = provider.address(where.base_url, model) if model else where.base_url
    http = transport.open_client(
        where.endpoint,
        where.base_url,
        cancel,
        online_access,
        where.key,
        provider.key_header,
        provider.key_format,
        label,
        provider.headers,
    )
    address, query = f"{base}/{path.strip('/')}", dict(provider.query) or None
    with contextlib.closing(http):
        request = http.build_request(method, address, json=body, params=query)
        response: httpx2.Response = _guarded(lambda: http.send(request, stream=True), label, cancel)
        if response.status_code != 200:
            _guarded(response.read, label, cancel)
            raise _problem(response, label)
        yield response


def _problem(response: httpx2.Response, label: str) -> GenAIError:
    """What a provider says is wrong: an error object, or a text in one of the usual places."""
    return answers.translated(
        label, answers.error_body(response), response.status_code, response.headers
    )


def _guarded(call: Any, label: str, cancel: CancelToken) -> Any:
    """The call's value. What the HTTP library raises becomes ours, and nothing of it stays."""
    problem: GenAIError
    try:
        return call()
    except GenAIError as error:
        problem = error
    except Exception as error:
        problem = errors.unexpected(label, error)
    cancel.check()
    problem.__cause__ = problem.__context__ = None
    raise problem.with_traceback(None)


def _seed(said: Any, call: ProviderCall, index: int) -> int | None:
    if isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= MAX_SEED:
        return said
    if call.request.seed is None or "seed" not in names_in(call.pattern):
        return None
    return None if call.in_one_call and index else (call.request.seed + index) % (MAX_SEED + 1)
