# SPDX-License-Identifier: GPL-3.0-or-later
"""Google's Gemini image models through Google's own SDK, which is loaded when a job first runs."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ...core import prompt
from ...core.errors import CredentialsError, GenAIError, ImageError
from ...core.events import CancelToken, Event, Notice, PartialImage, Progress, Result
from ...core.image import images
from ...core.models.catalog import Model
from ...core.models.cost import Usage, actual
from ...core.models.model_lists import Listed
from ...core.models.output_spec import OutputSpec, output_spec
from ...core.request import RenderRequest
from ..http import errors
from ..http.retry import retry_after, trying_again
from ..http.settings import Access, BackendSettings, access, vertex_of
from ..parallel import in_parallel
from . import google_login, veo
from .attachments import Attachments, attachments

if TYPE_CHECKING:
    from google.genai import Client, types

LABEL = "Google"

# Why the model stopped, or did not begin, in plain words. All of these are refusals.
_REFUSALS = {
    "SAFETY": "It seemed unsafe",
    "IMAGE_SAFETY": "The image seemed unsafe",
    "PROHIBITED_CONTENT": "It shows what is not allowed",
    "IMAGE_PROHIBITED_CONTENT": "The image shows what is not allowed",
    "BLOCKLIST": "It has a word that is blocked",
    "SPII": "It seems to hold personal data",
    "RECITATION": "It came too close to an existing work",
    "IMAGE_RECITATION": "The image came too close to an existing work",
    "LANGUAGE": "It is in a language that the model does not take",
    "JAILBREAK": "It was taken for an attempt to get around the rules",
    "MODEL_ARMOR": "A filter of the account blocked it",
    "ESCALATION": "A filter blocked it",
    "OTHER": "No further reason is given",
    "IMAGE_OTHER": "No further reason is given",
}
_LIMITED = "PUP_LIMITED_DISABLED"
_RPC = {3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 13: 500, 14: 503, 16: 401}
"""Codes of google.rpc, and the status of HTTP that means the same."""
_DELAY = re.compile(r"^([\d.]+)s$")


@dataclass(frozen=True, slots=True)
class _ProviderCall:
    request: RenderRequest
    model: Model
    spec: OutputSpec
    attached: Attachments
    words: str
    lines: tuple[str, ...]
    ending: str

    @property
    def prompt(self) -> str:
        return "\n".join(part for part in (self.words, *self.lines, self.ending) if part)


@dataclass(slots=True)
class Heard:
    """What one call has told so far."""

    image: bytes | None = None
    texts: list[str] = field(default_factory=list)
    blocked: str = ""
    blocked_text: str = ""
    finished: str = ""
    finished_text: str = ""
    usage: Any = None
    model_version: str = ""


class GeminiBackend:
    """Gemini's image models: one image a call, several calls at once."""

    def __init__(self, settings: BackendSettings | None = None) -> None:
        self._settings = settings or BackendSettings()

    def run(self, request: RenderRequest, cancel: CancelToken) -> Iterator[Event]:
        """Raises what `Backend.run` may, of which CredentialsError and OnlineAccessOff come
        before anything is sent."""
        model = self._settings.models().model(request.model)
        where = self._access(cancel)
        cancel.check()
        if model.makes == "video":
            yield from veo.make_clip(
                model,
                request,
                where,
                LABEL,
                lambda: self._client(where, cancel),
                self._guarded,
                cancel,
            )
            return
        yield Progress(None, "Preparing the images")
        call = self._worked_out(model, request)
        for text in (*call.spec.notes, *call.attached.notices):
            yield Notice(text)
        yield Progress(None, f"Sending to {LABEL}")

        def work(index: int) -> Any:
            return lambda token: trying_again(
                lambda: self._call(call, where, index, token), token, LABEL
            )

        works = [work(index) for index in range(request.count)]
        if where.vertex is None:
            yield from in_parallel(works, cancel)
            return
        why = ""
        try:
            yield from in_parallel(works, cancel)
            return
        except CredentialsError as error:
            why = error.why
        google_login.forget(where.vertex)
        raise google_login.not_accepted(where.vertex, why)

    def check(self, cancel: CancelToken, endpoint: str = "") -> str:
        """Ask the server whether the key is good, which costs nothing. A sentence for the user."""
        names = self.model_names(cancel, endpoint)
        known = [model.name for model in self._settings.models().models.values()]
        both = sum(1 for model in names if model in known)
        what = "login" if vertex_of(self._settings, "gemini") is not None else "key"
        return f"The {what} is good. {both} of the models here can be used with it."

    def model_names(self, cancel: CancelToken, endpoint: str = "") -> list[str]:
        """The models that the server offers, by the provider's own names."""
        return [model.name for model in self.model_list(cancel, endpoint)]

    def model_list(self, cancel: CancelToken, endpoint: str = "") -> list[Listed]:
        with self._client(self._access(cancel), cancel) as (sdk, _):
            entries = self._guarded(lambda: list(sdk.models.list()), cancel)
        models = [
            Listed(str(one.name).rpartition("/")[2], one.display_name or "", one.description or "")
            for one in entries
        ]
        return sorted(models, key=lambda one: one.name)

    def _access(self, cancel: CancelToken) -> Access:
        """With a key; through Vertex AI with a token that stands for an hour in its place."""
        where = access(self._settings, "gemini")
        if where.vertex is None:
            return where
        online = self._settings.online_access
        login = google_login.log_in(where.vertex, where.endpoint, cancel, online)
        charged = {"x-goog-user-project": login.quota_project} if login.quota_project else {}
        provider = replace(
            where.provider, key_header="Authorization", key_format="Bearer {}", headers=charged
        )
        return replace(where, provider=provider, key=login.token)

    def _worked_out(self, model: Model, request: RenderRequest) -> _ProviderCall:
        attached = attachments(model, request)
        style = self._settings.models().style(request.style)
        return _ProviderCall(
            request,
            model,
            output_spec(model, request),
            attached,
            prompt.build_prompt(request, style),
            tuple(prompt.describe(attached.roles, request.closeness)),
            "\n".join(prompt.ending(request, attached.roles)),
        )

    # ---- one call ----------------------------------------------------------------------------

    def _call(
        self, call: _ProviderCall, where: Access, index: int, cancel: CancelToken
    ) -> Iterator[Event]:
        seed = None if call.request.seed is None else call.request.seed + index
        with self._client(where, cancel) as (sdk, kinds):
            contents, config = contents_of(call), config_of(call, seed)
            stream = self._guarded(
                lambda: sdk.models.generate_content_stream(
                    model=call.model.name, contents=contents, config=config
                ),
                cancel,
                kinds,
            )
            yield Progress(None, f"{LABEL} is working")
            heard = Heard()
            while True:
                chunk = self._guarded(lambda: next(stream, None), cancel, kinds)
                if chunk is None:
                    break
                yield from listen(chunk, heard, index)
        usage = usage_of(heard.usage)
        try:
            result = self._result(call, heard, usage, index, seed)
        except GenAIError as error:
            # What was read and thought is charged even where no image came of it.
            error.cost_usd = actual(call.model, usage)
            raise
        yield result

    @contextlib.contextmanager
    def _client(self, where: Access, cancel: CancelToken) -> Iterator[tuple[Client, list[str]]]:
        """The SDK's client, and a list that gets the content type of each answer."""
        try:
            import httpx2
            from google import genai
            from google.genai import types

            from ..http import transport
        except ImportError as error:
            raise errors.package_missing(LABEL, error) from None
        # Else it writes words of the server's to standard error.
        warnings.filterwarnings("ignore", module=r"google\.genai\._common", category=UserWarning)
        http = transport.open_client(
            where.endpoint,
            where.base_url,
            cancel,
            self._settings.online_access,
            where.key,
            where.provider.key_header,
            where.provider.key_format,
            LABEL,
            where.provider.headers,
        )
        kinds: list[str] = []
        http.event_hooks = {"response": [lambda response: kinds.append(_content_type(response))]}
        try:
            yield (
                genai.Client(
                    **_identity(where, transport.MADE_UP_KEY),
                    http_options=types.HttpOptions(
                        base_url=re.sub(r"/v1(?:alpha|beta)?$", "", where.base_url),
                        httpx_client=http,
                        # Never used; without one the SDK makes one of its own.
                        httpx_async_client=httpx2.AsyncClient(
                            transport=httpx2.AsyncBaseTransport(), trust_env=False
                        ),
                        retry_options=types.HttpRetryOptions(attempts=1),
                    ),
                ),
                kinds,
            )
        finally:
            http.close()

    # ---- what comes back ---------------------------------------------------------------------

    def _result(
        self, call: _ProviderCall, heard: Heard, usage: Usage | None, index: int, seed: int | None
    ) -> Result:
        if heard.image is None:
            raise _no_image(heard)
        try:
            images.verify(heard.image, "The image")
            info = images.probe(heard.image)
        except ImageError:
            info = None
        if info is None:
            raise errors.bad_answer(LABEL, "The image in it is damaged.")
        words = errors.plain(" ".join(heard.texts), 2000)
        return Result(
            heard.image,
            info.mime,
            info.width,
            info.height,
            index,
            seed,
            prompt_sent=call.prompt,
            sent=call.attached.kept(),
            info={
                "provider": LABEL,
                "model": call.model.name,
                "asked": {"aspect": call.spec.aspect, "resolution": call.spec.resolution},
                **({"model_version": heard.model_version} if heard.model_version else {}),
                **({"usage": usage.to_json()} if usage else {}),
                **({"said": words} if words else {}),
            },
            cost_usd=actual(call.model, usage),
        )

    # ---- errors ------------------------------------------------------------------------------

    def _guarded(self, ask: Any, cancel: CancelToken, kinds: list[str] | None = None) -> Any:
        """The call's value. What the SDK raises becomes ours, and nothing of it stays attached."""
        from google.genai import errors as sdk_errors

        problem: GenAIError
        try:
            return ask()
        except GenAIError as error:
            problem = error
        except sdk_errors.APIError as error:
            problem = _translated(error)
        except Exception as error:
            problem = _misunderstood(error, kinds or [])
        cancel.check()
        problem.__cause__ = problem.__context__ = None
        raise problem.with_traceback(None)


