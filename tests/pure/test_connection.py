# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves the computer, to whom, and with which key."""

from __future__ import annotations

import base64
import contextlib
import datetime
import ipaddress
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("openai")
pytest.importorskip("google.genai")

from genai_render.backends.base import check_access, create_backend
from genai_render.backends.http import retry
from genai_render.backends.http.errors import ConnectionFailed, OnlineAccessOff
from genai_render.backends.http.settings import BackendSettings, Endpoint, access, is_loopback
from genai_render.core.errors import Cancelled, CredentialsError, GenAIError, InvalidInput
from genai_render.core.events import CancelToken
from genai_render.core.keys.credentials import Credentials, Secret
from genai_render.core.models import catalog
from genai_render.core.request import RenderRequest
from tests.servers.client import canvas, run, run_and_cancel
from tests.servers.gemini_api import GeminiServer
from tests.servers.http import Answer, Forever, Server
from tests.servers.openai_api import OpenAIServer
from tests.servers.proxy import TunnelProxy

ROOT = Path(__file__).parents[2]
OPENAI = RenderRequest(prompt="A red house", model="gpt-image-2.5-flare")
GEMINI = RenderRequest(prompt="A red house", model="gemini-3-pro-image")
KEY = Secret("sk-proj-TESTKEY0123456789abcdefghijklmnop")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(retry, "_PAUSES", (0.01,))
    monkeypatch.setattr(retry, "_CONNECT_PAUSES", (0.01,))


@pytest.fixture
def guarded_sockets(monkeypatch):
    """Every attempt to reach another computer, or to look one up. Nothing gets through."""
    tried = []

    def guard(place, address):
        host = address[0] if isinstance(address, tuple) else address
        if not is_loopback(str(host)):
            tried.append((place, address))
            raise OSError(f"the test does not let {place} reach {address}")

    real_connect, real_ex = socket.socket.connect, socket.socket.connect_ex
    real_send, real_look_up = socket.socket.sendto, socket.getaddrinfo
    monkeypatch.setattr(
        socket.socket,
        "connect",
        lambda self, to: (guard("connect", to), real_connect(self, to))[1],
    )
    monkeypatch.setattr(
        socket.socket,
        "connect_ex",
        lambda self, to: (guard("connect_ex", to), real_ex(self, to))[1],
    )
    monkeypatch.setattr(
        socket.socket,
        "sendto",
        lambda self, data, *to: (guard("sendto", to[-1]), real_send(self, data, *to))[1],
    )
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *more, **named: (
            guard("getaddrinfo", host),
            real_look_up(host, *more, **named),
        )[1],
    )
    return tried


def openai(server, online=True, **endpoint):
    endpoint = {"base_url": server.origin + "/v1", "key": KEY, **endpoint}
    return create_backend(
        "openai",
        BackendSettings(online_access=online, endpoints={"openai": Endpoint(**endpoint)}),
    )


# ---- online access -----------------------------------------------------------------------------


def test_the_guard_would_notice(guarded_sockets):
    """A test that cannot fail proves nothing: with access on, the packet is tried."""
    settings = BackendSettings(credentials=Credentials({"OPENAI_API_KEY": "sk-0000000000000000"}))
    made = run(create_backend("openai", settings), OPENAI)
    assert type(made.error) is ConnectionFailed
    assert ("getaddrinfo", "api.openai.com") in guarded_sockets


@pytest.mark.parametrize(
    "environ",
    [
        {"OPENAI_API_KEY": "sk-0000000000000000", "GEMINI_API_KEY": "AIza000000000000"},
        {"HTTPS_PROXY": "http://127.0.0.1:3128"},
    ],
)
@pytest.mark.parametrize("request_", [OPENAI, GEMINI], ids=["openai", "gemini"])
def test_with_online_access_off_no_packet_leaves(guarded_sockets, monkeypatch, environ, request_):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    settings = BackendSettings(online_access=False)
    backend = create_backend("openai" if request_ is OPENAI else "gemini", settings)
    for ask in (lambda: run(backend, request_).error, lambda: _error(backend.check)):
        error = ask()
        assert type(error) is OnlineAccessOff
        assert "Online access is off" in error.text
        assert "Preferences" in error.text
    assert guarded_sockets == []


@pytest.mark.parametrize(
    "address", ["http://192.0.2.1/v1", "http://example.org/v1", "http://127.0.0.1.example.org/v1"]
)
def test_with_online_access_off_a_server_elsewhere_is_not_reached(guarded_sockets, address):
    endpoints = {"openai": Endpoint(base_url=address, key=KEY)}
    settings = BackendSettings(online_access=False, endpoints=endpoints)
    made = run(create_backend("openai", settings), OPENAI)
    assert type(made.error) is OnlineAccessOff
    assert guarded_sockets == []


