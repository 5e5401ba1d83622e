# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong on a ComfyUI server, in words that say what to do there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...core.errors import GenAIError, InvalidInput, ServerError
from ..http import envelopes
from ..http import errors as http_errors
from ..http.errors import Rejected, plain, quoted

_NODES_SHOWN = 4


class ServerGone(ServerError):
    """It cannot be reached, or no longer: its job can go to another server."""

    code = "server_gone"


class WrongServer(ServerError):
    """Something answers at the address, but not what was expected there."""

    code = "wrong_server"


class UnexpectedStatus(WrongServer):
    """It, or what stands before it, answers with a status that nobody can do anything with.

    status: of HTTP.
    """

    code = "unexpected_status"
    status = 0


class MissingParts(InvalidInput):
    """The server lacks nodes or models that the workflow needs."""

    code = "missing_parts"


class InvalidWorkflow(Rejected):
    """The server refuses the workflow, or the file is none."""

    code = "invalid_workflow"


class NodeFailed(ServerError):
    """A node of the workflow failed while it ran."""

    code = "node_failed"


class OutOfMemory(ServerError):
    """The server has not enough memory for this."""

    code = "out_of_memory"


class InterruptedElsewhere(ServerError):
    """Somebody else stopped the job on the server."""

    code = "interrupted"


class QueueCleared(ServerError):
    """Somebody else removed the job from the server's queue."""

    code = "queue_cleared"


class WrongResult(ServerError):
    """The workflow ended, but not with images."""

    code = "wrong_result"


class NotAnswered(ServerError):
    """It was asked whether it has what is needed, and has not answered so far."""

    code = "not_answered"


@dataclass(frozen=True, slots=True)
class MissingPart:
    """A node class or a model file that a server lacks.

    kind: "node", "model", "setting", or "its model": of a node that is missing itself, so that the
        server cannot say whether it has the file.
    where: a model's folder under models/, or the pack that a node comes with.
    source: where to get it. others: what the server has in its place. option: the label of the
        option by which another can be chosen; "" for none.
    """

    kind: str
    name: str
    where: str = ""
    source: str = ""
    others: tuple[str, ...] = ()
    option: str = ""

    @property
    def text(self) -> str:
        place = f" ({self.where})" if self.where else ""
        source = f", from {self.source}" if self.source else ""
        return f'{self.kind} "{plain(self.name, 120)}"{place}{source}'


def asking(model: str) -> NotAnswered:
    return NotAnswered(
        f'Your servers are being asked whether they have what "{model}" needs.',
        action="Wait a moment.",
    )


def gone(label: str, why: str = "") -> ServerGone:
    return ServerGone(
        f"{label} cannot be reached.",
        why,
        "Start it, and check its address in the add-on's preferences.",
    )


def wrong_server(label: str, expected: str = "ComfyUI") -> WrongServer:
    return WrongServer(
        f"Something answers at the address of {label}, but it is not {expected}.",
        "Another program may use that port.",
        f"Check the port in the add-on's preferences: {_USUAL_PORT.get(expected, '')}",
    )


def untrusted(label: str, error: GenAIError) -> GenAIError:
    """For a certificate: what is said of it stands, with the server's name before it."""
    return type(error)(f"{label}: {error.what}", error.why, error.action)


ON_THE_WAY = (http_errors.ConnectionFailed, http_errors.ConnectionCut, http_errors.TimedOut)


def not_reached(label: str, error: GenAIError) -> GenAIError:
    """For one of ON_THE_WAY, in words for a server of one's own: nothing there costs money."""
    if isinstance(error, http_errors.ConnectionFailed) and error.certificate:
        return untrusted(label, error)
    return gone(label, f"{error.what} {error.why}".strip())


def unexpected(label: str, response: Any, expected: str) -> WrongServer:
    """For an answer that is none: a status with the server's words, or another program."""
    status = response.status_code
    words = envelopes.said_by(response.content, response.headers.get("content-type", "").lower())
    nothing_there = status == 404 and words.lower() in _NOTHING_THERE
    if status == 200 or nothing_there:
        return wrong_server(label, expected)
    if 300 <= status < 400:
        words = ""
        where = plain(response.headers.get("location", ""), 120)
        todo = f"It points to {where}: enter that address" if where else "Check its address"
        todo += " in the add-on's preferences."
    elif status == 413:
        todo = (
            "What is sent is larger than it, or a proxy before it, lets through: raise that limit "
            "(client_max_body_size of nginx), or choose a lower resolution."
        )
    else:
        todo = "Look at the server's own log, and at what stands before it, such as a proxy."
    error = UnexpectedStatus(f"{label} answered with error {status}.", quoted("It", words), todo)
    error.status = status
    return error