def _identity(where: Access, made_up: str) -> dict[str, Any]:
    """Who the SDK thinks that it is: the real key or token is put in last, by the transport."""
    if where.vertex is None:
        return {"api_key": made_up, "vertexai": False}
    # Of Google's own kinds this is the one that needs no package to sign with.
    from google.auth.credentials import AnonymousCredentials

    credentials = AnonymousCredentials()
    credentials.token = made_up  # pyright: ignore[reportAttributeAccessIssue]
    return {
        "vertexai": True,
        "project": where.vertex.project,
        "location": where.vertex.location,
        "credentials": credentials,
    }


def contents_of(call: _ProviderCall) -> list[types.Content]:
    """Text and images in turn, each image right after the words that say what it is."""
    from google.genai import types

    parts = [types.Part.from_text(text=call.words)]
    for line, image in zip(call.lines, call.attached.images, strict=True):
        parts.append(types.Part.from_text(text=line))
        parts.append(types.Part.from_bytes(data=image.data, mime_type=image.mime))
    if call.ending:
        parts.append(types.Part.from_text(text=call.ending))
    return [types.Content(role="user", parts=parts)]


def config_of(call: _ProviderCall, seed: int | None) -> types.GenerateContentConfig:
    from google.genai import types

    extra = call.model.extra
    sized = extra.get("image_size", True)
    level = str(call.model.value(call.request.options, "thinking"))
    return types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"],
        image_config=types.ImageConfig(
            aspect_ratio=call.spec.aspect or None,
            image_size=call.spec.resolution if sized else None,
        ),
        thinking_config=types.ThinkingConfig(
            include_thoughts=True,
            thinking_level=types.ThinkingLevel(level.upper()) if level else None,
        )
        if extra.get("thoughts")
        else None,
        seed=seed,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )


def listen(chunk: types.GenerateContentResponse, heard: Heard, index: int) -> Iterator[Event]:
    if chunk.usage_metadata is not None:
        heard.usage = chunk.usage_metadata  # each is the sum so far
    if chunk.model_version:
        heard.model_version = errors.plain(chunk.model_version, 100)
    feedback = chunk.prompt_feedback
    if feedback is not None and feedback.block_reason is not None:
        heard.blocked = _name(feedback.block_reason)
        heard.blocked_text = feedback.block_reason_message or ""
    for candidate in (chunk.candidates or [])[:1]:
        if candidate.finish_reason is not None:
            heard.finished = _name(candidate.finish_reason)
            heard.finished_text = candidate.finish_message or ""
        parts = (candidate.content.parts if candidate.content else None) or []
        for part in parts:
            blob = part.inline_data
            if blob is not None and blob.data and (blob.mime_type or "").startswith("image/"):
                if part.thought:
                    if _opens(blob.data):
                        yield PartialImage(blob.data, index)
                else:
                    heard.image = blob.data
            elif part.text and part.thought:
                first = part.text.strip(" *#\n").partition("\n")[0]
                if first:
                    yield Progress(None, errors.plain(first.strip(" *#"), 80))
            elif part.text:
                heard.texts.append(part.text)