def test_with_online_access_off_this_computer_is_reached(guarded_sockets):
    with OpenAIServer() as server:
        assert run(openai(server, online=False), OPENAI).error is None
        by_name = f"http://localhost:{server.port}/v1"
        assert run(openai(server, online=False, base_url=by_name), OPENAI).error is None
    assert guarded_sockets == []


def test_a_name_that_only_claims_to_be_this_computer_is_not_trusted(monkeypatch, guarded_sockets):
    """Somebody's hosts file may send "localhost" elsewhere."""
    elsewhere = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: elsewhere)
    endpoints = {"openai": Endpoint(base_url="http://localhost/v1", key=KEY)}
    settings = BackendSettings(online_access=False, endpoints=endpoints)
    made = run(create_backend("openai", settings), OPENAI)
    assert type(made.error) is OnlineAccessOff
    assert guarded_sockets == []


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *(("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True)),
        *(("localhost", True), ("LOCALHOST.", True), ("a.localhost", True)),
        *(("0.0.0.0", False), ("10.0.0.1", False), ("localhost.example.org", False)),
        *(("example.org", False), ("", False), ("127.0.0.1.example.org", False)),
    ],
)
def test_which_hosts_are_this_computer(host, local):
    assert is_loopback(host) is local


# ---- whom a key goes to ------------------------------------------------------------------------


def test_a_key_from_the_environment_does_not_go_to_another_address():
    with OpenAIServer() as server:
        settings = BackendSettings(
            endpoints={"openai": Endpoint(base_url=server.base_url)},
            credentials=Credentials({"OPENAI_API_KEY": KEY.reveal()}, _NoKeyring()),
        )
        made = run(create_backend("openai", settings), OPENAI)
    assert isinstance(made.error, CredentialsError)
    assert "OPENAI_API_KEY is for OpenAI itself" in made.error.text
    assert server.connections == 0


def test_an_address_and_a_key_that_both_come_from_the_environment_belong_together():
    with OpenAIServer() as server:
        environ = {"OPENAI_API_KEY": KEY.reveal(), "OPENAI_BASE_URL": server.base_url}
        settings = BackendSettings(credentials=Credentials(environ, _NoKeyring()))
        assert run(create_backend("openai", settings), OPENAI).error is None


def test_without_a_key_nothing_is_sent_and_it_is_said_where_to_enter_one():
    settings = BackendSettings(credentials=Credentials({}, _NoKeyring()))
    for name, request, variable in (
        ("openai", OPENAI, "OPENAI_API_KEY"),
        ("gemini", GEMINI, "GOOGLE_API_KEY"),
    ):
        made = run(create_backend(name, settings), request)
        assert isinstance(made.error, CredentialsError)
        assert variable in made.error.text
        assert "preferences" in made.error.text


def test_a_server_cannot_move_the_request_and_its_key_elsewhere():
    with Server(lambda request: Answer(200)) as thief:
        away = Answer(307, {"location": f"{thief.origin}/v1/images/generations"})
        with OpenAIServer(lambda request, server: away) as server:
            made = run(openai(server), OPENAI)
    assert "points elsewhere" in made.error.text
    assert thief.connections == 0


def test_what_the_key_is_bound_to_is_the_whole_origin():
    with OpenAIServer() as server:
        found = access(
            BackendSettings(
                endpoints={"openai": Endpoint(base_url=server.base_url)},
                credentials=Credentials({}, _Ring({server.origin: KEY.reveal()})),
            ),
            "openai",
        )
        assert found.key == KEY
        with pytest.raises(CredentialsError):
            access(
                BackendSettings(
                    endpoints={"openai": Endpoint(base_url=f"http://localhost:{server.port}/v1")},
                    credentials=Credentials({}, _Ring({server.origin: KEY.reveal()})),
                ),
                "openai",
            )


# ---- TLS and proxies ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate for 127.0.0.1: (a server's TLS context, the file to trust it by)."""
    return _authority(tmp_path_factory.mktemp("tls"), "127.0.0.1")


