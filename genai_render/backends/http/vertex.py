# SPDX-License-Identifier: GPL-3.0-or-later
"""Vertex AI in place of Google's Gemini API: which project, where, and with which login.

The login is what Google calls application default credentials: a file that `gcloud auth
application-default login` writes, or one of a service account.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...core.errors import CredentialsError, InvalidInput

SWITCHES = ("GOOGLE_GENAI_USE_ENTERPRISE", "GOOGLE_GENAI_USE_VERTEXAI")
"""Environment variables that turn it on, as Google's SDK reads them: the first that is set."""

ADDRESS = "GOOGLE_VERTEX_BASE_URL"
"""Environment variable with another address than Google's own, as Google's SDK reads it."""

LOG_IN = (
    'Run "gcloud auth application-default login" once, or choose the credentials file of a service '
    "account in the add-on's preferences (or in GOOGLE_APPLICATION_CREDENTIALS)."
)

_EVERYWHERE = "global"
_SEVERAL_REGIONS = ("us", "eu")


class Said(Protocol):
    """What the preferences say of it; empty where they say nothing."""

    @property
    def vertex(self) -> bool: ...
    @property
    def project(self) -> str: ...
    @property
    def location(self) -> str: ...
    @property
    def credentials_file(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Vertex:
    """project: its id. location: a region, or "global". file: with the credentials.

    source: where the credentials come from, in words.
    """

    project: str
    location: str
    file: Path
    source: str

    @property
    def address(self) -> str:
        """Google's own for that location."""
        if self.location == _EVERYWHERE:
            return "https://aiplatform.googleapis.com"
        if self.location in _SEVERAL_REGIONS:
            return f"https://aiplatform.{self.location}.rep.googleapis.com"
        return f"https://{self.location}-aiplatform.googleapis.com"


def is_on(endpoint: Said, environ: Mapping[str, str]) -> bool:
    """Whether the preferences or the environment say so."""
    said = next((environ[name] for name in SWITCHES if environ.get(name, "").strip()), "")
    return endpoint.vertex or said.strip().lower() in ("true", "1")


def place(endpoint: Said, environ: Mapping[str, str]) -> Vertex:
    """By the preferences, else by the environment. Nothing is opened.

    Raises InvalidInput for a project or a location that is none, CredentialsError where the project
    is missing.
    """

    def said(own: str, name: str) -> str:
        return own.strip() or environ.get(name, "").strip()

    location = said(endpoint.location, "GOOGLE_CLOUD_LOCATION") or _EVERYWHERE
    if not re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", location):
        raise InvalidInput(
            f'"{location}" is not a location of Google Cloud.',
            action='Write it as Google does, such as "us-central1" or "global".',
        )
    project = said(endpoint.project, "GOOGLE_CLOUD_PROJECT")
    if not project:
        raise CredentialsError(
            "Vertex AI needs a Google Cloud project, and none is set.",
            action="Enter the project's id in the add-on's preferences, or set "
            "GOOGLE_CLOUD_PROJECT.",
        )
    if not re.fullmatch(r"[a-z0-9.:-]+", project):
        raise InvalidInput(
            f'"{project}" is not the id of a Google Cloud project.',
            action='Take the id, such as "my-project-123", not the name.',
        )
    file = said(endpoint.credentials_file, "GOOGLE_APPLICATION_CREDENTIALS")
    if file:
        by = "the preferences" if endpoint.credentials_file.strip() else "the environment"
        return Vertex(project, location, Path(file).expanduser(), f"the credentials file of {by}")
    return Vertex(project, location, _of_gcloud(environ), "the login of this computer (gcloud)")


def check_file(vertex: Vertex) -> None:
    """Raises CredentialsError where there is no file to log in with."""
    if not vertex.file.is_file():
        where = f'There is no file "{vertex.file.name}".' if "file of" in vertex.source else ""
        raise CredentialsError("This computer has no login for Vertex AI.", where, LOG_IN)


def _of_gcloud(environ: Mapping[str, str]) -> Path:
    """Where Google's own tool keeps its login."""
    name = "application_default_credentials.json"
    if environ.get("CLOUDSDK_CONFIG"):
        return Path(environ["CLOUDSDK_CONFIG"]) / name
    if environ.get("APPDATA"):
        return Path(environ["APPDATA"]) / "gcloud" / name
    return Path(environ.get("HOME") or Path.home()) / ".config" / "gcloud" / name
