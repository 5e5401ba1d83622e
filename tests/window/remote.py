# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the Blender under test: executes Python that a test sends, on the main thread.

One JSON object a line: {"code": …} in, {"value": …} or {"error": …} out. The code may assign
`answer`; `override()` is a context with the 3D Viewport's sidebar or main region.
"""

import contextlib
import json
import os
import queue
import socket
import threading
import time
import traceback

import bpy

_calls = queue.SimpleQueue()
_globals = {"bpy": bpy, "time": time}
_beats = {"last": time.perf_counter(), "longest": 0.0}


def _area(kind="VIEW_3D"):
    for area in bpy.context.window_manager.windows[0].screen.areas:
        if area.type == kind:
            return area
    raise LookupError(f"no {kind}")


@contextlib.contextmanager
def _override(region="WINDOW", area="VIEW_3D"):
    window = bpy.context.window_manager.windows[0]
    found = _area(area)
    part = next(one for one in found.regions if one.type == region)
    with bpy.context.temp_override(window=window, area=found, region=part):
        yield bpy.context


def _reset_stall():
    _beats["last"], _beats["longest"] = time.perf_counter(), 0.0


_globals.update(area=_area, override=_override, beats=_beats, reset_stall=_reset_stall)


def _tick():
    now = time.perf_counter()
    _beats["longest"] = max(_beats["longest"], now - _beats["last"])
    while not _calls.empty():
        code, bare, reply = _calls.get()
        _globals["answer"] = None
        try:
            windows = bpy.context.window_manager.windows
            # A new file frees its windows: no override may hold on to one then.
            context = bpy.context.temp_override(window=windows[0])
            with contextlib.nullcontext() if bare else context:
                exec(compile(code, "<test>", "exec"), _globals)
            reply.put({"value": _globals["answer"]})
        except BaseException:
            reply.put({"error": traceback.format_exc()})
    _beats["last"] = time.perf_counter()
    return 0.02


def _serve(listening):
    connection, _ = listening.accept()
    with connection, connection.makefile("rw", encoding="utf-8") as stream:
        for line in stream:
            reply = queue.SimpleQueue()
            call = json.loads(line)
            _calls.put((call["code"], call["bare"], reply))
            stream.write(json.dumps(reply.get(), default=str) + "\n")
            stream.flush()


bpy.context.preferences.view.show_splash = False
listening = socket.create_server(("127.0.0.1", int(os.environ["GENAI_TEST_PORT"])))
threading.Thread(target=_serve, args=(listening,), daemon=True).start()
bpy.app.timers.register(_tick, first_interval=0.1, persistent=True)
