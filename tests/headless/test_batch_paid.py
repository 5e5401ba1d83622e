# SPDX-License-Identifier: GPL-3.0-or-later
"""`batch` with models that cost something: what stops it, and that nothing is paid twice; at once
and with `--cheap`, through the providers' batch endpoints."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genai_render.core.history.store import HistoryStore

from ..servers import gemini_api, openai_api
from ..servers.gemini_batch_api import GeminiBatchServer
from ..servers.http import Answer, Forever, Received
from ..servers.openai_api import OpenAIServer
from ..servers.openai_batch_api import OpenAIBatchServer, moderated
from .test_cli import ROOT, SCENES

pytest.importorskip("openai")
pytest.importorskip("google.genai")

OPENAI, GEMINI = "gpt-image-2.5-flare", "gemini-3.1-flash-image"
PAID = (100 * 5 + 1000 * 8 + 439 * 30) / 1e6  # what the server says that each has used


class BatchCommand:
    """Runs `batch` of pictures without a view; in the end no key is in what it wrote or said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.history, self.file = folder / "history", folder / "night.toml"
        self.scene: Path | None = None
        self.said = ""
        self.of(OPENAI, 3)

    def of(self, model: str, count: int, more: str = "") -> None:
        self.file.write_text(
            f'[[batch]]\nprompt = "golden hour"\nmodel = "{model}"\ncanvas = false\n'
            f'seed = "1-{count}"\n{more}'
        )

    def _words(self, words: tuple[object, ...]) -> list[str]:
        scene = [] if self.scene is None else [str(self.scene)]
        command = [sys.executable, "-m", "genai_render", *scene, "batch", str(self.file), "--json"]
        return [*command, "--history", str(self.history), *map(str, words)]

    def _environ(self, server: Any) -> dict[str, str]:
        known = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OPENAI_", "GOOGLE_", "GEMINI_"))
        }
        known["BLENDER_USER_RESOURCES"] = str(self.folder / "user")
        if isinstance(server, OpenAIServer):
            return known | {
                "OPENAI_API_KEY": openai_api.KEY,
                "OPENAI_BASE_URL": server.base_url,
            }
        return known | {"GEMINI_API_KEY": gemini_api.KEY, "GOOGLE_GEMINI_BASE_URL": server.origin}

    def __call__(self, server: Any, *words: object) -> tuple[int, list[dict[str, Any]]]:
        told = subprocess.run(
            self._words(words), cwd=ROOT, env=self._environ(server),
            capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.said += told.stdout + told.stderr
        return told.returncode, [json.loads(line) for line in told.stdout.splitlines()]

    def killed(self, server: Any, when: Any, *words: object) -> None:
        """Kill -9 as soon as the event is set."""
        process = subprocess.Popen(
            self._words(words), cwd=ROOT, env=self._environ(server),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert when.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait()

    @property
    def costs(self) -> list[float | None]:
        with HistoryStore(self.history) as store:
            return [one.cost_usd for one in store.search(status="done", limit=100)]


@pytest.fixture
def batch(tmp_path: Path) -> Iterator[BatchCommand]:
    made = BatchCommand(tmp_path)
    yield made
    for key in (openai_api.KEY, gemini_api.KEY):
        middle = key[10:24]
        assert middle not in made.said
        for path in tmp_path.rglob("*"):
            if path.is_file():
                assert middle.encode() not in path.read_bytes(), path


def done(events: list[dict[str, Any]]) -> dict[str, Any]:
    return next(event for event in events if event["event"] == "done")


class Told:
    """A step that says when a request has come, and never answers it."""

    def __init__(self, before: Any = None) -> None:
        import threading

        self.came = threading.Event()
        self._before = before

    def __call__(self, request: Received, server: Any) -> Answer:
        if self._before is not None:
            self._before(request, server)
        self.came.set()
        return Answer(200, {"content-type": "application/json"}, [Forever()])


def _limited(request: Received, server: Any) -> Answer | None:
    return openai_api.fault(429, "Slow down.", "rate_limit_exceeded", headers={"retry-after": "1"})(
        request, server
    )


# ---- at once -----------------------------------------------------------------------------------


def test_a_rate_limit_is_waited_out_and_all_come(batch: BatchCommand) -> None:
    with OpenAIServer(_limited, _limited) as server:
        code, events = batch(server, "--jobs", 2)
        assert len(server.received) == 5
    assert (code, done(events)["pictures"]) == (0, 3), batch.said
    assert len(batch.costs) == 3


def test_one_that_is_refused_leaves_the_others_and_is_told(batch: BatchCommand) -> None:
    refused = openai_api.fault(400, "Your request was rejected.", "moderation_blocked")
    with OpenAIServer(refused) as server:
        code, events = batch(server, "--jobs", 1)
    assert (code, done(events)["pictures"], done(events)["failed"]) == (3, 2, 1), batch.said
    with OpenAIServer() as server:
        code, events = batch(server, "--resume")
        assert len(server.received) == 1, "those that are there were paid again"
    assert (code, done(events)["pictures"]) == (0, 3)


def test_a_limit_reached_in_the_middle_stops_before_it_is_passed(batch: BatchCommand) -> None:
    with OpenAIServer() as server:
        _, events = batch(server, "--dry-run")
        each = events[0]["cost_usd"] / 3
        limit = 2 * max(each, PAID) + min(each, PAID) / 2
        code, events = batch(server, "--jobs", 1, "--max-cost", limit)
        assert len(server.received) == 2
        assert (code, done(events)["pictures"]) == (6, 2), batch.said
        code, events = batch(server, "--resume")
        assert len(server.received) == 3
    assert (code, len(batch.costs)) == (0, 3)


def test_killed_between_sending_and_the_answer_it_is_not_sent_again(batch: BatchCommand) -> None:
    told = Told()
    with OpenAIServer(told) as server:
        batch.killed(server, told.came, "--jobs", 1)
    with OpenAIServer() as server:
        code, events = batch(server, "--resume")
        assert len(server.received) == 2, "what may have been paid was sent again"
        assert done(events)["unanswered"] == 1
        assert code != 0
        assert "--resume --again" in batch.said
        code, events = batch(server, "--resume", "--again")
        assert len(server.received) == 3
    assert (code, done(events)["unanswered"], len(batch.costs)) == (0, 0, 3)


def test_a_wrong_key_is_told_and_nothing_is_noted_as_sent(batch: BatchCommand) -> None:
    with OpenAIServer(key="sk-another-key-than-that-0123456789") as server:
        code, _ = batch(server)
    assert code == 4
    with OpenAIServer() as server:
        code, events = batch(server, "--resume")
    assert (code, done(events)["pictures"]) == (0, 3)


# ---- through the batch endpoints ---------------------------------------------------------------


def test_cheap_pictures_come_for_half_and_both_prices_are_told(batch: BatchCommand) -> None:
    with OpenAIBatchServer() as server:
        code, events = batch(server, "--dry-run", "--cheap")
        assert code == 0
        assert events[0]["cheap_usd"] == pytest.approx(events[0]["cost_usd"] / 2)
        assert server.received == []
        # Half the price fits where the whole would not.
        limit = events[0]["cost_usd"] * 0.6
        code, events = batch(server, "--cheap", "--poll", 0.05, "--max-cost", limit)
        assert server.images_made == 3
    assert (code, done(events)["pictures"]) == (0, 3), batch.said
    assert batch.costs == [pytest.approx(PAID / 2)] * 3
    with HistoryStore(batch.history) as store:
        assert store.spent_this_month() == pytest.approx(3 * PAID / 2)


def test_what_one_process_handed_in_another_fetches(batch: BatchCommand) -> None:
    batch.of(GEMINI, 2)
    with GeminiBatchServer(looks=2) as server:
        code, events = batch(server, "--cheap", "--submit-only")
        assert (code, done(events)["waiting"], done(events)["pictures"]) == (0, 2, 0), batch.said
        code, events = batch(server, "--resume", "--poll", 0.05)
        assert (code, done(events)["pictures"]) == (0, 2), batch.said
        code, events = batch(server, "--resume")
        assert server.images_made == 2
    assert len(batch.costs) == 2


@pytest.mark.parametrize("server_of", [OpenAIBatchServer, GeminiBatchServer])
def test_killed_before_the_ticket_came_it_is_looked_up(batch: BatchCommand, server_of) -> None:
    def accepted(request: Received, server: Any) -> None:
        if isinstance(server, OpenAIBatchServer):
            server.answer(request)
        else:
            server.create(request)

    told = Told(accepted)
    with server_of() as server:
        if isinstance(server, OpenAIBatchServer):
            server.script = [lambda request, server: server.answer(request), told]
        else:
            batch.of(GEMINI, 3)
            server.script = [told]
        batch.killed(server, told.came, "--cheap")
        assert server.images_made == 3
        code, events = batch(server, "--resume", "--poll", 0.05)
        assert server.images_made == 3, "it was handed in twice"
    assert (code, done(events)["pictures"]) == (0, 3), batch.said


def test_what_the_provider_has_nothing_of_is_asked_about(batch: BatchCommand) -> None:
    told = Told()
    with OpenAIBatchServer(lambda request, server: server.answer(request), told) as server:
        batch.killed(server, told.came, "--cheap")
        code, events = batch(server, "--resume", "--poll", 0.05)
        assert (server.images_made, done(events)["unanswered"]) == (0, 3)
        assert code != 0
        code, events = batch(server, "--resume", "--again", "--poll", 0.05)
        assert server.images_made == 3
    assert (code, done(events)["pictures"]) == (0, 3), batch.said


def test_the_view_that_was_handed_in_is_kept_whatever_becomes_of_the_scene(
    batch: BatchCommand,
) -> None:
    words = [sys.executable, "-c", SCENES, str(batch.folder)]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    batch.scene = batch.folder / "ball.blend"
    batch.file.write_text(f'[[batch]]\nprompt = "dusk"\nmodel = "{OPENAI}"\naspect = "1:1"\n')
    with OpenAIBatchServer() as server:
        code, events = batch(server, "--cheap", "--submit-only")
        assert (code, done(events)["waiting"]) == (0, 1), batch.said
        (made,) = server.kept.batches.values()
        assert made.values["endpoint"] == "/v1/images/edits"
        os.utime(batch.scene)  # as if it was saved again
        code, events = batch(server, "--resume", "--poll", 0.05)
        assert (code, server.images_made) == (0, 1), batch.said
    assert not any(event["event"] == "captured" for event in events)
    with HistoryStore(batch.history) as store:
        (item,) = store.search()
        canvas = store.canvas(item.id)
    assert canvas is not None
    assert (item.camera, canvas.width) == ("Camera", item.width)


def test_one_refused_and_one_batch_that_expired(batch: BatchCommand) -> None:
    with OpenAIBatchServer(spoiled=moderated(1)) as server:
        code, events = batch(server, "--cheap", "--poll", 0.05)
    assert (code, done(events)["pictures"], done(events)["failed"]) == (3, 2, 1), batch.said
    with OpenAIBatchServer(ends="expired", made=0) as server:
        code, events = batch(server, "--resume", "--poll", 0.05)
        assert server.images_made == 1
    assert (code, done(events)["failed"]) == (5, 1)
    assert "within a day" in batch.said
    with OpenAIBatchServer() as server:
        code, events = batch(server, "--resume", "--poll", 0.05)
    assert (code, done(events)["pictures"], len(batch.costs)) == (0, 3, 3)


def test_a_limit_holds_for_what_is_handed_in(batch: BatchCommand) -> None:
    with OpenAIBatchServer() as server:
        _, events = batch(server, "--dry-run")
        limit = events[0]["cheap_usd"] * 2.5 / 3
        code, events = batch(server, "--cheap", "--poll", 0.05, "--max-cost", limit)
        assert server.images_made == 2
    assert (code, done(events)["pictures"]) == (6, 2), batch.said


def test_models_without_such_an_endpoint_are_refused_unless_allowed(batch: BatchCommand) -> None:
    own = '[[batch]]\nprompt = "x"\nmodel = "openrouter/openai/gpt-image-2"\ncanvas = false\n'
    batch.of(OPENAI, 1, own)
    with OpenAIBatchServer() as server:
        code, _ = batch(server, "--cheap")
        assert server.received == []
        assert code == 2
        assert "--or-plain" in batch.said
        code, events = batch(server, "--cheap", "--or-plain", "--dry-run")
        assert code == 0
        assert events[0]["cost_usd"] / 2 < events[0]["cheap_usd"] < events[0]["cost_usd"]
