# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenAI's image models through OpenAI's own SDK, which is loaded when a job first runs."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...core import prompt
from ...core.errors import GenAIError
from ...core.events import CancelToken, Event, Failed, Notice, PartialImage, Progress, Result
from ...core.image import images
from ...core.keys.credentials import origin_of
from ...core.models.catalog import Model
from ...core.models.cost import Usage, actual
from ...core.models.model_lists import Listed, listed
from ...core.models.output_spec import OutputSpec, output_spec
from ...core.request import RenderRequest
from ..http import errors
from ..http.retry import trying_again
from ..http.settings import Access, BackendSettings, access
from . import answers
from .attachments import Attachments, attachments

if TYPE_CHECKING:
    import openai

# Our option → the API's parameter. What is at its default is left out.
_PARAMETERS = {
    "background": "background",
    "complexity": "complexity",
    "fidelity": "input_fidelity",
    "format": "output_format",
    "compression": "output_compression",
    "moderation": "moderation",
}
_ONLY_EDIT = ("input_fidelity",)
_ONLY_GENERATE = ("moderation",)


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """One request, worked out: everything that the API call is made of."""

    request: RenderRequest
    model: Model
    spec: OutputSpec
    attached: Attachments
    prompt: str
    count: int
    where: Access
    cancel: CancelToken
    first: int = 0
    """The index of its first image among the request's."""
    without: frozenset[str] = frozenset()
    """Parameters that the server is known not to take."""

    @property
    def editing(self) -> bool:
        return bool(self.attached.images)


