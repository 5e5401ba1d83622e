# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ComfyUI server answers, field by field: how our protocol server is held to the real one.

`python -m tests.servers.comfyui_fields DIR` talks with a real one, from a folder that holds its
source, and writes `comfyui_fields.json`; `tests/pure/test_comfyui_fields.py` compares.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genai_render.backends.http.settings import BackendSettings, Endpoint
from genai_render.backends.self_hosted.comfyui.client import ComfyClient, Message
from genai_render.backends.self_hosted.servers import servers_of
from genai_render.core.events import CancelToken
from genai_render.core.image import images

from .client import image
from .comfyui_real import running

RECORDED = Path(__file__).with_suffix(".json")
_UNTIL = ("execution_success", "execution_error", "execution_interrupted")
_IDS = ("outputs", "node_errors", "nodes")  # what these hold goes by the ids of nodes


def recorded() -> dict[str, Any]:
    return json.loads(RECORDED.read_text(encoding="utf-8"))


def shape(value: Any, by_id: bool = False) -> Any:
    """What a value is made of: the types of all its fields. by_id: its keys are ids."""
    if isinstance(value, Mapping):
        if by_id:
            return {"*": shape(next(iter(value.values())))} if value else {}
        return {str(key): shape(inner, key in _IDS) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [shape(inner) for inner in value]
    if isinstance(value, bool):
        return "bool"
    if value is None:
        return "null"
    return "number" if isinstance(value, int | float) else type(value).__name__


def differences(ours: Any, theirs: Any, where: str = "") -> list[str]:
    """What ours has that theirs has not, or has otherwise. Theirs may have more, and may leave
    empty what depends on the machine, such as the number of a GPU."""
    if theirs == "null":
        return []
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            text
            for key, inner in ours.items()
            for text in (
                differences(inner, theirs[key], f"{where}.{key}")
                if key in theirs
                else [f"{where}.{key} is not there"]
            )
        ]
    if isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) > len(theirs) and theirs:
            ours = ours[: len(theirs)]
        pairs = enumerate(zip(ours, theirs, strict=False))
        return [t for n, (a, b) in pairs for t in differences(a, b, f"{where}[{n}]")]
    return [] if ours == theirs else [f"{where} is {ours}, not {theirs}"]


def conversation(origin: str) -> dict[str, Any]:
    """The shape of everything that our client asks of a server and hears from it."""
    endpoint = Endpoint(base_url=origin, needs_key=False)
    (server,) = servers_of(BackendSettings(False, {"comfyui:It": endpoint}), "comfyui")
    said: dict[str, Any] = {
        "GET /system_stats": _ask(origin, "/system_stats"),
        "GET /queue, idle": _ask(origin, "/queue"),
        "GET /object_info of no node": _ask(origin, "/object_info/NoSuchNode"),
        "GET /history of no job": _ask(origin, f"/history/{uuid.uuid4()}"),
        "GET /view of no file": _ask(origin, "/view?filename=none.png&type=output", "status"),
        "GET /nothing": _ask(origin, "/nothing", "status"),
    }
    with ComfyClient(server.where, "It", CancelToken(), False) as client:
        name = client.upload("fields.png", image())
        good = _slow(name, uuid.uuid4().int % 2**31)
        said["POST /prompt, good"] = _ask(origin, "/prompt", body=_body(good))
        _until_idle(origin)
        unknown = {**good, "2": {"class_type": "NoSuchNode", "inputs": {"image": ["1", 0]}}}
        said["POST /prompt, no such node"] = _ask(origin, "/prompt", body=_body(unknown))
        wrong = _slow(name, 1)
        wrong["2"]["inputs"]["steps"] = 5000
        said["POST /prompt, value too large"] = _ask(origin, "/prompt", body=_body(wrong))
        del wrong["2"]["inputs"]["steps"]
        said["POST /prompt, input missing"] = _ask(origin, "/prompt", body=_body(wrong))
        lost = _slow("no such file.png", 1)
        said["POST /prompt, no such image"] = _ask(origin, "/prompt", body=_body(lost))
        ended = {**good}
        del ended["3"]
        said["POST /prompt, no outputs"] = _ask(origin, "/prompt", body=_body(ended))
        failing = {**good, "2": {"class_type": "GenAIFail", "inputs": {"image": ["1", 0]}}}
        failing["2"]["inputs"]["how"] = "bug"
        for what, graph, stop in (
            ("done", _slow(name, uuid.uuid4().int % 2**31), False),
            ("failed", failing, False),
            ("interrupted", _slow(name, uuid.uuid4().int % 2**31, 500), True),
        ):
            said |= _job(client, origin, what, graph, stop)
    return said


def _job(
    client: ComfyClient, origin: str, what: str, graph: dict[str, Any], stop: bool
) -> dict[str, Any]:
    """A job from its start to its end, with all that the websocket tells of it."""
    said: dict[str, Any] = {}
    me, id = uuid.uuid4().hex, str(uuid.uuid4())
    listener = client.listen(me)
    try:
        client.submit(graph, me, id, {})
        ends, kind = time.monotonic() + 60, ""
        while kind not in _UNTIL and time.monotonic() < ends:
            message: Message | None = listener.next(0.5)
            if message is None:
                continue
            kind = message.kind
            if message.preview:
                said.setdefault("websocket preview", images.probe(message.preview).mime)
            elif message.prompt_id in ("", id):
                said.setdefault(f"websocket {kind}", shape(message.data))
            if kind == "progress":
                said.setdefault("GET /queue, running", _ask(origin, "/queue"))
                if stop:
                    _ask(origin, "/interrupt", body={"prompt_id": id})
    finally:
        listener.close()
    _until_idle(origin)
    while not (history := _get(origin, f"/history/{id}")):
        time.sleep(0.05)
    entry = history[id]
    messages = entry["status"].pop("messages")
    said[f"GET /history, {what}"] = shape(entry)
    said |= {f"history's {kind}": shape(data) for kind, data in messages}
    for output in entry["outputs"].values():
        file = output["images"][0]
        query = "&".join(f"{key}={value}" for key, value in file.items())
        said["GET /view"] = _ask(origin, f"/view?{query}", "status")
    return said


def _slow(name: str, seed: int, steps: int = 2) -> dict[str, Any]:
    slow = {"image": ["1", 0], "steps": steps, "seconds": 0.1, "seed": seed}
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "GenAISlow", "inputs": slow},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "f"}},
    }


def _body(graph: dict[str, Any]) -> dict[str, Any]:
    return {"prompt": graph, "client_id": "fields", "prompt_id": str(uuid.uuid4())}


def _until_idle(origin: str) -> None:
    queue = {"queue_running": [1]}
    while queue["queue_running"] or queue["queue_pending"]:
        queue = _get(origin, "/queue")
        time.sleep(0.05)


def _get(origin: str, path: str) -> Any:
    with urllib.request.urlopen(origin + path, timeout=30) as answer:
        return json.loads(answer.read())


def _ask(origin: str, path: str, want: str = "body", body: Any = None) -> Any:
    """The status of an answer, and what it is made of."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(origin + path, data, timeout=30) as answer:
            status, kind, text = answer.status, answer.headers.get_content_type(), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, kind, text = error.code, error.headers.get_content_type(), error.read()
    if want == "status" or not text:
        return {"status": str(status)} | ({"type": kind} if status == 200 and text else {})
    return {"status": str(status), "type": kind, "body": shape(json.loads(text))}


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(sys.argv[1]).resolve(), Path(folder)) as server,
    ):
        said = conversation(server.origin)
    RECORDED.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
