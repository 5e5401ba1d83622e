# SPDX-License-Identifier: GPL-3.0-or-later
"""ComfyUI's server, as its source has it: queue, history, websocket, uploads; without torch.

Runs the nodes that the tests use on plain pixels. `tests/pure/test_comfyui.py` runs the same tests
against a real ComfyUI with `--comfyui=DIR`, which is how its fields are known to be right.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import queue
import re
import struct
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image

from genai_render.core.image import images

from .http import Answer, Pause, Received, Server

_ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def _combo(*names: str) -> list[Any]:
    return [list(names)]


NODES: dict[str, dict[str, Any]] = {
    "LoadImage": {"required": {"image": [[], {"image_upload": True}]}},
    "LoadImageMask": {
        "required": {
            "image": [[], {"image_upload": True}],
            "channel": _combo("alpha", "red", "green", "blue"),
        }
    },
    "ImageBlend": {
        "required": {
            "image1": ["IMAGE"],
            "image2": ["IMAGE"],
            "blend_factor": ["FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0}],
            "blend_mode": _combo("normal", "multiply", "screen"),
        }
    },
    "ImageScale": {
        "required": {
            "image": ["IMAGE"],
            "upscale_method": _combo("nearest-exact", "bilinear", "area", "bicubic", "lanczos"),
            "width": ["INT", {"default": 512, "min": 0, "max": 16384}],
            "height": ["INT", {"default": 512, "min": 0, "max": 16384}],
            "crop": _combo("disabled", "center"),
        }
    },
    "SaveImage": {
        "required": {"images": ["IMAGE"], "filename_prefix": ["STRING", {"default": "ComfyUI"}]}
    },
    "GenAISlow": {
        "required": {
            "image": ["IMAGE"],
            "steps": ["INT", {"default": 5, "min": 1, "max": 1000}],
            "seconds": ["FLOAT", {"default": 0.1, "min": 0.0, "max": 10.0}],
            "seed": ["INT", {"default": 0, "min": 0, "max": 0xFFFFFFFFFFFFFFFF}],
        }
    },
    "GenAIFail": {"required": {"image": ["IMAGE"], "how": _combo("bug", "memory")}},
    "CheckpointLoaderSimple": {"required": {"ckpt_name": [[], {}]}},
    "UpscaleModelLoader": {"required": {"model_name": ["COMBO", {"options": []}]}},
    "ImageUpscaleWithModel": {"required": {"upscale_model": ["UPSCALE_MODEL"], "image": ["IMAGE"]}},
    "SaveText": {"required": {"text": ["STRING", {}]}},
}
_OUTPUT_NODES = ("SaveImage", "SaveText")


class Interrupted(Exception):
    """As InterruptProcessingException there."""


class ComfyUIServer(Server):
    """jobs_api: as the newer servers have. key: what the Authorization header has to be."""

    def __init__(self, jobs_api: bool = False, key: str | None = None) -> None:
        super().__init__(self._handle)
        self.jobs_api = jobs_api
        self.key = key
        self.nodes = copy.deepcopy(NODES)
        self.files: dict[str, bytes] = {}
        self.pending: list[tuple[int, str, dict[str, Any], dict[str, Any]]] = []
        self.executing: tuple[int, str, dict[str, Any], dict[str, Any]] | None = None
        self.finished: dict[str, dict[str, Any]] = {}
        self.submitted: list[str] = []
        self.sockets: dict[str, queue.SimpleQueue[bytes | None]] = {}
        self.sockets_opened = 0
        self.interrupts: list[dict[str, Any]] = []
        self._number = 0
        self._interrupt = threading.Event()
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._saved = 0
        self.dead = False
        self.cuts: list[str] = []  # "before" or "after" it was read: what happens to each order
        self.chooses_ids = False  # as the older ones did
        self.websocket: Answer | None = None  # what answers in place of one
        self.all_cached = False
        self.views_left = -1  # how many finished images it hands out before it dies; -1: all

    def __enter__(self) -> ComfyUIServer:
        super().__enter__()
        self._start(self._work)
        return self

    def __exit__(self, *problem: object) -> None:
        self._end()
        super().__exit__(*problem)

    def kill(self) -> None:
        """As a crash would: no answer any more, the queue and history are lost."""
        self.dead = True
        self._end()
        self._closing.set()
        self._threads[0].join(5)  # the one that accepts
        self._socket.close()

    def _end(self) -> None:
        self._stop.set()
        self._interrupt.set()
        self.drop_sockets()

    def drop_sockets(self) -> None:
        with self._lock:
            for box in self.sockets.values():
                box.put(None)
            self.sockets.clear()

    def clear_queue(self) -> None:
        """As somebody does in ComfyUI's window."""
        with self._lock:
            self.pending.clear()

    # ---- HTTP -----------------------------------------------------------------------------------

    def _handle(self, request: Received) -> Answer | None:
        if self.dead:
            return None
        if self.key is not None and request.headers.get("authorization") != self.key:
            return Answer(401, {"content-type": "text/plain"}, b"401: Unauthorized")
        path, method = request.path, request.method
        if path == "/ws":
            return self.websocket or self._open_socket(request)
        if path == "/system_stats":
            return Answer.of_json(_STATS)
        if path == "/queue" and method == "GET":
            with self._lock:
                running = [] if self.executing is None else [[*self.executing, []]]
                waiting = [[*item, []] for item in self.pending]
            return Answer.of_json({"queue_running": running, "queue_pending": waiting})
        if path == "/queue":
            for id in request.json.get("delete", []):
                self._dequeue(id)
            if request.json.get("clear"):
                self.clear_queue()
            return Answer(200)
        if path == "/interrupt":
            self.interrupts.append(request.json if request.body else {})
            self._interrupt_if(self.interrupts[-1].get("prompt_id"))
            return Answer(200)
        if path == "/upload/image":
            return self._upload(request)
        if path == "/prompt":
            return self._prompt(request)
        if path == "/view":
            if self.views_left == 0:
                self.dead = True
                return None
            self.views_left -= 1
            data = self.files.get(f"{request.query.get('type')}/{request.query['filename']}")
            return Answer(404) if data is None else Answer(200, {"content-type": "image/png"}, data)
        if found := re.fullmatch(r"/object_info/(\w+)", path):
            return Answer.of_json(self._info(found[1]))
        if path == "/history":
            with self._lock:
                return Answer.of_json(dict(list(self.finished.items())[-20:]))
        if found := re.fullmatch(r"/history/([\w-]+)", path):
            with self._lock:
                kept = {i: entry for i, entry in self.finished.items() if i == found[1]}
            return Answer.of_json(kept)
        if self.jobs_api and (found := re.fullmatch(r"/api/jobs/([\w-]+)(/cancel)?", path)):
            return self._cancel(found[1]) if found[2] else self._job(found[1])
        return Answer(404, {"content-type": "text/plain"}, b"404: Not Found")

    def _info(self, name: str) -> dict[str, Any]:
        if name not in self.nodes:
            return {}
        return {name: {"input": self.nodes[name], "name": name, "output_node": name[:4] == "Save"}}

    def _upload(self, request: Received) -> Answer:
        parts = {part.name: part for part in request.fields}
        image, folder = parts["image"], parts["subfolder"].text
        assert image.file_name is not None
        stem, _, suffix = image.file_name.rpartition(".")
        name, number = image.file_name, 1
        while self.files.get(f"input/{folder}/{name}", image.data) != image.data:
            name, number = f"{stem} ({number}).{suffix}", number + 1
        self.files[f"input/{folder}/{name}"] = image.data
        return Answer.of_json({"name": name, "subfolder": folder, "type": "input"})

    def _prompt(self, request: Received) -> Answer:
        cut = self.cuts.pop(0) if self.cuts else ""
        if cut == "before":
            return None
        body = request.json
        graph = body["prompt"]
        error, node_errors = self._validate(graph)
        if error is not None:
            return Answer.of_json({"error": error, "node_errors": node_errors}, 400)
        id = str(uuid.uuid4() if self.chooses_ids else body.get("prompt_id", uuid.uuid4()))
        assert str(uuid.UUID(id)) == id, "newer servers take no other form"
        extra = {**body.get("extra_data", {}), "client_id": body.get("client_id")}
        with self._lock:
            number, self._number = self._number, self._number + 1
            self.pending.append((number, id, graph, extra))
            self.submitted.append(id)
        if cut == "after":
            return None
        return Answer.of_json({"prompt_id": id, "number": number, "node_errors": {}})

    def _validate(self, graph: Mapping[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        for id, node in graph.items():
            kind = node["class_type"]
            if kind not in self.nodes:
                says = f"Cannot execute because node {kind} does not exist."
                return _fault("invalid_prompt", says, f"Node ID '#{id}'"), {}
        if not any(node["class_type"] in _OUTPUT_NODES for node in graph.values()):
            return _fault("prompt_no_outputs", "Prompt has no outputs", ""), {}
        wrong: dict[str, Any] = {}
        for id, node in graph.items():
            found = list(self._faults(node, graph))
            if found:
                wrong[id] = {
                    "errors": found,
                    "dependent_outputs": [],
                    "class_type": node["class_type"],
                }
        if not wrong:
            return None, {}
        says = "Prompt outputs failed validation"
        return _fault("prompt_outputs_failed_validation", says, ""), wrong

    def _faults(
        self, node: Mapping[str, Any], graph: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        for name, (kind, *more) in self.nodes[node["class_type"]].get("required", {}).items():
            value = node["inputs"].get(name)
            about = more[0] if more else {}
            if value is None:
                yield _fault("required_input_missing", "Required input is missing", name)
            elif isinstance(value, list):
                if value[0] not in graph:
                    yield _fault("bad_linked_input", "Bad linked input", name)
            elif about.get("image_upload"):
                if f"input/{value}" not in self.files:
                    details = f"{name} - Invalid image file: {value}"
                    yield _fault("custom_validation_failed", "Custom validation failed", details)
            elif kind in ("INT", "FLOAT"):
                if value > about.get("max", value):
                    most = about["max"]
                    says = f"Value {value} bigger than max of {most}"
                    yield _fault("value_bigger_than_max", says, name)
            elif isinstance(kind, list) and value not in kind:
                yield _fault("value_not_in_list", "Value not in list", f"{name}: '{value}'")

    # ---- the jobs API -------------------------------------------------------------------------

    def _job(self, id: str) -> Answer:
        with self._lock:
            if self.executing is not None and self.executing[1] == id:
                return Answer.of_json({"id": id, "status": "in_progress", "outputs_count": 0})
            if any(item[1] == id for item in self.pending):
                return Answer.of_json({"id": id, "status": "pending", "outputs_count": 0})
            entry = self.finished.get(id)
        if entry is None:
            return Answer.of_json({"error": "Job not found"}, 404)
        events = dict(entry["status"]["messages"])
        status = "completed"
        if entry["status"]["status_str"] == "error":
            status = "cancelled" if "execution_interrupted" in events else "failed"
        body = {"id": id, "status": status, "outputs": entry["outputs"]}
        if "execution_error" in events:
            body["execution_error"] = events["execution_error"]
        return Answer.of_json(body)

    def _cancel(self, id: str) -> Answer:
        return Answer.of_json({"cancelled": self._interrupt_if(id) or self._dequeue(id)})

    def _dequeue(self, id: str) -> bool:
        with self._lock:
            kept = [item for item in self.pending if item[1] != id]
            gone = len(kept) < len(self.pending)
            self.pending = kept
        return gone

    def _interrupt_if(self, id: str | None) -> bool:
        with self._lock:
            if id is None or (self.executing is not None and self.executing[1] == id):
                self._interrupt.set()
                return True
        return False

    # ---- the websocket ------------------------------------------------------------------------

    def _open_socket(self, request: Received) -> Answer:
        nonce = request.headers["sec-websocket-key"]
        accept = base64.b64encode(hashlib.sha1((nonce + _ACCEPT).encode()).digest()).decode()
        box: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        id = request.query["clientId"]
        with self._lock:
            self.sockets[id] = box
            self.sockets_opened += 1
        box.put(_text("status", {"status": {"exec_info": {"queue_remaining": 0}}, "sid": id}))

        def frames() -> Iterator[Any]:
            while not self._stop.is_set():
                try:
                    frame = box.get_nowait()
                except queue.Empty:
                    yield Pause(0.02)
                    continue
                if frame is None:
                    return
                yield frame

        headers = {"upgrade": "websocket", "sec-websocket-accept": accept}
        return Answer(101, headers, frames())

    def tell(self, client: str | None, kind: str, data: dict[str, Any]) -> None:
        self._tell(client, _text(kind, data))

    def _tell_state(
        self, client: str | None, id: str, node: str, state: str, value: int, most: int
    ) -> None:
        about = {"value": value, "max": most, "state": state, "node_id": node, "prompt_id": id}
        about |= {"display_node_id": node, "parent_node_id": None, "real_node_id": node}
        self.tell(client, "progress_state", {"prompt_id": id, "nodes": {node: about}})

    def _tell(self, client: str | None, frame: bytes) -> None:
        with self._lock:
            boxes = [self.sockets[client]] if client in self.sockets else []
        for box in boxes:
            box.put(frame)

    # ---- execution ----------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                if self.pending:
                    self.executing = self.pending.pop(0)
                    self._interrupt.clear()
            if self.executing is None:
                time.sleep(0.01)
                continue
            self._execute(*self.executing)

    def _execute(self, number: int, id: str, graph: dict[str, Any], extra: dict[str, Any]) -> None:
        client = extra.get("client_id")
        messages: list[tuple[str, dict[str, Any]]] = []

        def add(kind: str, **data: Any) -> None:
            messages.append((kind, {"prompt_id": id, **data, "timestamp": int(time.time() * 1000)}))
            self.tell(client, *messages[-1])

        made: dict[str, Any] = {}
        outputs: dict[str, Any] = {}
        node_id, good, node = "", True, {"class_type": ""}
        add("execution_start")
        add("execution_cached", nodes=list(graph) if self.all_cached else [])
        try:
            for node_id in [] if self.all_cached else _in_order(graph):
                node = graph[node_id]
                executing = {"node": node_id, "display_node": node_id, "prompt_id": id}
                self.tell(client, "executing", executing)
                self._tell_state(client, id, node_id, "running", 0, 1)
                made[node_id] = self._run(node, made, client, id, node_id)
                self._tell_state(client, id, node_id, "finished", 1, 1)
                if node["class_type"] in _OUTPUT_NODES:
                    outputs[node_id] = made[node_id]
                    told = {"node": node_id, "output": made[node_id], "prompt_id": id}
                    self.tell(client, "executed", told)
            add("execution_success")
        except Interrupted:
            good = False
            add("execution_interrupted", node_id=node_id, node_type=node["class_type"], executed=[])
        except Exception as error:
            good = False
            kind = "torch.OutOfMemoryError" if "memory" in str(error) else type(error).__name__
            add(
                "execution_error",
                node_id=node_id,
                node_type=node["class_type"],
                exception_message=str(error),
                exception_type=kind,
                traceback=[],
                current_inputs={},
            )
        with self._lock:
            if not self.dead:
                self.finished[id] = {
                    "prompt": [number, id, graph, extra, []],
                    "outputs": outputs,
                    "status": {
                        "status_str": "success" if good else "error",
                        "completed": good,
                        "messages": [list(message) for message in messages],
                    },
                }
            self.executing = None
        self.tell(client, "executing", {"node": None, "prompt_id": id})

    def _run(
        self, node: dict[str, Any], made: dict[str, Any], client: str | None, id: str, node_id: str
    ) -> Any:
        kind = node["class_type"]
        given = {
            name: made[value[0]] if isinstance(value, list) else value
            for name, value in node["inputs"].items()
        }
        if kind == "LoadImage":
            return images.decode(self.files[f"input/{given['image']}"])[..., :3]
        if kind == "ImageBlend":
            one, other = given["image1"].astype(np.float32), given["image2"].astype(np.float32)
            share = given["blend_factor"]
            return np.clip(one * (1 - share) + other * share, 0, 255).astype(np.uint8)
        if kind == "ImageScale":
            size = (given["width"], given["height"])
            return np.asarray(Image.fromarray(given["image"]).resize(size))
        if kind == "GenAISlow":
            for step in range(given["steps"]):
                if self._interrupt.wait(given["seconds"]):
                    raise Interrupted
                self._tell_state(client, id, node_id, "running", step + 1, given["steps"])
                data = {"value": step + 1, "max": given["steps"], "node": node_id, "prompt_id": id}
                self.tell(client, "progress", data)
                preview = images.encode_jpeg(np.full((48, 64, 3), step * 9 % 255, np.uint8), 80)
                self._tell(client, _frame(2, struct.pack(">II", 1, 1) + preview))
            return given["image"]
        if kind == "GenAIFail":
            how = given["how"]
            raise ValueError("out of memory" if how == "memory" else "something in the node broke")
        if kind == "SaveText":
            return {"text": [given["text"]]}
        if kind == "SaveImage":
            self._saved += 1
            name = f"{given['filename_prefix']}_{self._saved:05d}_.png"
            self.files[f"output/{name}"] = images.encode_png(given["images"])
            return {"images": [{"filename": name, "subfolder": "", "type": "output"}]}
        raise AssertionError(f"{kind} is not made here")


def _in_order(graph: Mapping[str, Any]) -> list[str]:
    done: list[str] = []
    while len(done) < len(graph):
        for id, node in graph.items():
            links = [v[0] for v in node["inputs"].values() if isinstance(v, list)]
            if id not in done and all(link in done for link in links):
                done.append(id)
    return done


def _fault(kind: str, message: str, details: str) -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": {}}


def _text(kind: str, data: dict[str, Any]) -> bytes:
    return _frame(1, json.dumps({"type": kind, "data": data}).encode())


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | opcode, size])
    elif size < 65536:
        head = bytes([0x80 | opcode, 126]) + struct.pack(">H", size)
    else:
        head = bytes([0x80 | opcode, 127]) + struct.pack(">Q", size)
    return head + payload


_STATS = {
    "system": {"os": "posix", "comfyui_version": "0.3.64", "ram_total": 2**34, "ram_free": 2**33},
    "devices": [
        {
            "name": "cuda:0 Test GPU",
            "type": "cuda",
            "index": 0,
            "vram_total": 24 * 2**30,
            "vram_free": 20 * 2**30,
            "torch_vram_total": 0,
            "torch_vram_free": 0,
        }
    ],
}
