# SPDX-License-Identifier: GPL-3.0-or-later
"""The packs there are: those that ship, and the user's own in a folder of the add-on's."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from ...core.batch import packs
from ...core.batch.packs import Pack
from ...core.errors import GenAIError, NotFound
from ...core.files.toml_tables import suggest
from ...core.models.catalog import Catalog
from ...core.preflight import prepare
from ...core.request import RenderRequest
from .. import backend_settings
from ..settings import pack_choice
from ..settings.model_marks import marks


def known(problems: list[GenAIError] | None = None) -> dict[str, Pack]:
    """By id. problems: gets what is wrong with the user's own files, which are left out."""
    there = pack_choice.packs().known()
    if problems is not None:
        problems += pack_choice.packs().problems
    return there


def find(name: str, problems: list[GenAIError] | None = None) -> Pack:
    """By id, or a file's path. Raises NotFound, InvalidInput, StorageError."""
    if name.lower().endswith(".toml"):
        return packs.read(Path(name))
    there = known(problems)
    if name not in there:
        raise NotFound(f'There is no pack "{name}".', action=suggest(name, there))
    return there[name]


def comparable(catalog: Catalog) -> Sequence[str]:
    """The models that "all" means: those that can be used now; the favorites of them if any."""
    ready = []
    for model in catalog.offered().values():
        with contextlib.suppress(GenAIError):
            backend_settings.check_access(catalog, model, wait=False)
            plain = RenderRequest(prompt="a view", model=model.id)
            # Not those that change a picture, which have nothing to start from here.
            if prepare(model, lambda plain=plain: plain, 1.0).problem is None:
                ready.append(model.id)
    favorites = [id for id in marks().known.favorites if id in ready]
    return favorites or ready
