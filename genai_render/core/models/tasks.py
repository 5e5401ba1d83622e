# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person may want of a model, and the groups that the list of models has for it."""

from __future__ import annotations

from typing import Literal

Task = Literal["geometry", "restyle", "edit", "text", "fast", "cheap", "cutout", "upscale"]
TASKS: dict[Task, str] = {
    "geometry": "Keep My Geometry",
    "restyle": "Restyle Freely",
    "edit": "Edit an Image",
    "text": "Text in the Image",
    "fast": "Fastest",
    "cheap": "Cheapest",
    "cutout": "Transparent Background",
    "upscale": "Enlarge",
}
"""What a person may want, and how it is called in the list of models."""

Shelf = Literal["all", "favorites", "recent"] | Task
SHELVES: dict[Shelf, str] = {
    "all": "All Models",
    "favorites": "Favorites",
    "recent": "Recent",
    **TASKS,
}
"""What the models are grouped by, as people read it."""