# What the frameworks say by themselves of an address that they do not know.
_NOTHING_THERE = ("", "not found", "404: not found", "404 not found")

_USUAL_PORT = {
    "ComfyUI": "ComfyUI's is usually 8188.",
    "A1111": "it is usually 7860, and the server has to run with --api.",
}


def missing(label: str, workflow: str, parts: Iterable[MissingPart]) -> MissingParts:
    lacking = list(parts)
    named = "; ".join(part.text for part in lacking)
    nodes = any(part.kind == "node" for part in lacking)
    models = [part for part in lacking if part.kind in ("model", "its model")]
    todo = []
    if nodes:
        todo.append("Install the missing nodes with ComfyUI's manager and start the server again.")
    if models:
        todo.append("Put the missing files into the server's models folder.")
    for part in lacking:
        if part.others and part.option:
            others = ", ".join(plain(name, 60) for name in part.others[:5])
            todo.append(
                f'In place of {plain(part.name, 120)} it has: {others}. Choose one as "'
                f'{part.option}".'
            )
    return MissingParts(
        f'{label} lacks what "{workflow}" needs.', f"Missing: {named}.", " ".join(todo)
    )


def rejected(label: str, body: Mapping[str, Any], titles: Mapping[str, str]) -> GenAIError:
    """For a prompt that did not pass validation: each node by its title, and what is wrong."""
    problems = []
    nodes = body.get("node_errors")
    if isinstance(nodes, Mapping):
        for id, entry in list(nodes.items())[:_NODES_SHOWN]:
            if not isinstance(entry, Mapping):
                continue
            title = titles.get(str(id)) or str(entry.get("class_type", id))
            for error in list(entry.get("errors") or [])[:2]:
                if isinstance(error, Mapping):
                    says = plain(
                        f"{error.get('message', '')}: {error.get('details', '')}".strip(": "), 200
                    )
                    problems.append(f'Node "{title}": {says}.')
    error = body.get("error")
    if not problems and isinstance(error, Mapping):
        says = plain(f"{error.get('message', '')} {error.get('details', '')}".strip(), 300)
        problems.append(says)
    elif not problems and error:
        problems.append(plain(error, 300))
    return InvalidWorkflow(
        f"{label} does not accept the workflow.",
        " ".join(problems),
        "Change the setting it names, or open the workflow in ComfyUI and export it again.",
    )


def failed(label: str, data: Mapping[str, Any], titles: Mapping[str, str]) -> GenAIError:
    """For an `execution_error` of the server."""
    id = str(data.get("node_id", ""))
    title = titles.get(id) or plain(data.get("node_type") or "?", 80)
    kind, says = str(data.get("exception_type", "")), plain(data.get("exception_message", ""), 300)
    if "OutOfMemory" in kind or "out of memory" in says.lower() or kind == "MemoryError":
        return OutOfMemory(
            f'{label} ran out of memory in the node "{title}".',
            "",
            "Choose a lower resolution or a smaller model, or free the memory of the server.",
        )
    return NodeFailed(
        f'The node "{title}" failed on {label}.',
        f'It says: "{says}"' if says else "",
        "Change the settings of that node, or look at the server's own log.",
    )


def interrupted(label: str) -> InterruptedElsewhere:
    return InterruptedElsewhere(
        f"Somebody stopped this job on {label}.",
        "It was interrupted there, not here.",
        "Generate again, or ask who else uses the server.",
    )


def cleared(label: str) -> QueueCleared:
    return QueueCleared(
        f"This job is no longer in the queue of {label}.",
        "Somebody cleared the queue there, or its history.",
        "Generate again.",
    )


def all_cached(label: str) -> WrongResult:
    return WrongResult(
        f"{label} had nothing to do: all of the workflow was done before with the same values.",
        "It takes the outputs from its cache and gives no image of them again.",
        "Change the prompt or an option, or give the workflow a node whose seed is set from here.",
    )


def no_images(label: str, kinds: Iterable[str]) -> WrongResult:
    outputs = ", ".join(sorted({plain(kind, 30) for kind in kinds}))
    return WrongResult(
        f"The workflow ended on {label} without an image.",
        f"It made: {outputs}." if outputs else "It made nothing.",
        "End it with a Save Image node; videos, sounds and texts are not used here.",
    )