def _no_image(heard: Heard) -> GenAIError:
    """Why there is none: a refusal in most cases."""
    said = " ".join("".join(heard.texts).split())
    if heard.blocked:
        reason = _REFUSALS.get(heard.blocked) or errors.plain(heard.blocked, 60)
        return errors.refused(LABEL, heard.blocked_text or said, _suggestion(reason))
    if heard.finished == _LIMITED:
        return errors.no_permission(LABEL, heard.finished_text or said)
    reason = _REFUSALS.get(heard.finished)
    if reason is not None:
        return errors.refused(LABEL, heard.finished_text or said, _suggestion(reason))
    if heard.finished == "MAX_TOKENS":
        return errors.bad_answer(
            LABEL, "It ran out of room before the image.", "Ask for a lower resolution."
        )
    if said:
        return errors.refused(
            LABEL, said, "Say more plainly what picture you want, or change what it names."
        )
    if heard.finished:
        why = (
            errors.plain(heard.finished_text)
            or f"There is no image in it ({errors.plain(heard.finished, 60)})."
        )
        return errors.bad_answer(LABEL, why)
    return errors.bad_answer(LABEL, "It ended before the image.")


def fault_of(code: int, text: str) -> GenAIError:
    """The error for a status of google.rpc, as an entry of a batch has it."""
    if "safety" in text.lower() or "blocked" in text.lower():
        return errors.refused(LABEL, text)
    status = code if code >= 100 else _RPC.get(code, 500)
    return errors.by_status(LABEL, status, text)


def _suggestion(reason: str) -> str:
    return f"{reason}. Change the words or the images that could be taken wrongly."


