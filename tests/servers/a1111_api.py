# SPDX-License-Identifier: GPL-3.0-or-later
"""A1111's API, as Forge and SD.Next have it too: it refuses what the real one would."""

from __future__ import annotations

import base64
import json
import threading
import time
from typing import Any

import numpy as np

from genai_render.core import images

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


class A1111Server(Server):
    """controls: the ControlNets that it has; None for a server without the extension.

    seconds: how long an image takes. fails: what it answers with instead.
    """

    def __init__(
        self,
        controls: tuple[str, ...] | None = ("sd15_depth [a1]", "sd15_normalbae [b2]"),
        seconds: float = 0.0,
        fails: Answer | None = None,
        key: str | None = None,
    ) -> None:
        super().__init__(self._handle)
        self.controls = controls
        self.seconds = seconds
        self.fails = fails
        self.key = key
        self.made: list[dict[str, Any]] = []
        self.interrupted = threading.Event()
        self.working = 0
        self._step = 0
        self.task: str | None = None
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
        path = request.path
        if path == "/sdapi/v1/progress":
            return Answer.of_json(self._progress())
        if path == "/sdapi/v1/interrupt" and request.method == "POST":
            self.interrupted.set()
            return Answer.of_json({})
        if path == "/sdapi/v1/sd-models":
            return Answer.of_json(
                [{"title": "dreamer.safetensors [1234]", "model_name": "dreamer"}]
            )
        if path == "/sdapi/v1/memory":
            cuda = {"system": {"free": 6 * 2**30, "used": 2 * 2**30, "total": 8 * 2**30}}
            return Answer.of_json({"ram": {}, "cuda": cuda})
        if path == "/controlnet/model_list" and self.controls is not None:
            return Answer.of_json({"model_list": list(self.controls)})
        if path in ("/sdapi/v1/txt2img", "/sdapi/v1/img2img") and request.method == "POST":
            return self._make(request.json, path.endswith("img2img"))
        return Answer.of_json({"detail": "Not Found"}, 404)

    def _progress(self) -> dict[str, Any]:
        picture = None
        if self._step:
            tone = np.full((48, 64, 3), self._step * 10 % 255, np.uint8)
            picture = base64.b64encode(images.encode_jpeg(tone, 80)).decode()
        return {
            "progress": self._step / 20,
            "eta_relative": 1.0,
            "state": {
                "skipped": False,
                "interrupted": self.interrupted.is_set(),
                "job": "scripts_img2img" if self.working else "",
                "job_count": self.working,
                "job_no": 0,
                "sampling_step": self._step,
                "sampling_steps": 20 if self.working else 0,
            },
            "current_image": picture,
            "textinfo": None,
            "current_task": self.task,
        }

    def _make(self, order: dict[str, Any], from_image: bool) -> Answer | None:
        unknown = set(order) - _FIELDS - (_FROM_IMAGE if from_image else set())
        assert not unknown, f"the real one has no {unknown}"
        if self.fails is not None:
            return self.fails
        if from_image:
            if not order.get("init_images"):
                return Answer.of_json({"detail": "Init image not found"}, 404)
            images.decode(base64.b64decode(order["init_images"][0]))
        units = order.get("alwayson_scripts", {}).get("controlnet", {}).get("args", [])
        for unit in units:
            assert unit["model"] in (self.controls or ()), "an unknown ControlNet"
            images.decode(base64.b64decode(unit["image"]))
        self.made.append(order)
        self.working += 1
        self.task = self.task or order["force_task_id"]
        for self._step in range(1, 21):
            if self.interrupted.wait(self.seconds / 20):
                break
        self.working -= 1
        self.task = None
        self._step = 0
        if self.dead:
            return None
        made = []
        for number in range(order["batch_size"]):
            tone = np.full((order["height"], order["width"], 3), 40 * number, np.uint8)
            made.append(base64.b64encode(images.encode_png(tone)).decode())
        # ControlNet puts its guides behind the images.
        made += [unit["image"] for unit in units]
        seeds = [order["seed"] + number for number in range(order["batch_size"])]
        info = {"all_seeds": seeds, "sd_model_name": "dreamer", "job_timestamp": str(time.time())}
        return Answer.of_json({"images": made, "parameters": {}, "info": json.dumps(info)})
