# SPDX-License-Identifier: GPL-3.0-or-later
"""A last place for an image that was paid for and cannot be kept where it should be."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import GenAIError, StorageError
from ..events import Result
from ..files import storage
from ..files.file_names import numbered
from ..image import images
from ..image.image_secrets import without_secrets

FOLDER = "genai_render-rescued"


def rescue(result: Result, first: Path | None = None) -> Path:
    """Write the image into `first`, else into a temporary folder or the user's own; where it is.

    Raises StorageError where none can be written.
    """
    data, suffix = result.image, ".bin"
    if result.media is not None:  # the picture is the user's already
        data, suffix = result.media.data, result.media.suffix
    else:
        try:
            data = without_secrets(data)
            suffix = images.probe(data).suffix
        except GenAIError:  # not an image that we know: it is the user's all the same
            pass
    name = f"genai_render-{time.strftime('%Y%m%d-%H%M%S')}"
    for folder in _folders(first):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for each in numbered(name, suffix):
                try:
                    storage.write_new_file(folder / each, data)
                except FileExistsError:
                    continue
                return folder / each
        except (OSError, StorageError):
            continue
    raise StorageError("The image could not be saved anywhere.")


def _folders(first: Path | None) -> Iterator[Path]:
    if first is not None:
        yield first
    # Not `tempfile`'s: on the command line that is a folder that goes away at the end.
    for name in ("TMPDIR", "TEMP", "TMP"):
        if os.environ.get(name):
            yield Path(os.environ[name]) / FOLDER
    if os.name != "nt":
        yield Path("/tmp") / FOLDER
        yield Path("/var/tmp") / FOLDER
    yield Path.home() / FOLDER
