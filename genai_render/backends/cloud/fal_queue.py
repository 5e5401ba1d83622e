# SPDX-License-Identifier: GPL-3.0-or-later
"""fal's own protocol: the queue, uploads, what a model takes and costs, and what can go wrong.

A job is submitted once. From then on it is only asked after, however often the connection breaks:
nobody pays twice. The key goes to the queue and to the provider's own services, never to where
files are put or fetched.
"""

from __future__ import annotations

import contextlib
import json
import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...core.errors import GenAIError, InvalidInput
from ...core.events import CancelToken
from ...core.keys.credentials import origin_of
from ...core.models import input_schema
from ...core.models.input_schema import InputField
from ..http import errors
from ..http.reach import may_be_fetched, reach_of_server
from ..http.retry import retry_after
from ..http.settings import Access
from . import answers

if TYPE_CHECKING:
    import httpx2

KEPT_SECONDS = 86400
"""How long files stay with the provider that we put there, or that it makes for us."""

_NAMESPACES = ("workflows", "comfy")  # in front of the owner of a model
_PRICES_AT_ONCE = 50
_MOST_PAGES = 60
_UNITS = {"image": "image", "megapixel": "megapixel", "processed megapixel": "megapixel"}
_UNCHARGED = (
    *("startup_timeout", "runner_scheduling_failure", "runner_connection_timeout"),
    *("runner_connection_refused", "runner_connection_error", "runner_disconnected"),
)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A job in the queue, and where it is asked after."""

    request_id: str
    status_url: str
    response_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a job stands. ahead: how many are before it. said: the last line of its log.

    error, error_type: why it failed, where the queue itself says so.
    """

    state: str
    ahead: int | None = None
    said: str = ""
    error: str = ""
    error_type: str = ""

    @property
    def over(self) -> bool:
        return self.state == "COMPLETED"


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """US dollars for one of what is counted: "image", "megapixel", or in the provider's words."""

    usd: float
    unit: str


