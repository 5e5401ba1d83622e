# SPDX-License-Identifier: GPL-3.0-or-later
"""Google's models through Vertex AI: which project and where, the login, and what a person reads
where it is missing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from genai_render.backends.base import check_access, create_backend
from genai_render.backends.cloud import google_login
from genai_render.backends.http.settings import BackendSettings, Endpoint, access, address_of
from genai_render.core.errors import CredentialsError, InvalidInput
from genai_render.core.events import CancelToken
from genai_render.core.keys.credentials import Credentials, redact
from genai_render.core.request import RenderRequest
from tests.servers.client import canvas, our_threads, run
from tests.servers.http import Answer, Server
from tests.servers.vertex_api import (
    CLIENT_SECRET,
    LOCATION,
    PROJECT,
    REFRESH,
    TOKEN,
    VertexServer,
    private_pem,
)

MODEL = "gemini-nano-banana-2.1"


@pytest.fixture(autouse=True)
def _fresh():
    google_login._tokens.clear()
    yield
    assert our_threads() == []


class _Empty:
    def get_password(self, service, username):
        return None


def settings(server=None, environ=None, **endpoint):
    address = {"base_url": server.origin} if server is not None else {}
    return BackendSettings(
        endpoints={"gemini": Endpoint(**address, **endpoint)},
        credentials=Credentials(environ or {}, _Empty()),
    )


def switched(server, file):
    return settings(
        server, vertex=True, project=PROJECT, location=LOCATION, credentials_file=str(file)
    )


def kept(tmp_path, about):
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps(about))
    return path


def make(given, **more):
    request = RenderRequest(**{"prompt": "A red house", "model": MODEL, **more})
    return run(create_backend("gemini", given), request)


@pytest.mark.parametrize("kind", ["service_account", "person"])
def test_a_picture_is_made_with_either_login_and_one_token_serves_for_several(tmp_path, kind):
    with VertexServer() as server:
        file = kept(tmp_path, getattr(server, kind)())
        made = make(switched(server, file), canvas=canvas(), count=2)
        again = make(switched(server, file))
        assert len(server.logins) == 1
        headers = server.received[-1].headers
    assert made.error is None
    assert again.error is None
    assert len(made.results) == 2
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers.get("x-goog-user-project") == ("paying-456" if kind == "person" else None)
    assert made.results[0].cost_usd, "charged as with a key"
    for secret in (TOKEN, REFRESH, CLIENT_SECRET) if kind == "person" else (TOKEN,):
        assert secret not in redact(f"x {secret} y")


def test_no_package_is_needed_to_sign():
    """It ships on Linux only, for the keyring."""
    work = (
        "import sys; sys.modules.update(dict.fromkeys(('cryptography', 'rsa', 'pyasn1_modules')));"
        "from pathlib import Path; from genai_render.backends.cloud import gemini, google_login;"
        "from genai_render.backends.http.settings import Access, Endpoint;"
        "from genai_render.backends.http.vertex import Vertex; from google import genai;"
        "from genai_render.core.models import catalog;"
        "p = catalog.shipped().providers['gemini'];"
        "v = Vertex('p', 'global', Path('x'), '');"
        "a = Access(p, Endpoint(), 'https://aiplatform.googleapis.com', None, '', v);"
        "c = genai.Client(**gemini._identity(a, 'kept'));"
        "print(c._api_client._access_token())"
    )
    made = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, timeout=120)
    assert made.stdout.strip() == "kept", made.stderr


def test_a_key_in_the_older_form_signs_as_well(tmp_path):
    with VertexServer() as server:
        about = server.service_account(private_key=private_pem(wrapped=False))
        assert make(switched(server, kept(tmp_path, about))).error is None


def test_the_environment_alone_is_enough(tmp_path):
    with VertexServer() as server:
        environ = {
            "GOOGLE_GENAI_USE_VERTEXAI": "True",
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "GOOGLE_CLOUD_LOCATION": LOCATION,
            "GOOGLE_APPLICATION_CREDENTIALS": str(kept(tmp_path, server.person())),
            "GOOGLE_API_KEY": "AIza-not-to-be-used-0123456789abcdefghij",
        }
        made = make(settings(server, environ))
        assert not any("x-goog-api-key" in one.headers for one in server.received)
    assert made.error is None


def test_the_file_that_gcloud_wrote_is_found(tmp_path):
    folder = tmp_path / ".config" / "gcloud"
    folder.mkdir(parents=True)
    with VertexServer() as server:
        (folder / "application_default_credentials.json").write_text(json.dumps(server.person()))
        given = settings(server, {"HOME": str(tmp_path)}, vertex=True, project=PROJECT,
                         location=LOCATION)  # fmt: skip
        assert "gcloud" in access(given, "gemini").source
        assert make(given).error is None


@pytest.mark.parametrize(
    ("location", "address"),
    [
        ("", "https://aiplatform.googleapis.com"),
        ("us-central1", "https://us-central1-aiplatform.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_each_location_has_its_address(location, address):
    assert address_of(settings(vertex=True, project="p", location=location), "gemini") == address


def test_without_the_switch_nothing_changes():
    environ = {"GOOGLE_CLOUD_PROJECT": PROJECT, "GOOGLE_GENAI_USE_VERTEXAI": "false"}
    assert address_of(settings(None, environ), "gemini").endswith(
        "generativelanguage.googleapis.com"
    )


def test_check_lists_the_models_with_the_login(tmp_path):
    with VertexServer() as server:
        given = switched(server, kept(tmp_path, server.person()))
        said = check_access("gemini", given, CancelToken())
    assert said.startswith("The login is good.")


# ---- what is missing ---------------------------------------------------------------------------


def test_no_project_no_login_and_what_to_do_about_it(tmp_path):
    with pytest.raises(CredentialsError, match="needs a Google Cloud project") as caught:
        access(settings(vertex=True), "gemini")
    assert "GOOGLE_CLOUD_PROJECT" in caught.value.action
    nobody = settings(None, {"HOME": str(tmp_path)}, vertex=True, project="p")
    with pytest.raises(CredentialsError, match="no login for Vertex AI") as caught:
        access(nobody, "gemini")
    assert "gcloud auth application-default login" in caught.value.action
    lost = settings(vertex=True, project="p", credentials_file=str(tmp_path / "lost.json"))
    with pytest.raises(CredentialsError, match=r"lost\.json"):
        access(lost, "gemini")


@pytest.mark.parametrize("bad", [{"location": "http://x"}, {"project": "My Project"}])
def test_a_place_that_is_none_is_said(bad):
    with pytest.raises(InvalidInput):
        access(settings(**{"vertex": True, "project": "p", **bad}), "gemini")


@pytest.mark.parametrize(
    ("about", "what"),
    [
        ("nothing at all", "cannot be used"),
        ({"type": "external_account"}, "cannot be used"),
        ({"type": "authorized_user", "client_id": "x"}, "incomplete"),
        ({"type": "service_account", "client_email": "a@b", "private_key": "-----x"}, "damaged"),
        ({"type": "service_account", "client_email": "a@b",
          "private_key": "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"},
         "damaged"),
    ],
)  # fmt: skip
def test_a_file_of_no_use_is_said(tmp_path, about, what):
    with VertexServer() as server:
        made = make(switched(server, kept(tmp_path, about)))
        assert server.received == []
    assert made.error.code == "credentials"
    assert what in made.error.what


def test_a_login_that_has_ended_says_how_to_begin_again(tmp_path):
    with VertexServer() as server:
        server.expired = True
        made = make(switched(server, kept(tmp_path, server.person())))
    assert made.error.code == "credentials"
    assert "expired or revoked" in made.error.why
    assert "gcloud auth application-default login" in made.error.action
    assert REFRESH not in str(made.error)


@pytest.mark.parametrize(("status", "kind"), [(401, "UNAUTHENTICATED"), (403, "PERMISSION_DENIED")])
def test_a_project_that_the_login_may_not_use_is_named(tmp_path, status, kind):
    with VertexServer() as server:
        server.fault = (status, kind, "Vertex AI API has not been used in project before.")
        given = switched(server, kept(tmp_path, server.person()))
        made = make(given)
        assert google_login._tokens == {}, "a new one is asked for next time"
    assert made.error.code == "credentials"
    assert f'the project "{PROJECT}"' in made.error.what
    assert "has not been used" in made.error.why
    assert "Vertex AI API is enabled" in made.error.action


def test_a_token_is_not_sent_for_all_to_read(tmp_path):
    with VertexServer() as server:
        about = server.person(token_uri="http://tokens.example/token")
        made = make(switched(server, kept(tmp_path, about)))
        assert server.received == []
    assert made.error.code == "credentials"


def test_a_login_server_that_hangs_up_is_no_fault_of_the_user(tmp_path):
    with Server(lambda request: Answer(503, {}, b"")) as tokens, VertexServer() as server:
        about = server.person(token_uri=f"{tokens.origin}/token")
        made = make(switched(server, kept(tmp_path, about)))
    assert made.error.code in ("overloaded", "bad_answer")


def test_online_access_off_sends_nothing(tmp_path):
    given = settings(vertex=True, project="p")
    off = BackendSettings(False, given.endpoints, None, given.credentials)
    made = make(off)
    assert made.error.code == "online_access"
