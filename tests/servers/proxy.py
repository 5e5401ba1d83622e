# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP proxy that opens tunnels, all of them to one server of ours."""

from __future__ import annotations

import contextlib
import socket
import threading


class TunnelProxy:
    """Takes CONNECT for any host. targets: what was asked for; authorization: with which words."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.targets: list[str] = []
        self.authorization: list[str] = []

    def __enter__(self) -> TunnelProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        first, *headers = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        assert method == "CONNECT"
        self.targets.append(target)
        self.authorization += [
            line for line in headers if line.lower().startswith("proxy-authorization:")
        ]
        with socket.create_connection(("127.0.0.1", self._port)) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pour, args=(server, client), daemon=True)
            back.start()
            _pour(client, server)
            back.join(5)


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