class OpenAIBackend:
    """GPT Image models. One image is streamed; several come in one call."""

    def __init__(self, settings: BackendSettings | None = None) -> None:
        self._settings = settings or BackendSettings()

    def run(self, request: RenderRequest, cancel: CancelToken) -> Iterator[Event]:
        """Raises what `Backend.run` may, of which CredentialsError and OnlineAccessOff come
        before anything is sent."""
        model = self._settings.models().model(request.model)
        where = self._access(model)
        cancel.check()
        yield Progress(None, "Preparing the images")
        call = self._worked_out(model, request, where, cancel)
        for text in (*call.spec.notes, *call.attached.notices):
            yield Notice(text)
        yield from self._make(call)

    def check(self, cancel: CancelToken, endpoint: str = "") -> str:
        """Ask the server whether the key is good, which costs nothing. A sentence for the user."""
        names = self.model_names(cancel, endpoint)
        known = [model.name for model in self._settings.models().models.values()]
        both = sum(1 for model in names if model in known)
        return f"The key is good. {both} of the models here can be used with it."

    def model_names(self, cancel: CancelToken, endpoint: str = "") -> list[str]:
        """The models that the server offers, by the provider's own names."""
        return [model.name for model in self.model_list(cancel, endpoint)]

    def model_list(self, cancel: CancelToken, endpoint: str = "") -> list[Listed]:
        where = access(self._settings, endpoint or "openai")
        with self._client(where, cancel) as sdk:
            entries = self._guarded(lambda: list(sdk.models.list()), where, cancel)
        models = [listed(str(one.id), getattr(one, "shutdown_date", None)) for one in entries]
        return sorted(models, key=lambda one: one.name)

    def _access(self, model: Model) -> Access:
        return access(self._settings, "openai")

    def _label(self, where: Access) -> str:
        return where.provider.label

    def _worked_out(
        self, model: Model, request: RenderRequest, where: Access, cancel: CancelToken
    ) -> ProviderCall:
        attached = attachments(model, request)
        style = self._settings.models().style(request.style)
        text = prompt.compose(request, style, attached.roles)
        return ProviderCall(
            request,
            model,
            output_spec(model, request),
            attached,
            text,
            request.count,
            where,
            cancel,
        )

    def _make(self, call: ProviderCall) -> Iterator[Event]:
        yield from trying_again(lambda: self._call(call), call.cancel, self._label(call.where))

    # ---- one call ----------------------------------------------------------------------------

    def _call(self, call: ProviderCall) -> Iterator[Event]:
        partials = self._partials(call)
        yield Progress(None, _sending(call))
        with self._client(call.where, call.cancel, call.model.name) as sdk:
            # Several in one call: the stream's events do not say which image they are of.
            if partials:
                yield from self._streamed(sdk, call, partials)
            else:
                yield from self._at_once(sdk, call)

    def _partials(self, call: ProviderCall) -> int:
        if call.count > 1 or not call.model.extra.get("stream", True):
            return 0
        return int(call.model.value(call.request.options, "partials", 0))

    @contextlib.contextmanager
    def _client(
        self, where: Access, cancel: CancelToken, model: str = ""
    ) -> Iterator[openai.OpenAI]:
        label = self._label(where)
        try:
            import openai

            from ..http import transport
        except ImportError as error:
            raise errors.package_missing(label, error) from None
        http = transport.open_client(
            where.endpoint,
            where.base_url,
            cancel,
            self._settings.online_access,
            where.key,
            where.provider.key_header,
            where.provider.key_format,
            label,
            where.provider.headers,
        )
        try:
            sdk = openai.OpenAI(
                api_key=transport.MADE_UP_KEY,
                base_url=where.provider.address(where.base_url, model),
                default_query=dict(where.provider.query),
                http_client=http,
                timeout=http.timeout,
                max_retries=0,
            )
            # The SDK fills these from the environment, which speaks of OpenAI itself only.
            sdk.admin_api_key = None
            sdk.webhook_secret = None
            own = where.origin == origin_of(where.provider.base_url or where.base_url)
            sdk.organization = where.endpoint.organization or _own("OPENAI_ORG_ID", own)
            sdk.project = where.endpoint.project or _own("OPENAI_PROJECT_ID", own)
            yield sdk
        finally:
            http.close()

    def _parameters(self, call: ProviderCall) -> dict[str, Any]:
        """Everything but the images, as the SDK names it."""
        model, options = call.model, call.request.options
        parameters: dict[str, Any] = {"model": model.name, "prompt": call.prompt}
        if call.spec.width and not model.extra.get("no_size"):
            parameters["size"] = call.spec.size
        if call.spec.quality:
            parameters["quality"] = call.spec.quality
        if call.count > 1:
            parameters["n"] = call.count
        for option in model.options:
            name = _PARAMETERS.get(option.id)
            value = option.value_in(options)
            if name is None or value in ("auto", "default"):
                continue
            if name in (_ONLY_GENERATE if call.editing else _ONLY_EDIT):
                continue
            parameters[name] = value
        if parameters.get("output_format", "png") == "png":
            parameters.pop("output_compression", None)
        clear = parameters.get("background") == "transparent"
        if clear and parameters.get("output_format") == "jpeg":
            parameters["output_format"] = "png"
            parameters.pop("output_compression", None)
        return {name: value for name, value in parameters.items() if name not in call.without}

    def _files(self, call: ProviderCall) -> dict[str, Any]:
        files = [(image.name, image.data, image.mime) for image in call.attached.images]
        # A single one as "image", which every server of this kind knows; several as "image[]".
        fields: dict[str, Any] = {"image": files if len(files) > 1 else files[0]}
        if call.attached.mask is not None:
            fields["mask"] = ("mask.png", call.attached.mask, "image/png")
        if call.attached.markup is not None:
            fields["markup"] = ("markup.png", call.attached.markup, "image/png")
        return fields

    def _at_once(self, sdk: openai.OpenAI, call: ProviderCall) -> Iterator[Event]:
        parameters = self._parameters(call)
        if call.editing:
            files = self._files(call)
            answer = self._guarded(
                lambda: sdk.images.with_raw_response.edit(**parameters, **files),
                call.where,
                call.cancel,
            )
        else:
            answer = self._guarded(
                lambda: sdk.images.with_raw_response.generate(**parameters),
                call.where,
                call.cancel,
            )
        yield from self._results(answer.http_response, call)

    def _streamed(self, sdk: openai.OpenAI, call: ProviderCall, partials: int) -> Iterator[Event]:
        where, cancel = call.where, call.cancel
        parameters = {**self._parameters(call), "stream": True, "partial_images": partials}
        if call.editing:
            files = self._files(call)
            stream = self._guarded(lambda: sdk.images.edit(**parameters, **files), where, cancel)
        else:
            stream = self._guarded(lambda: sdk.images.generate(**parameters), where, cancel)
        with contextlib.closing(stream):
            if answers.content_type(stream.response) != "text/event-stream":
                # It did not stream: the whole answer is there, or something else is.
                self._guarded(stream.response.read, where, cancel)
                yield from self._results(stream.response, call)
                return
            yield Progress(None, f"{self._label(where)} is working")
            events = iter(stream)
            while True:
                event = self._guarded(lambda: next(events, None), where, cancel)
                if event is None:
                    break
                what = str(getattr(event, "type", ""))
                if what.endswith(".partial_image"):
                    image = self._decoded(event, call, partial=True)
                    if image is not None:
                        at = int(getattr(event, "partial_image_index", 0) or 0)
                        yield Progress((at + 1) / (partials + 1), "Taking shape")
                        yield PartialImage(image, call.first)
                elif what.endswith(".completed") or _is_whole_answer(event):
                    entries = answers.field(event, "data")
                    entry = entries[0] if isinstance(entries, list) and entries else event
                    yield self._result(
                        entry, call, call.first, answers.usage_of(event), 1, _settings_of(event)
                    )
                    return
        raise errors.bad_answer(self._label(where), "It ended without the finished image.")

    # ---- what comes back ---------------------------------------------------------------------

    def _results(self, response: Any, call: ProviderCall) -> Iterator[Event]:
        label = self._label(call.where)
        if answers.content_type(response).startswith("image/"):
            yield self._finished(
                answers.image_body(response, label), call, call.first, None, 1, {}, ""
            )
            return
        yield from self._from_body(answers.json_body(response, label), call, response.headers)

    def _from_body(
        self, body: Mapping[str, Any], call: ProviderCall, headers: Mapping[str, str]
    ) -> Iterator[Event]:
        label = self._label(call.where)
        fault = body.get("error")
        if fault:
            raise answers.translated(label, {"error": fault}, None, headers)
        entries = body.get("data")
        if not isinstance(entries, list) or not entries:
            answers.check_not_refused(body, label)
            raise errors.bad_answer(label, "There is no image in it.")
        usage, about = answers.usage_of(body), _settings_of(body)
        for number in range(call.count):
            index = call.first + number
            if number >= len(entries):
                yield Failed(
                    errors.bad_answer(label, f"Only {len(entries)} of {call.count} images came."),
                    index,
                )
                continue
            problem: GenAIError | None = None
            try:
                result = self._result(entries[number], call, index, usage, len(entries), about)
            except GenAIError as error:
                if call.count == 1:
                    raise
                problem = error
            else:
                yield replace(result, more=_at_hand(entries[number + 1 : call.count]))
            if problem is not None:
                yield Failed(problem, index)

    def _result(
        self,
        entry: Any,
        call: ProviderCall,
        index: int,
        usage: Usage | None,
        shared_by: int,
        about: Mapping[str, Any],
    ) -> Result:
        try:
            data = self._decoded(entry, call)
            if data is None:
                raise errors.bad_answer(self._label(call.where), "There is no image in it.")
        except GenAIError as error:
            total = actual(call.model, usage)
            error.cost_usd = None if total is None else total / shared_by
            raise
        revised = answers.field(entry, "revised_prompt") or ""
        return self._finished(data, call, index, usage, shared_by, about, revised)

    def _finished(
        self,
        data: bytes,
        call: ProviderCall,
        index: int,
        usage: Usage | None,
        shared_by: int,
        about: Mapping[str, Any],
        revised: Any,
    ) -> Result:
        total = actual(call.model, usage)
        info = images.probe(data)
        return Result(
            data,
            info.mime,
            info.width,
            info.height,
            index,
            prompt_sent=call.prompt,
            sent=call.attached.kept(),
            info={
                "provider": self._label(call.where),
                "model": call.model.name,
                "asked": {"size": call.spec.size, "quality": call.spec.quality},
                **({"made_with": dict(about)} if about else {}),
                **({"usage": usage.to_json()} if usage else {}),
                **({"revised_prompt": errors.plain(revised, 2000)} if revised else {}),
                **({"images_in_call": shared_by} if shared_by > 1 else {}),
            },
            cost_usd=None if total is None else total / shared_by,
        )

    def _decoded(self, entry: Any, call: ProviderCall, partial: bool = False) -> bytes | None:
        """The image of one entry; None if it has none. A partial that is broken is just None."""
        text = str(answers.field(entry, "b64_json") or answers.field(entry, "url") or "")
        if text.startswith("data:"):
            return self._opened(text.partition(",")[2], call, partial)
        if answers.field(entry, "b64_json"):
            return self._opened(text, call, partial)
        return self._downloaded(text, call) if text and not partial else None

    def _downloaded(self, address: str, call: ProviderCall) -> bytes:
        where, cancel = call.where, call.cancel
        return answers.downloaded(
            address,
            where,
            cancel,
            self._settings.online_access,
            self._label(where),
            lambda get: self._guarded(get, where, cancel),
        )

    def _opened(self, text: str, call: ProviderCall, partial: bool = False) -> bytes | None:
        try:
            return answers.opened(text, self._label(call.where))
        except errors.BadAnswer:
            if partial:
                return None
            raise

    # ---- errors ------------------------------------------------------------------------------

    def _guarded(self, ask: Any, where: Access, cancel: CancelToken) -> Any:
        """The call's value. What the SDK raises becomes ours, and nothing of it stays attached."""
        import openai

        problem: GenAIError
        try:
            return ask()
        except GenAIError as error:
            problem = error
        except openai.APIStatusError as error:
            problem = self._translated(error, where)
        except openai.APIError as error:
            body = error.body if isinstance(error.body, Mapping) else {"message": error.message}
            problem = answers.translated(self._label(where), body, None, {})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            label = self._label(where)
            if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
                problem = errors.bad_answer(label, "It is damaged or cut off.")
            else:
                problem = errors.unexpected(label, error)
        except Exception as error:
            problem = errors.unexpected(self._label(where), error)
        cancel.check()
        problem.__cause__ = problem.__context__ = None
        raise problem.with_traceback(None)

    def _translated(self, error: openai.APIStatusError, where: Access) -> GenAIError:
        body = answers.error_body(error.response)
        headers = error.response.headers
        return answers.translated(self._label(where), body, error.status_code, headers)


def _is_whole_answer(event: Any) -> bool:
    """Some servers end a stream with what they would have answered without one."""
    entries = answers.field(event, "data")
    return isinstance(entries, list) and bool(entries) and isinstance(entries[0], Mapping)


def _at_hand(entries: list[Any]) -> int:
    """How many images lie in the answer itself and need not be fetched."""
    return sum(1 for entry in entries if answers.field(entry, "b64_json"))


def _own(variable: str, own: bool) -> str | None:
    return (os.environ.get(variable) or None) if own else None


def _sending(call: ProviderCall) -> str:
    if not call.attached.images:
        return "Sending the prompt"
    size = sum(len(image.data) for image in call.attached.images)
    number = len(call.attached.images)
    megabytes = f"{size / 1e6:.1f}"
    if number == 1:
        return f"Sending 1 image ({megabytes} MB)"
    return f"Sending {number} images ({megabytes} MB)"


def _settings_of(answer: Any) -> dict[str, Any]:
    """What the provider says it used."""
    names = ("size", "quality", "background", "output_format")
    return {
        name: errors.plain(value, 40)
        for name in names
        if isinstance(value := answers.field(answer, name), str)
    }
