# SPDX-License-Identifier: GPL-3.0-or-later
"""A job as the panel shows it, and the viewport that it is from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...backends.http.retry import WAITING

if TYPE_CHECKING:
    from ...core.jobs import Job


@dataclass(frozen=True, slots=True)
class Place:
    """The 3D Viewport that a job's view is from: by address, compared only, never followed.

    region: which part of it, in quad view. scene: what it showed, by a number that no other scene
    of any file has in this run of Blender. view: its view matrix then, as numbers.
    """

    space: int
    region: int = 0
    scene: int = 0
    view: tuple[float, ...] = ()


@dataclass(slots=True, eq=False)
class Work:
    """A job as the panel shows it. file: see `Session.file`.

    alone: not one of a series, whose words are not the user's own: what was used of them is in
    the details of each image.
    once_more: it, or the one that it repeats, has led to another one by having left its scene.
    """

    job: Job
    place: Place | None
    file: int = 0
    fraction: float | None = None
    message: str = ""
    partial: bytes | None = None
    notices: list[str] = field(default_factory=list)
    expected: float | None = None
    said: frozenset[str] = frozenset()
    alone: bool = True
    once_more: bool = False

    @property
    def title(self) -> str:
        text = " ".join(self.job.request.prompt.split())
        return text if len(text) <= 40 else text[:39] + "…"

    @property
    def waits(self) -> bool:
        """The provider is given time before it is asked again."""
        return self.fraction is None and self.message.startswith(WAITING)

    @property
    def share(self) -> float:
        """0 to 1, from what the backend says, or from how long it took the last time."""
        if self.waits:
            return 0.0
        if self.fraction is not None:
            return max(0.0, min(1.0, self.fraction))
        if self.expected:
            return min(0.95, self.job.seconds / self.expected)
        return 0.0