def _authority(folder, host):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now = datetime.datetime.now(datetime.UTC)
    with contextlib.suppress(ValueError):
        host = ipaddress.ip_address(host)
    called = x509.DNSName(host) if isinstance(host, str) else x509.IPAddress(host)
    usage = dict.fromkeys(
        (
            *("digital_signature", "key_cert_sign", "content_commitment", "key_encipherment"),
            *("data_encipherment", "key_agreement", "crl_sign", "encipher_only", "decipher_only"),
        ),
        False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([called]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        # Python 3.13 and later insist on these.
        .add_extension(
            x509.KeyUsage(**{**usage, "digital_signature": True, "key_cert_sign": True}), True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "ca.pem", folder / "key.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public


def test_a_certificate_that_is_not_trusted_is_said_and_nothing_is_sent(authority):
    with OpenAIServer(tls=authority[0]) as server:
        made = run(openai(server), OPENAI)
    assert type(made.error) is ConnectionFailed
    assert "certificate of 127.0.0.1 is not trusted" in made.error.text
    assert "CA file" in made.error.text
    assert server.received == []


@pytest.mark.parametrize("kind", ["comfyui", "a1111"])
def test_a_certificate_of_ones_own_server_is_said_too_and_can_be_trusted(
    authority, kind, monkeypatch
):
    def problem():
        with Server(lambda _: Answer(418), tls=authority[0]) as server:
            where = {f"{kind}:Desk": Endpoint(base_url=server.origin, needs_key=False)}
            with pytest.raises(GenAIError) as told:
                create_backend(kind, BackendSettings(endpoints=where)).check(CancelToken())
        return told.value.text

    text = problem()
    assert "is not trusted" in text
    assert "CA" in text
    assert "Start it" not in text
    monkeypatch.setenv("GENAI_RENDER_CA", str(authority[1]))
    assert "418" in problem()  # it was reached


def test_a_company_s_own_authority_is_trusted_by_its_file(authority):
    with OpenAIServer(tls=authority[0]) as server:
        made = run(
            openai(server, ca_file=str(authority[1])),
            RenderRequest(prompt="x", model="gpt-image-2.5-flare", canvas=canvas(400, 300)),
        )
    assert made.error is None
    assert len(made.partials) == 2


def test_cancel_in_a_stream_under_tls(authority):
    from tests.servers.openai_api import streamed

    hang = streamed(lambda events: [events[0], Forever()])
    with OpenAIServer(hang, tls=authority[0]) as server:
        backend = openai(server, ca_file=str(authority[1]))
        made = run_and_cancel(backend, OPENAI, lambda told: bool(told.partials))
        assert isinstance(made.error, Cancelled)
        assert server.received[0].client_gone.wait(5)


def test_a_ca_file_that_is_none_is_said(tmp_path):
    other = tmp_path / "notes.txt"
    other.write_text("hello")
    for path in (other, tmp_path / "missing.pem"):
        with OpenAIServer() as server:
            made = run(openai(server, base_url="https://127.0.0.1:9/v1", ca_file=str(path)), OPENAI)
        assert isinstance(made.error, InvalidInput)
        assert "CA file" in made.error.text


def test_https_to_a_server_without_tls_is_said():
    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.close()

    threading.Thread(target=answer, daemon=True).start()
    endpoint = Endpoint(base_url=f"https://127.0.0.1:{listener.getsockname()[1]}/v1", key=KEY)
    made = run(create_backend("openai", BackendSettings(endpoints={"openai": endpoint})), OPENAI)
    listener.close()
    assert type(made.error) is ConnectionFailed
    assert "does not speak TLS" in made.error.text


def test_a_server_that_never_finishes_the_handshake_is_said():
    listener = socket.create_server(("127.0.0.1", 0))
    endpoint = Endpoint(
        base_url=f"https://127.0.0.1:{listener.getsockname()[1]}/v1", key=KEY, connect_timeout=0.3
    )
    made = run(create_backend("openai", BackendSettings(endpoints={"openai": endpoint})), OPENAI)
    listener.close()
    assert type(made.error) is ConnectionFailed
    assert "did not answer in time" in made.error.text


class _Proxy(Server):
    """Takes requests for any host and answers in its place."""

    def __init__(self, inner):
        super().__init__(lambda request: inner._answer(request))


def test_a_proxy_is_used_for_other_computers():
    with OpenAIServer() as inner, _Proxy(inner) as proxy:
        there = {"base_url": "http://studio.example/v1", "proxy": proxy.origin}
        made = run(openai(inner, **there), OPENAI)
        assert type(made.error) is CredentialsError  # the proxy would see the key
        assert "studio.example" in made.error.text
        gate = urlsplit(proxy.origin).netloc
        assert f"the proxy {gate}" in made.error.text
        assert proxy.received == []
        made = run(
            openai(inner, **there, plain_key=f"http://studio.example through {gate}"), OPENAI
        )
    assert made.error is None
    assert proxy.received[0].target.startswith("http://studio.example/v1/")


def test_the_system_s_proxy_is_used_unless_it_was_switched_off(monkeypatch, guarded_sockets):
    with OpenAIServer() as inner, _Proxy(inner) as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin)
        monkeypatch.setenv("no_proxy", "")
        there = {"base_url": "http://studio.example/v1"}
        gate = urlsplit(proxy.origin).netloc
        made = run(openai(inner, **there), OPENAI)
        assert type(made.error) is CredentialsError
        assert f"the proxy {gate}" in made.error.text
        way = f"http://studio.example through {gate}"
        made = run(openai(inner, **there, plain_key=way), OPENAI)
        assert made.error is None
        there |= {"proxy": "none", "plain_key": "http://studio.example"}
        made = run(openai(inner, **there), OPENAI)
        assert type(made.error) is ConnectionFailed
    assert [place for place, _ in guarded_sockets] == ["getaddrinfo"] * 2


def test_a_proxy_is_never_used_for_this_computer(monkeypatch):
    with Server(lambda request: Answer(500)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin)
        with OpenAIServer() as server:
            assert run(openai(server), OPENAI).error is None
    assert proxy.connections == 0


def test_https_goes_through_a_tunnel_and_the_proxy_learns_no_key(monkeypatch, tmp_path):
    context, public = _authority(tmp_path, "studio.example")
    with OpenAIServer(tls=context) as server, TunnelProxy(server.port) as proxy:
        made = run(
            openai(
                server,
                base_url="https://studio.example/v1",
                proxy=proxy.origin.replace("http://", "http://me:pa%20ss-0000@"),
                ca_file=str(public),
            ),
            OPENAI,
        )
    assert made.error is None
    assert proxy.targets == ["studio.example:443"]
    (words,) = proxy.authorization
    assert base64.b64decode(words.split(" ")[-1]) == b"me:pa ss-0000"
    assert server.received[0].headers["authorization"] == f"Bearer {KEY.reveal()}"
    assert "proxy-authorization" not in server.received[0].headers


def test_cancel_in_a_stream_through_a_tunnel(tmp_path):
    from tests.servers.openai_api import streamed

    context, public = _authority(tmp_path, "studio.example")
    hang = streamed(lambda events: [events[0], Forever()])
    with OpenAIServer(hang, tls=context) as server, TunnelProxy(server.port) as proxy:
        backend = openai(
            server,
            base_url="https://studio.example/v1",
            proxy=proxy.origin,
            ca_file=str(public),
        )
        made = run_and_cancel(backend, OPENAI, lambda told: bool(told.partials))
        assert isinstance(made.error, Cancelled)
        assert server.received[0].client_gone.wait(5)


def test_a_proxy_that_refuses_is_said_to_refuse():
    with Server(lambda request: Answer(407)) as proxy, OpenAIServer() as inner:
        made = run(openai(inner, base_url="https://studio.example/v1", proxy=proxy.origin), OPENAI)
    assert type(made.error) is ConnectionFailed
    assert "proxy" in made.error.text.lower()


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "https://127.0.0.1:1", "10.0.0.1:8"])
def test_a_proxy_of_another_kind_is_refused_when_it_is_entered(proxy):
    with pytest.raises(InvalidInput, match="Only HTTP proxies"):
        Endpoint(proxy=proxy)


