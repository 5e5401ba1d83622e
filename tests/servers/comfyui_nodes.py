# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes for a real ComfyUI in tests: slow, failing, out of memory. Put in its custom_nodes folder.

Imported by ComfyUI only: nothing of genai_render can be used here.
"""

import time


class GenAISlow:
    """Passes an image on after some steps, with progress and a preview at each."""

    CATEGORY = "genai_render tests"
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802
        return {
            "required": {
                "image": ("IMAGE",),
                "steps": ("INT", {"default": 5, "min": 1, "max": 1000}),
                "seconds": ("FLOAT", {"default": 0.1, "min": 0.0, "max": 10.0}),
                "seed": ("INT", {"default": 0, "min": 0, "max": 2**32}),
            }
        }

    def run(self, image, steps, seconds, seed):
        import comfy.model_management
        import comfy.utils
        from PIL import Image

        bar = comfy.utils.ProgressBar(steps)
        for step in range(steps):
            comfy.model_management.throw_exception_if_processing_interrupted()
            time.sleep(seconds)
            shown = Image.new("RGB", (64, 48), (255 * step // steps, 80, 80))
            bar.update_absolute(step + 1, steps, ("JPEG", shown, 64))
        return (image,)


class GenAIFail:
    """Fails, as a node with a bug or one for which the memory does not suffice."""

    CATEGORY = "genai_render tests"
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802
        return {"required": {"image": ("IMAGE",), "how": (["bug", "memory"],)}}

    def run(self, image, how):
        if how == "memory":
            import torch

            raise torch.OutOfMemoryError("Allocation on device")
        raise ValueError("something in the node broke")


NODE_CLASS_MAPPINGS = {"GenAISlow": GenAISlow, "GenAIFail": GenAIFail}