class FalQueue:
    """The connection of one job."""

    def __init__(self, where: Access, cancel: CancelToken, online_access: bool) -> None:
        self._where = where
        self._cancel = cancel
        self._online_access = online_access
        self._label = where.provider.label

    # ---- the queue ---------------------------------------------------------------------------

    def submit(self, endpoint: str, body: Mapping[str, Any]) -> Ticket:
        """Raises what the provider says is wrong. Where that is Retryable it has no job."""
        address = f"{self._where.base_url}/{_path(endpoint)}"
        answer = answers.json_body(self._ask("POST", address, body, kept=True), self._label)
        request_id = answer.get("request_id")
        if not isinstance(request_id, str) or not re.fullmatch(r"[\w-]{1,80}", request_id):
            raise errors.bad_answer(self._label, "There is no job in it.")
        own = f"{self._where.base_url}/{_app(endpoint)}/requests/{request_id}"
        return Ticket(
            request_id,
            self._ours(answer.get("status_url"), f"{own}/status"),
            self._ours(answer.get("response_url"), own),
            self._ours(answer.get("cancel_url"), f"{own}/cancel"),
        )

    def standing(self, ticket: Ticket) -> Standing:
        separator = "&" if "?" in ticket.status_url else "?"
        response = self._ask("GET", f"{ticket.status_url}{separator}logs=1", accepted=(200, 202))
        answer = answers.json_body(response, self._label)
        state = answer.get("status")
        if state not in ("IN_QUEUE", "IN_PROGRESS", "COMPLETED"):
            raise errors.bad_answer(self._label, f"The job is {errors.plain(state, 40)}.")
        ahead = answer.get("queue_position")
        logs = answer.get("logs")
        entries = [entry for entry in logs or () if isinstance(entry, Mapping)] if logs else []
        said = entries[-1].get("message") if entries else ""
        return Standing(
            state,
            ahead if type(ahead) is int and ahead >= 0 else None,
            str(said or ""),
            str(answer.get("error") or ""),
            str(answer.get("error_type") or ""),
        )

    def result(self, ticket: Ticket) -> tuple[dict[str, Any], float | None]:
        """The answer, and how many units are charged for it; None where that is not said."""
        response = self._ask("GET", ticket.response_url)
        units = None
        with contextlib.suppress(ValueError):
            units = float(response.headers.get("x-fal-billable-units", ""))
        if units is not None and not 0 <= units < 1e6:
            units = None
        return answers.json_body(response, self._label), units

    def withdraw(self, ticket: Ticket) -> None:
        """Ask for the job to be stopped. Too late is no fault."""
        with contextlib.suppress(errors.Rejected):
            self._ask("PUT", ticket.cancel_url, accepted=(200, 202))

    # ---- what belongs to it ------------------------------------------------------------------

    def uploaded(self, data: bytes, mime: str, name: str) -> str:
        """The address of an image that is put where the models can fetch it, for a day."""
        address = f"{self._service('rest')}/storage/upload/initiate?storage_type=fal-cdn-v3"
        about = {"content_type": mime, "file_name": name}
        answer = answers.json_body(self._ask("POST", address, about, kept=True), self._label)
        upload, file = answer.get("upload_url"), answer.get("file_url")
        if not isinstance(upload, str) or not isinstance(file, str) or not self._may_be_put(upload):
            raise errors.bad_answer(self._label, "There is no place for an image in it.")
        self._ask("PUT", upload, content=data, mime=mime, with_key=False, accepted=(200, 201, 204))
        return file

    def fields(self, endpoint: str) -> dict[str, InputField]:
        """What a model takes, by its own schema. Costs nothing."""
        query = urllib.parse.urlencode({"endpoint_id": endpoint})
        address = f"{self._service('schema')}?{query}"
        document = answers.json_value(self._ask("GET", address, with_key=False), self._label)
        try:
            return input_schema.of_openapi(document, endpoint)
        except ValueError as error:
            why = f"What {endpoint} takes cannot be read ({errors.plain(error, 60)})."
        raise errors.bad_answer(self._label, why, "Choose another model.")

    def models(self, category: str) -> Iterator[Mapping[str, Any]]:
        """The models of a category that are there, each with its schema."""
        query = {"category": category, "status": "active", "expand": "openapi-3.0", "limit": "50"}
        for _ in range(_MOST_PAGES):
            address = f"{self._service('api')}/models?{urllib.parse.urlencode(query)}"
            page = answers.json_body(self._ask("GET", address), self._label)
            entries = page.get("models")
            if not isinstance(entries, list):
                raise errors.bad_answer(self._label, "There is no list of models in it.")
            yield from (entry for entry in entries if isinstance(entry, Mapping))
            cursor = page.get("next_cursor")
            if not page.get("has_more") or not isinstance(cursor, str) or not cursor:
                return
            query["cursor"] = cursor

    def prices(self, endpoints: Sequence[str]) -> dict[str, UnitPrice]:
        """What one unit costs, of those whose price is known in US dollars."""
        found: dict[str, UnitPrice] = {}
        for first in range(0, len(endpoints), _PRICES_AT_ONCE):
            some = endpoints[first : first + _PRICES_AT_ONCE]
            query = urllib.parse.urlencode([("endpoint_id", name) for name in some])
            address = f"{self._service('api')}/models/pricing?{query}"
            answer = answers.json_body(self._ask("GET", address), self._label)
            for entry in answer.get("prices") or ():
                usd = entry.get("unit_price") if isinstance(entry, Mapping) else None
                if isinstance(usd, bool) or not isinstance(usd, (int, float)) or usd < 0:
                    continue
                if entry.get("currency", "USD") == "USD":
                    unit = str(entry.get("unit") or "").lower().removesuffix("s")
                    found[str(entry.get("endpoint_id"))] = UnitPrice(usd, _UNITS.get(unit, unit))
        return found

    # ---- one request -------------------------------------------------------------------------

    def _service(self, name: str) -> str:
        return self._where.provider.service(name, self._where.base_url)

    def _ours(self, address: Any, otherwise: str) -> str:
        """An address that the queue gave, if the key may go there."""
        with contextlib.suppress(InvalidInput):
            if isinstance(address, str) and origin_of(address) == self._where.origin:
                return address
        return otherwise

    def _may_be_put(self, address: str) -> bool:
        with contextlib.suppress(InvalidInput):
            own = origin_of(self._service("rest")) == origin_of(address)
            return own or may_be_fetched(address, reach_of_server(self._where.origin))
        return False

    def _ask(
        self,
        method: str,
        address: str,
        body: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        mime: str = "",
        with_key: bool = True,
        kept: bool = False,
        accepted: tuple[int, ...] = (200,),
    ) -> httpx2.Response:
        """The answer, read whole. kept: say how long what comes of it is kept."""
        try:
            from ..http import transport
        except ImportError as error:
            raise errors.package_missing(self._label, error) from None
        where, headers = self._where, dict(self._where.provider.headers)
        if kept:
            lifecycle = json.dumps({"expiration_duration_seconds": KEPT_SECONDS})
            headers["X-Fal-Object-Lifecycle-Preference"] = lifecycle
            headers["X-Fal-Object-Lifecycle"] = lifecycle
        foreign = origin_of(address) != where.origin
        http = transport.open_client(
            where.endpoint,
            address,
            self._cancel,
            self._online_access,
            where.key if with_key else None,
            where.provider.key_header,
            where.provider.key_format,
            self._label,
            headers if with_key else None,
            reach_of_server(where.origin) if foreign and not with_key else None,
        )
        with contextlib.closing(http):
            kinds = {"content-type": mime} if mime else None
            request = http.build_request(method, address, json=body, content=content, headers=kinds)
            response = guarded_call(lambda: http.send(request), self._label, self._cancel)
        if response.status_code not in accepted:
            raise problem(self._label, response)
        return response


