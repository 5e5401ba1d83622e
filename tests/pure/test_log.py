# SPDX-License-Identifier: GPL-3.0-or-later
"""The log: one file that turns over, with tracebacks and without keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from genai_render.core import log, log_file
from genai_render.core.errors import GenAIError, StorageError
from genai_render.core.jobs import JobQueue
from genai_render.core.keys.credentials import Secret
from genai_render.core.request import RenderRequest


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    log.keep_in(tmp_path / "log")
    yield tmp_path / "log" / log.NAME
    log.close()
    log.speak(False)


def test_the_folder_is_made_with_the_first_line(file: Path):
    assert log.path() == file
    assert not file.parent.exists()
    log.info("something")
    assert "INFO" in file.read_text()


def test_a_fault_of_ours_is_told_with_the_file_and_written_with_its_traceback(file: Path):
    def run(request: RenderRequest, cancel: object):
        raise ZeroDivisionError("in the middle")
        yield

    queue = JobQueue(lambda *_: "id")
    job = queue.submit(RenderRequest(prompt="x", model="offline"), run)
    assert queue.close() or job.error
    assert isinstance(job.error, GenAIError)
    assert str(file) in job.error.action
    text = file.read_text()
    assert "ZeroDivisionError: in the middle" in text
    assert "test_log.py" in text


def test_no_key_reaches_it(file: Path):
    key = Secret("sk-this-is-a-key-that-nobody-has-0123456789")
    try:
        raise ValueError(f"the library quotes {key.reveal()}")
    except ValueError as error:
        log.fault(f"Sent with {key.reveal()}", error)
    text = file.read_text()
    assert "[removed]" in text
    assert key.reveal() not in text


def test_it_is_turned_over_before_it_grows_large(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(log_file, "_LARGEST", 2000)
    log.keep_in(file.parent)
    for number in range(200):
        log.info(f"line {number} " + "x" * 80)
    files = sorted(file.parent.iterdir())
    assert len(files) == 4
    assert all(path.stat().st_size <= 2000 for path in files)
    assert "line 199" in file.read_text()


def test_a_file_that_cannot_be_written_is_said_at_once(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        log.keep_file(tmp_path / "file" / "log.txt")


def test_one_that_cannot_be_written_later_stops_nothing(tmp_path: Path):
    (tmp_path / "file").write_text("")
    log.keep_in(tmp_path / "file")
    log.error("nowhere to go")
    log.close()


def test_verbose_writes_to_standard_error(file: Path, capsys: pytest.CaptureFixture[str]):
    log.debug("not yet")
    log.speak(True)
    log.debug("a small thing")
    log.speak(False)
    log.debug("not any more")
    assert capsys.readouterr().err == "DEBUG a small thing\n"
