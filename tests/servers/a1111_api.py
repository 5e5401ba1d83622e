# SPDX-License-Identifier: GPL-3.0-or-later
"""A1111's API as A1111, Forge and SD.Next each have it: it refuses what they would.

Written after their source, where they refuse, drop or name things differently:

- lllyasviel/stable-diffusion-webui-forge, dfdcbab (2025-06-26): modules/api/api.py, models.py,
  modules/progress.py, extensions-builtin/sd_forge_controlnet. Its API is AUTOMATIC1111's own.
- Mikubill/sd-webui-controlnet, 56cec5b (2024-07-25): internal_controlnet/args.py, the extension
  that A1111 has for ControlNet.
- vladmandic/sdnext, 058a7f0 (2026-07-23): modules/api (generate.py, control.py, server.py,
  helpers.py), modules/control.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from typing import Any

import numpy as np

from genai_render.core.image import images

from .http import Answer, Received, Server

_FIELDS = {
    *("prompt", "negative_prompt", "width", "height", "steps", "cfg_scale", "seed", "batch_size"),
    *("n_iter", "sampler_name", "save_images", "send_images", "do_not_save_grid"),
    *(
        "override_settings",
        "override_settings_restore_afterwards",
        "alwayson_scripts",
        "force_task_id",
    ),
}
_FROM_IMAGE = {
    *("init_images", "denoising_strength", "resize_mode", "mask", "inpainting_fill"),
    *("inpaint_full_res", "mask_blur"),
}
# POST /sdapi/v1/control of SD.Next, and one unit of it (ItemControl)
_CONTROL = {
    *("prompt", "negative_prompt", "steps", "cfg_scale", "seed", "batch_size", "sampler_name"),
    *("width_before", "height_before", "control", "unit_type", "send_images", "save_images"),
    *("return_grid", "inits", "input_type", "denoising_strength", "extra"),
}
_CONTROL_UNIT = {"process", "model", "strength", "start", "end", "override", "unit_type", "mode"}
_SDNEXT_MODES = {
    "Xinsir Union XL": ["openpose", "depth", "scribble", "canny", "normal"],
    "InstantX Union F1": ["canny", "tile", "depth", "blur", "pose", "gray", "lq"],
}

_SAMPLERS = ("DPM++ 2M", "DPM++ SDE", "Euler a", "Euler")
_MODULES = {"a1111": ["none", "canny", "depth_midas"], "forge": ["None", "canny", "depth_midas"]}
_UNION_TYPES = (
    *("OpenPose", "Depth", "Soft Edge", "Hard Edge", "Normal Map", "Segmentation", "Tile"),
    *("Inpaint", "Unknown"),
)


class A1111Server(Server):
    """controls: the ControlNets that it has; None for a server without the extension.

    kind: "a1111", "forge" or "sdnext". pages: it has its own pages, and with them
    /internal/progress. grid: a sheet of all stands before the images. occupied: set while it
    draws for somebody else; jobs that come then wait.
    seconds: how long an image takes. fails: what it answers with instead. fewer: how many images
    less it makes, as when it is interrupted. drops: how many orders never arrive.
    """

    def __init__(
        self,
        controls: tuple[str, ...] | None = ("sd15_depth [a1]", "sd15_normalbae [b2]"),
        seconds: float = 0.0,
        fails: Answer | None = None,
        key: str | None = None,
        kind: str = "a1111",
        pages: bool = True,
        grid: bool = False,
        fewer: int = 0,
        drops: int = 0,
    ) -> None:
        super().__init__(self._handle)
        self.controls = controls
        self.seconds = seconds
        self.fails = fails
        self.key = key
        self.kind = kind
        self.pages = pages
        self.grid = grid
        self.fewer = fewer
        self.drops = drops
        self.occupied = threading.Event()
        self.made: list[dict[str, Any]] = []
        self.interrupted = threading.Event()
        self.working = 0
        self._step = 0
        self._lock = threading.Lock()
        self._current = ""
        self._pending: list[str] = []
        self.dead = False

    def kill(self) -> None:
        """As a crash would: whoever waits for an image gets no answer."""
        self.dead = True
        self.interrupted.set()
        self._closing.set()
        self._threads[0].join(5)  # the one that accepts
        self._socket.close()

    def _handle(self, request: Received) -> Answer | None:
        if self.dead:
            return None
        if self.key is not None and request.headers.get("authorization") != self.key:
            return Answer.of_json({"detail": "Incorrect username or password"}, 401)
        path = request.path.partition("?")[0]
        if path == "/sdapi/v1/progress":
            return Answer.of_json(self._progress("skip_current_image" not in request.path))
        if path == "/internal/progress" and request.method == "POST" and self.pages:
            return self._task(request.json)
        if path == "/internal/pending-tasks" and self.pages and self.kind != "sdnext":
            return Answer.of_json({"size": len(self._pending), "tasks": self._pending})
        if path == "/sdapi/v1/interrupt" and request.method == "POST":
            self.interrupted.set()
            return Answer(204, {}, b"") if self.kind == "sdnext" else Answer.of_json({})
        if path == "/sdapi/v1/sd-models":
            hash = "ab12cd34ef" + 54 * "0"
            return Answer.of_json(
                [
                    {
                        "title": f"sd/dreamer.safetensors [{hash[:10]}]",
                        "model_name": "sd_dreamer",
                        "hash": hash[:10],
                        "sha256": hash,
                        "filename": "/srv/models/sd/dreamer.safetensors",
                        "config": None,
                    }
                ]
            )
        if path == "/sdapi/v1/samplers":
            return Answer.of_json([{"name": n, "aliases": [], "options": {}} for n in _SAMPLERS])
        if path == "/sdapi/v1/memory":
            cuda = {"system": {"free": 6 * 2**30, "used": 2 * 2**30, "total": 8 * 2**30}}
            return Answer.of_json({"ram": {}, "cuda": cuda})
        answer = self._sdnext(request, path) if self.kind == "sdnext" else self._controlnet(path)
        if answer is not None:
            return answer
        if path in ("/sdapi/v1/txt2img", "/sdapi/v1/img2img") and request.method == "POST":
            if self.drops > 0:
                self.drops -= 1
                return None
            return self._make(request.json, path.endswith("img2img"))
        return Answer.of_json({"detail": "Not Found"}, 404)

    def _controlnet(self, path: str) -> Answer | None:
        if self.controls is None:
            return None
        if path == "/controlnet/model_list":
            # The list of names begins with the one for none in Forge.
            names = ["None"] * (self.kind == "forge") + list(self.controls)
            return Answer.of_json({"model_list": names})
        if path == "/controlnet/module_list":
            return Answer.of_json({"module_list": _MODULES[self.kind]})
        return None

    def _sdnext(self, request: Received, path: str) -> Answer | None:
        if path == "/sdapi/v1/version":
            return Answer.of_json({"app": "sd.next", "commit": "058a7f0", "updated": "2026-07-23"})
        if path == "/sdapi/v1/controlnets":
            return Answer.of_json(list(self.controls or ()))
        if path == "/sdapi/v1/control-modes":
            return Answer.of_json(_SDNEXT_MODES)
        if path == "/sdapi/v1/control" and request.method == "POST":
            return self._control(request.json)
        return None

    def _progress(self, with_picture: bool) -> dict[str, Any]:
        step = 5 if self.occupied.is_set() else self._step
        drawing = self.working or self.occupied.is_set()
        state = {
            "skipped": False,
            "interrupted": self.interrupted.is_set(),
            "job": "scripts_img2img" if drawing else "",
            "job_count": 1 if drawing else 0,
            "job_no": 0,
            "sampling_step": step,
            "sampling_steps": 20 if drawing else 0,
        }
        answer: dict[str, Any] = {
            "progress": step / 20,
            "eta_relative": 1.0,
            "state": state,
            "current_image": self._preview(step) if with_picture and step else None,
            "textinfo": None,
        }
        if self.kind == "sdnext":
            return {"id": "job-9", **answer}
        # It is imported by its value when the server starts, so it stays what it was then.
        return {**answer, "current_task": None}

    def _preview(self, step: int) -> str:
        tone = np.full((48, 64, 3), step * 10 % 255, np.uint8)
        return base64.b64encode(images.encode_jpeg(tone, 80)).decode()

    def _task(self, asked: dict[str, Any]) -> Answer:
        """modules/progress.py: of a job that the server was told the name of."""
        assert set(asked) <= {"id_task", "id_live_preview", "live_preview"}
        name = asked["id_task"]
        active = bool(name) and name == self._current
        waiting = list(self._pending)
        queued = name in waiting
        answer: dict[str, Any] = {"active": active, "queued": queued, "completed": False}
        if not active:
            text = "Waiting..."
            if queued:
                text = f"In queue: {waiting.index(name) + 1}/{len(waiting)}"
            return Answer.of_json(answer | {"id_live_preview": -1, "textinfo": text})
        answer |= {"progress": self._step / 20, "eta": 1.0, "textinfo": None}
        answer["id_live_preview"] = self._step
        if self._step and self._step != asked["id_live_preview"]:
            answer["live_preview"] = f"data:image/jpeg;base64,{self._preview(self._step)}"
        return Answer.of_json(answer)

    def _make(self, order: dict[str, Any], from_image: bool) -> Answer | None:
        unknown = set(order) - _FIELDS - (_FROM_IMAGE if from_image else set())
        assert not unknown, f"the real one has no {unknown}"
        if self.fails is not None:
            return self.fails
        refused = self._sampler(order["sampler_name"])
        if refused is not None:
            return refused
        if from_image:
            if not order.get("init_images"):
                return Answer.of_json({"detail": "Init image not found"}, 404)
            images.decode(base64.b64decode(order["init_images"][0]))
        scripts = order.get("alwayson_scripts", {})
        if self.kind == "sdnext":
            assert not scripts, "SD.Next drops what is meant for ControlNet's extension"
        elif "controlnet" in scripts and self.controls is None:
            return Answer.of_json({"detail": "always on script controlnet not found"}, 422)
        units = scripts.get("controlnet", {}).get("args", [])
        for unit in units:
            problem = self._unit_refused(unit)
            if problem:
                # An extension's failure is an error of the server, told by its kind alone.
                return Answer.of_json({"error": "AssertionError", "errors": problem}, 500)
        size = (order["width"], order["height"])
        guides = [unit["image"] for unit in units if unit.get("save_detected_map", True)]
        return self._draw(order, order.get("force_task_id") or "", size, guides, as_json=True)

    def _sampler(self, name: str) -> Answer | None:
        known = [one.lower() for one in _SAMPLERS]
        if name.lower() in known:
            return None
        if self.kind == "sdnext":
            return Answer.of_json({"detail": "Sampler not found"}, 404)
        if any(name.lower().startswith(f"{one} ") for one in known):
            return None  # with its scheduler behind it
        return Answer.of_json({"detail": "Sampler not found"}, 400)

    def _unit_refused(self, unit: dict[str, Any]) -> str:
        """What the extension, or Forge, says of one unit; empty when it takes it."""
        if unit["module"] not in _MODULES[self.kind]:
            return f"module({unit['module']}) not found in supported modules."
        if unit["model"] not in (self.controls or ()):
            return f"model({unit['model']}) not found in supported models."
        if self.kind == "a1111" and "image" in unit and "input_image" in unit:
            return "Conflicting fields: image, input_image"
        if not 0 <= unit["weight"] <= 2:
            return "weight"
        if unit["resize_mode"] not in ("Just Resize", "Crop and Resize", "Resize and Fill"):
            return "resize_mode"
        if unit["control_mode"] not in (
            *("Balanced", "My prompt is more important", "ControlNet is more important"),
        ):
            return "control_mode"
        if unit["guidance_start"] > unit["guidance_end"]:
            return "guidance_start > guidance_end"
        if unit.get("union_control_type", "Unknown") not in _UNION_TYPES:
            return "union_control_type"
        images.decode(base64.b64decode(unit["image"]))
        return ""

    def _control(self, order: dict[str, Any]) -> Answer | None:
        """SD.Next: the pictures are made by guides that are ready."""
        unknown = set(order) - _CONTROL
        assert not unknown, f"SD.Next drops {unknown}"
        if self.fails is not None:
            return self.fails
        assert order["sampler_name"] in _SAMPLERS, "it would take the first one without a word"
        for unit in order["control"]:
            unknown = set(unit) - _CONTROL_UNIT
            assert not unknown, f"SD.Next drops {unknown}"
            assert unit["unit_type"] == "controlnet"
            images.decode(base64.b64decode(unit["override"]))
            choices = _SDNEXT_MODES.get(unit["model"], ["default"])
            assert unit["mode"] in choices, "it would take the first one without a word"
            if unit["model"] not in (self.controls or ()):
                # Nothing is loaded, and the generator ends before it drew.
                said = {"images": [], "processed": [], "params": {}, "info": "Pipeline not set"}
                return Answer.of_json(said)
        if order.get("inits"):
            assert order["input_type"] == 2, "the init image would not be used"
            images.decode(base64.b64decode(order["inits"][0]))
        size = (order["width_before"], order["height_before"])
        return self._draw(order, "", size, [], as_json=False)

    def _draw(
        self,
        order: dict[str, Any],
        task: str,
        size: tuple[int, int],
        guides: list[str],
        as_json: bool,
    ) -> Answer | None:
        if task and self.kind != "sdnext":
            self._pending.append(task)
        while self.occupied.is_set():
            if self.dead or self._closing.wait(0.02):
                return None
        with self._lock:  # one after the other
            if task in self._pending:
                self._pending.remove(task)
            self._current = task if self.kind != "sdnext" else ""
            return self._drawn(order, size, guides, as_json)

    def _drawn(
        self, order: dict[str, Any], size: tuple[int, int], guides: list[str], as_json: bool
    ) -> Answer | None:
        self.made.append(order)
        self.working += 1
        for self._step in range(1, 21):
            if self.interrupted.wait(self.seconds / 20):
                break
        self.working -= 1
        self._current = ""
        self._step = 0
        if self.dead:
            return None
        made = []
        for number in range(order["batch_size"] - self.fewer):
            tone = np.full((size[1], size[0], 3), 40 * number, np.uint8)
            made.append(base64.b64encode(images.encode_png(tone)).decode())
        if self.grid:
            made.insert(0, base64.b64encode(images.encode_png(np.zeros((8, 8, 3), "u1"))).decode())
        if not as_json:
            info = "A house\nSteps: 20, Seed: 7, Sampler: DPM++ 2M"
            return Answer.of_json({"images": made, "processed": [], "params": {}, "info": info})
        texts = ["A house"] * len(made)
        # ControlNet puts its guides behind the images, without a text about them.
        made += guides
        seeds = [order["seed"] + number for number in range(order["batch_size"])]
        about = {
            "all_seeds": seeds,
            "sd_model_name": "dreamer",
            "job_timestamp": str(time.time()),
            "index_of_first_image": 1 if self.grid else 0,
            "infotexts": texts,
        }
        return Answer.of_json({"images": made, "parameters": {}, "info": json.dumps(about)})