def guarded_call(call: Callable[[], Any], label: str, cancel: CancelToken) -> Any:
    """The call's value. What the HTTP library raises becomes ours, and nothing of it stays."""
    fault: GenAIError
    try:
        return call()
    except GenAIError as error:
        fault = error
    except Exception as error:
        fault = errors.unexpected(label, error)
    cancel.check()
    fault.__cause__ = fault.__context__ = None
    raise fault.with_traceback(None)


# ---- errors ------------------------------------------------------------------------------------


def problem(label: str, response: httpx2.Response) -> GenAIError:
    """What an answer says is wrong: a list of faults of the request's fields, or a text."""
    body: Any = None
    if "html" not in answers.content_type(response):
        with contextlib.suppress(ValueError):
            body = response.json()
    detail = body.get("detail", body.get("message")) if isinstance(body, Mapping) else body
    kind = str(body.get("error_type") or "") if isinstance(body, Mapping) else ""
    kind = kind or str(response.headers.get("x-fal-error-type", ""))
    after = retry_after(response.headers)
    if isinstance(detail, list):
        return _of_fields(label, response.status_code, detail)
    return failed(label, response.status_code, str(detail or ""), kind, after)


def failed(
    label: str, status: int, text: str, kind: str = "", after: float | None = None
) -> GenAIError:
    """The error for what the platform says of a job, by its status and the kind that it names."""
    low = text.lower()
    if status in (402, 403) and re.search(r"balance|locked|top up|billing", low):
        return errors.no_quota(label, text)
    if status == 404:
        return errors.rejected(
            label,
            text or "There is no such model",
            "It may be gone: choose another model, or refresh the list of models.",
        )
    if kind in _UNCHARGED:
        return errors.overloaded(label, text, after)
    if kind.endswith("timeout") or (status == 504 and not kind):
        return errors.TimedOut(
            f"{label} did not finish in time.",
            errors.quoted(label, text),
            "Ask for a lower resolution, or try again later.",
        )
    if kind == "cancelled" or kind == "client_cancelled":
        return errors.server_failed(label, None, text or "The job was cancelled")
    return errors.by_status(label, status, text, after)


def _of_fields(label: str, status: int, faults: list[Any]) -> GenAIError:
    entries = [fault for fault in faults if isinstance(fault, Mapping)]
    kinds = {str(entry.get("type") or "") for entry in entries}
    text = "; ".join(filter(None, map(_said, entries[:4]))) or str(faults)[:200]
    if "content_policy_violation" in kinds:
        named = {
            str(category)
            for entry in entries
            for category in entry.get("categories") or ()
            if isinstance(category, str)
        }
        why = f"It was taken for: {errors.plain(', '.join(sorted(named)), 100)}. " if named else ""
        fields = {part for entry in entries for part in map(str, entry.get("loc") or ())}
        what = "the images" if any("image" in name for name in fields) else "the words"
        return errors.refused(label, text, f"{why}Change {what} that could be taken wrongly.")
    if "no_media_generated" in kinds:
        return errors.refused(label, text, "Say more plainly what picture you want.")
    if kinds & {"generation_timeout"}:
        return failed(label, status, text, "generation_timeout")
    if kinds & {"downstream_service_unavailable", "internal_server_error"} or (
        "downstream_service_error" in kinds and status >= 500
    ):
        return errors.server_failed(label, status, text)
    if kinds & {"image_too_small", "image_too_large", "unsupported_image_format"}:
        return errors.rejected(label, text, "Choose another resolution, or another image.")
    if status < 400 or status >= 500:
        return errors.by_status(label, status, text)
    return errors.rejected(label, text)


def _said(entry: Mapping[str, Any]) -> str:
    """ "num_images: Input should be less than or equal to 4" """
    place = [str(part) for part in entry.get("loc") or () if part != "body"]
    text = str(entry.get("msg") or "")
    return f"{'.'.join(place)}: {text}" if place and text else text


# ---- addresses ---------------------------------------------------------------------------------


def _path(endpoint: str) -> str:
    """Raises InvalidInput for what is not the name of a model."""
    parts = endpoint.strip("/").split("/")
    if len(parts) < 2 or not all(re.fullmatch(r"[\w][\w.-]*", part) for part in parts):
        raise InvalidInput(
            f'"{endpoint}" is not the name of a model at fal.',
            action='Write it as fal does, such as "fal-ai/flux-2-pro/edit".',
        )
    return "/".join(parts)


def _app(endpoint: str) -> str:
    """What a job is asked after by: the owner and the app, without what is below them."""
    parts = _path(endpoint).split("/")
    return "/".join(parts[:3] if parts[0] in _NAMESPACES else parts[:2])
