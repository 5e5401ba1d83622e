# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that speak OpenAI's image API, or a part of it: LocalAI, vLLM, SGLang, gateways …

Begins with the whole request and gives up, one after another, what the server does not take;
each time nothing was accepted, so nothing is paid for, and the user is told what was left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ...core import prompt
from ...core.events import CancelToken, Event, Notice, Result
from ...core.models.catalog import Model
from ...core.models.model_lists import Listed
from ...core.request import RenderRequest
from ..http import errors
from ..http.settings import Access, access, endpoint_name
from ..parallel import Work, in_parallel
from .json_dialect import listed_models
from .openai import OpenAIBackend, ProviderCall

# What may be given up, in this order where the server does not say which it minds.
_OPTIONAL = (
    *("partial_images", "stream", "moderation", "complexity", "input_fidelity", "background"),
    *("output_compression", "output_format", "quality", "response_format", "size"),
)
_MOST_TRIES = 8
_NO_SUCH_PLACE = (404, 405, 501)


class CompatibleBackend(OpenAIBackend):
    """A provider whose table says that it speaks this dialect, or one profile of a server of the
    user's, named by the model's `extra.profile`.

    The address is the one in the preferences, else the table's or the model's own
    `extra.base_url`.
    """

    def run(self, request: RenderRequest, cancel: CancelToken) -> Iterator[Event]:
        noticed = False
        for event in super().run(request, cancel):
            if isinstance(event, Result) and not noticed:
                asked = event.info.get("asked", {}).get("size", "")
                if asked not in ("", f"{event.width}x{event.height}"):
                    noticed = True
                    yield Notice(
                        f"The server gave {event.width} × {event.height} pixels instead of "
                        f"{asked.replace('x', ' × ')}."
                    )
            yield event

    def check(self, cancel: CancelToken, endpoint: str = "") -> str:
        """Ask the server for its models. A sentence for the user."""
        names = self.model_names(cancel, endpoint)
        shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
        return f"The server answers: {len(names)} models ({errors.plain(shown, 200)})."

    def model_list(self, cancel: CancelToken, endpoint: str = "") -> list[Listed]:
        where = access(self._settings, endpoint or "compatible")
        return listed_models(where, cancel, self._settings.online_access, self._label(where))

    def _access(self, model: Model) -> Access:
        return access(self._settings, endpoint_name(model), str(model.extra.get("base_url", "")))

    def _label(self, where: Access) -> str:
        known = where.provider.id in self._settings.models().providers
        return where.provider.label if known else "The server"

    def _worked_out(
        self, model: Model, request: RenderRequest, where: Access, cancel: CancelToken
    ) -> ProviderCall:
        call = super()._worked_out(model, request, where, cancel)
        return replace(call, without=frozenset(where.provider.without))

    def _make(self, call: ProviderCall) -> Iterator[Event]:
        for _ in range(_MOST_TRIES):
            problem: errors.Rejected | None = None
            try:
                yield from super()._make(call)
                return
            except errors.Rejected as error:
                problem = error
            if call.editing and problem.status in _NO_SUCH_PLACE and "model" not in problem.why:
                raise errors.Rejected(
                    "The server cannot start from an image.",
                    "It has no image edits.",
                    "Leave the canvas and the references out, or choose another server or model.",
                )
            which = self._give_up(problem, call)
            if which is None:
                raise problem.with_traceback(None)
            if which == "images":
                call = _only_first(call)
                yield Notice(
                    "The server takes a single image: the guides and references were left out."
                )
                continue
            call = replace(call, without=call.without | {which})
            if which == "n":
                yield Notice("The server makes one image at a time: asking for each.")
                yield from self._one_by_one(call)
                return
            if which not in ("partial_images", "stream", "response_format"):
                yield Notice(f'The server does not take "{which}": it was left out.')
        raise errors.rejected(self._label(call.where))

    def _one_by_one(self, call: ProviderCall) -> Iterator[Event]:
        def single(number: int) -> Work:
            return lambda token: OpenAIBackend._make(
                self, replace(call, count=1, first=call.first + number, cancel=token)
            )

        # One after another: it is one computer that draws them.
        yield from in_parallel(
            [single(number) for number in range(call.count)], call.cancel, at_once=1
        )

    def _give_up(self, problem: errors.Rejected, call: ProviderCall) -> str | None:
        """What to leave out after this rejection; None where nothing would help."""
        status, text = problem.status, problem.text.lower()
        sent = set(self._parameters(call))
        if self._partials(call):
            sent |= {"stream", "partial_images"}
        named = [name for name in (*_OPTIONAL, "n") if name in sent and _names(text, name)]
        if named:
            return named[0]
        if status not in (400, 415, 422):
            return None
        if len(call.attached.images) > 1 and re.search(r"\bimages?\b", text):
            return "images"
        # Never the size: that would be another picture, and it may be paid for.
        optional = (name for name in (*_OPTIONAL, "n") if name != "size")
        return next((name for name in optional if name in sent), None)

    def _partials(self, call: ProviderCall) -> int:
        if call.without & {"stream", "partial_images"}:
            return 0
        return super()._partials(call)

    def _parameters(self, call: ProviderCall) -> dict[str, Any]:
        parameters = super()._parameters(call)
        if "response_format" not in call.without:
            parameters["response_format"] = "b64_json"
        return parameters


def _names(text: str, parameter: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(parameter)}(?![\w-])", text) is not None


def _only_first(call: ProviderCall) -> ProviderCall:
    attached = replace(call.attached, images=call.attached.images[:1])
    # The lines about images that no longer go along would mislead the model.
    gone = prompt.describe(call.attached.roles, call.request.closeness)[1:]
    kept = [line for line in call.prompt.splitlines() if line not in gone]
    return replace(call, attached=attached, prompt="\n".join(kept))