def _translated(error: Any) -> GenAIError:
    """The error for what Google's API says."""
    body = error.details
    if isinstance(body, list):
        body = body[0] if body else {}
    body = body.get("error", body) if isinstance(body, Mapping) else {}
    if not isinstance(body, Mapping):
        body = {}
    kind = str(body.get("status") or error.status or "")
    text = str(body.get("message") or error.message or "")
    code = error.code if isinstance(error.code, int) else 0
    headers = getattr(error.response, "headers", None) or {}
    if "html" in _content_type(error.response):
        text = ""
    details = [entry for entry in body.get("details") or [] if isinstance(entry, Mapping)]
    reasons = {str(entry.get("reason") or "") for entry in details}
    if "API_KEY_INVALID" in reasons or "api key not valid" in text.lower():
        return errors.wrong_key(LABEL, text)
    if code == 401 or kind == "UNAUTHENTICATED" or "API_KEY_EXPIRED" in reasons:
        return errors.wrong_key(LABEL, text)
    if code == 429 or kind == "RESOURCE_EXHAUSTED":
        if _used_up(details, text):
            return errors.no_quota(LABEL, text)
        after = retry_after({str(k).lower(): str(v) for k, v in dict(headers).items()})
        return errors.rate_limited(LABEL, text, after if after is not None else _delay(details))
    if kind == "FAILED_PRECONDITION" or kind == "PERMISSION_DENIED":
        return errors.no_permission(LABEL, text)
    if kind == "UNAVAILABLE":
        return errors.overloaded(LABEL, text, _delay(details))
    if kind == "DEADLINE_EXCEEDED" or code == 504:
        late = errors.TimedOut(
            f"{LABEL} did not finish in time.",
            errors.quoted(LABEL, text),
            f"Ask for a lower resolution, or try again later. {errors.ONCE}",
        )
        return late
    if "safety" in text.lower() and code == 400:
        return errors.refused(LABEL, text)
    return errors.by_status(LABEL, code or 500, text, _delay(details))


def _used_up(details: list[Mapping[str, Any]], text: str) -> bool:
    """Whether the quota is one of the day's or the account's, not of the minute's."""
    for entry in details:
        for violation in entry.get("violations") or []:
            if isinstance(violation, Mapping):
                quota = str(violation.get("quotaId", ""))
                if "PerDay" in quota or str(violation.get("quotaValue", "")) == "0":
                    return True
    low = text.lower()
    return "limit: 0" in low or ("billing" in low and "per minute" not in low)


def _delay(details: list[Mapping[str, Any]]) -> float | None:
    """The seconds of a RetryInfo, "retryDelay": "12s"."""
    for entry in details:
        match = _DELAY.match(str(entry.get("retryDelay", "")))
        if match:
            with contextlib.suppress(ValueError):
                return float(match.group(1))
    return None


def _misunderstood(error: Exception, kinds: list[str]) -> GenAIError:
    """For an answer that the SDK could not read."""
    kind = kinds[-1] if kinds else ""
    if kind and "json" not in kind and kind != "text/event-stream":
        return errors.bad_answer(
            LABEL,
            f"It is of the kind {errors.plain(kind, 60)} and not JSON.",
            "Check the server's base URL and whether a proxy or a login page is in between.",
        )
    if isinstance(error, ValueError):  # JSON, UTF-8, base64 and the SDK's own checks
        return errors.bad_answer(LABEL, "It is damaged or cut off.")
    return errors.unexpected(LABEL, error)


def usage_of(counted: Any) -> Usage | None:
    """Tokens by kind. What thinking took is text, as it is charged."""
    if counted is None:
        return None

    def of(details: Any, modality: str) -> int:
        return sum(
            entry.token_count or 0
            for entry in details or []
            if _name(entry.modality or "") == modality
        )

    image_in = of(counted.prompt_tokens_details, "IMAGE")
    image_out = of(counted.candidates_tokens_details, "IMAGE")
    came = counted.candidates_token_count or 0
    if not counted.candidates_tokens_details:
        image_out = came  # without the parts: nearly all of it is the image
    usage = Usage(
        max(0, (counted.prompt_token_count or 0) - image_in),
        image_in,
        max(0, came - image_out) + (counted.thoughts_token_count or 0),
        image_out,
    )
    return usage if usage != Usage() else None


def _opens(data: bytes) -> bool:
    try:
        images.verify(data, "The image")
    except ImageError:
        return False
    return True


def _name(value: Any) -> str:
    return str(getattr(value, "value", value))


def _content_type(response: Any) -> str:
    headers = getattr(response, "headers", None) or {}
    return str(headers.get("content-type", "")).partition(";")[0].strip().lower()
