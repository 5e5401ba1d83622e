# SPDX-License-Identifier: GPL-3.0-or-later
"""One entry of History, and its id."""

from __future__ import annotations

import re
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from .. import media

THUMBNAIL = "thumb.webp"

Status = Literal["done", "refused", "failed"]

ID = re.compile(r"(\d{4})(\d\d)\d\d-\d{6}-\d{6}-[0-9a-f]{6}", re.ASCII)
"""An id: date, time and microseconds (UTC), and chance. Its groups are the year and the month."""


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of History, as the index knows it.

    created: when it was saved, UTC. seed: the one that was used, where known.
    width, height: pixels of the image; 0 without one (status "refused" or "failed").
    cost_usd, seconds: None where unknown. ai: False where no generative model was involved.
    blend, scene, camera, frame: where in Blender it came from; the file's name, never its path.
    error, error_code: why there is no image.
    """

    id: str
    folder: Path
    status: Status
    created: datetime
    kind: str
    prompt: str
    model: str
    style: str
    seed: int | None
    width: int
    height: int
    cost_usd: float | None
    seconds: float | None
    ai: bool
    favourite: bool
    in_bin: bool
    blend: str
    scene: str
    camera: str
    frame: int
    parent: str
    session: str
    error_code: str
    error: str
    image: str

    @property
    def image_path(self) -> Path | None:
        """The provider's file, untouched; None for a refused or failed request."""
        return self.folder / self.image if self.image else None

    @property
    def thumbnail_path(self) -> Path | None:
        """A WebP of at most images.THUMBNAIL_SIDE pixels."""
        return self.folder / THUMBNAIL if self.image else None

    @property
    def media_path(self) -> Path | None:
        """The clip or the 3D model that was made; None for a picture."""
        return media.find(self.folder) if self.kind in media.KINDS and self.image else None

    def to_json(self) -> dict[str, Any]:
        """Everything but the folder, as JSON values; `created` in ISO 8601."""
        names = (name for name in self.__slots__ if name != "folder")
        values = {name: getattr(self, name) for name in names}
        values["created"] = self.created.isoformat()
        return values


_last_microsecond = 0
_id_lock = threading.Lock()


def new_id() -> str:
    """An id that sorts by time and that no other process can have: safe as a file's name."""
    global _last_microsecond
    with _id_lock:
        now = max(time.time_ns() // 1000, _last_microsecond + 1)
        _last_microsecond = now
    seconds, microseconds = divmod(now, 10**6)
    stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{microseconds:06}-{secrets.token_hex(3)}"


def time_of(item_id: str) -> datetime:
    """When an item got its id, UTC."""
    return datetime.strptime(item_id[:22], "%Y%m%d-%H%M%S-%f").replace(tzinfo=UTC)
