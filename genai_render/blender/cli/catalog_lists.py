# SPDX-License-Identifier: GPL-3.0-or-later
"""`models` and `styles`: what there is to choose from."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ...console import Console
from ...core import cost
from ..preferences import load_catalog


def models(_parsed: argparse.Namespace, console: Console) -> int:
    entries = load_catalog().models
    width = max(map(len, entries))
    for model in entries.values():
        prices = {size: cost.per_image(model, size) for size in model.resolutions}
        console.event(
            "model",
            **{
                "id": model.id,
                "label": model.label,
                "backend": model.backend,
                "description": model.description,
                "good_for": model.good_for,
                "online": model.online,
                "ai": model.ai,
                "max_references": model.max_references,
                "max_count": model.max_count,
                "resolutions": list(model.resolutions),
                "options": [asdict(option) for option in model.options],
                "usd_per_image": prices,
            },
        )
        console.line(f"{model.id:{width}}  {model.label}: {model.description}.")
        for option in model.options:
            console.line(f"{'':{width}}    --option {option.id}=…  {option.description}.")
    return 0


def styles(_parsed: argparse.Namespace, console: Console) -> int:
    entries = load_catalog().styles
    width = max(map(len, entries))
    for style in entries.values():
        console.event(
            "style",
            id=style.id,
            label=style.label,
            description=style.description,
            prompt=style.prompt,
        )
        console.line(f"{style.id:{width}}  {style.label}: {style.description}")
    return 0