# ---- cancelling what hangs ---------------------------------------------------------------------


def test_cancel_while_a_name_is_looked_up(monkeypatch):
    asked, release = threading.Event(), threading.Event()

    def hang(host, *more, **named):
        asked.set()
        release.wait(30)
        raise OSError("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    endpoints = {"openai": Endpoint(base_url="https://studio.example/v1", key=KEY, proxy="none")}
    backend = create_backend("openai", BackendSettings(endpoints=endpoints))
    made = run_and_cancel(backend, OPENAI, asked)
    release.set()
    assert isinstance(made.error, Cancelled)


def test_cancel_while_connecting(monkeypatch):
    from genai_render.backends.http import transport

    asked = threading.Event()

    def never(sock):
        asked.set()
        return False

    monkeypatch.setattr(transport, "_writable", never)
    with OpenAIServer() as server:
        made = run_and_cancel(openai(server), OPENAI, asked)
    assert isinstance(made.error, Cancelled)


def test_cancel_while_sending_to_a_server_that_does_not_read():
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connected = threading.Event()

    def accept():
        connection, _ = listener.accept()
        connected.set()
        kept.append(connection)

    kept = []
    thread = threading.Thread(target=accept)
    thread.start()
    import numpy as np

    from genai_render.core.image import images
    from genai_render.core.request import Reference

    noise = np.random.default_rng(0).integers(0, 255, (1500, 1500, 3), np.uint8)
    big = Reference(images.encode_png(noise))
    endpoint = Endpoint(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1", key=KEY)
    backend = create_backend("openai", BackendSettings(endpoints={"openai": endpoint}))
    request = RenderRequest(prompt="x", model="gpt-image-2.5-flare", references=(big,))
    made = run_and_cancel(backend, request, connected)
    assert isinstance(made.error, Cancelled)
    thread.join(5)
    for connection in (*kept, listener):
        connection.close()


def test_a_connection_that_breaks_while_sending_may_be_tried_again():
    """The server cannot have the whole request, so nobody pays twice."""
    listener = socket.create_server(("127.0.0.1", 0))
    accepted = []

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                accepted.append(1)
                connection.recv(1000)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.close()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    import numpy as np

    from genai_render.core.image import images
    from genai_render.core.request import Reference

    noise = np.random.default_rng(0).integers(0, 255, (1500, 1500, 3), np.uint8)
    big = Reference(images.encode_png(noise))
    endpoint = Endpoint(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1", key=KEY)
    backend = create_backend("openai", BackendSettings(endpoints={"openai": endpoint}))
    made = run(backend, RenderRequest(prompt="x", model="gpt-image-2.5-flare", references=(big,)))
    listener.close()
    assert type(made.error) is ConnectionFailed
    assert "broke while sending" in made.error.text
    assert len(accepted) == 2


# ---- nothing is loaded in vain -----------------------------------------------------------------


def test_no_sdk_is_loaded_before_a_job_runs():
    code = (
        "import sys\n"
        "from genai_render.backends import base\n"
        "from genai_render.core import jobs\n"
        "from genai_render.core.keys import credentials\n"
        "from genai_render.core.models import catalog, cost, output_spec\n"
        "for name in base.BACKENDS:\n"
        "    base.create_backend(name)\n"
        "catalog.shipped()\n"
        "heavy = {'openai', 'google', 'httpx', 'httpx2', 'httpcore2', 'keyring', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.stdout.strip() == "[]", told.stderr


@pytest.mark.parametrize("name", ["openai", "gemini", "compatible"])
def test_a_package_that_is_missing_is_said(monkeypatch, name):
    """As when an extension was built without it, or another add-on brought another version."""
    for module in ("openai", "google.genai"):
        monkeypatch.setitem(sys.modules, module, None)
    endpoint = Endpoint(base_url="http://127.0.0.1:9/v1", key=KEY)
    models = catalog.shipped()
    request = OPENAI if name != "gemini" else GEMINI
    settings = BackendSettings(
        endpoints={"openai": endpoint, "gemini": endpoint, "compatible": endpoint}, catalog=models
    )
    made = run(create_backend(name, settings), request)
    assert made.error.code == "package"
    assert "cannot be loaded" in made.error.text


def _error(call):
    with pytest.raises(Exception) as raised:  # noqa: PT011
        call(CancelToken())
    return raised.value


class _Ring:
    def __init__(self, keys):
        self.keys = keys

    def get_password(self, service, username):
        return self.keys.get(username)


class _NoKeyring(_Ring):
    def __init__(self):
        super().__init__({})


def test_any_backend_can_be_asked_whether_it_is_reached():
    with OpenAIServer() as server:
        settings = BackendSettings(
            endpoints={
                "openai": Endpoint(base_url=server.base_url, key=KEY),
                "studio": Endpoint(base_url=server.base_url, key=KEY),
            }
        )
        assert "The key is good" in check_access("openai", settings, CancelToken())
        assert "8 models" in check_access("compatible", settings, CancelToken(), "studio")
        assert check_access("offline", settings, CancelToken())
        with pytest.raises(InvalidInput, match='No address is known for "else"'):
            check_access("compatible", settings, CancelToken(), "else")
        off = BackendSettings(online_access=False)
        with pytest.raises(OnlineAccessOff):
            check_access("gemini", off, CancelToken())


def test_gemini_s_key_goes_in_its_header_and_not_in_the_address():
    with GeminiServer() as server:
        endpoints = {"gemini": Endpoint(base_url=server.origin, key=Secret(server.key))}
        backend = create_backend("gemini", BackendSettings(endpoints=endpoints))
        assert run(backend, GEMINI).error is None
    sent = server.received[0]
    assert sent.headers["x-goog-api-key"] == server.key
    assert server.key not in sent.target
