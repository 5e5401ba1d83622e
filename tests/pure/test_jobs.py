# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs end, whatever happens in them, and no result is told of before it is kept."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from history_samples import canvas

from genai_render.core.errors import Cancelled, GenAIError, Refused, ServerError, StorageError
from genai_render.core.events import Failed, Notice, Progress, Result
from genai_render.core.jobs import Finished, Job, JobQueue, JobState, Saved, Started
from genai_render.core.request import RenderRequest

PATIENCE = 20.0
REQUEST = RenderRequest(prompt="A red house")


def image(index=0):
    return Result(b"pixels", "image/png", 1, 1, index)


class Kept:
    """What was kept, in order, and by which thread."""

    def __init__(self, fails=None):
        self.results = []
        self.failures = []
        self.threads = set()
        self.fails = fails

    def save(self, request, result, seconds):
        if self.fails is not None:
            raise self.fails
        self.threads.add(threading.current_thread())
        self.results.append(result)
        return f"id-{len(self.results)}"

    def save_failure(self, request, error):
        self.failures.append(error)


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def queue(kept):
    made = JobQueue(kept.save, kept.save_failure, workers=2)
    yield made
    assert made.close(PATIENCE)
    assert not [t for t in threading.enumerate() if t.name.startswith("genai-job")]


def told(queue, *jobs: Job) -> list:
    """All events of these jobs until each has finished."""
    waiting, events = {job.id for job in jobs}, []
    while waiting:
        event = queue.next_event(PATIENCE)
        assert event is not None, "a job never finished"
        events.append(event[1])
        if isinstance(event[1], Finished):
            waiting.discard(event[0].id)
    return events


def submit(queue, *events, **more):
    def run(request, cancel):
        for event in events:
            if isinstance(event, BaseException):
                raise event
            yield event

    return queue.submit(REQUEST, run, **more)


# ---- what is told ------------------------------------------------------------------------------


def test_what_is_to_know_of_the_view_is_told_first(queue):
    def prepare(request):  # as the panel does, in the worker
        seen = replace(canvas(), notices=("1 texture is missing: a.png.",))
        return request.with_(canvas=seen)

    def run(request, cancel):
        yield Notice("Used: house.")
        yield image()

    events = told(queue, queue.submit(REQUEST, run, prepare))
    assert [event.text for event in events if isinstance(event, Notice)] == [
        "1 texture is missing: a.png.",
        "Used: house.",
    ]


def test_events_come_in_order_and_the_result_as_saved(queue, kept):
    job = submit(queue, Progress(0.5, "half"), Notice("note"), image())
    events = told(queue, job)
    assert events[:3] == [Started(), Progress(0.5, "half"), Notice("note")]
    assert isinstance(events[3], Saved)
    assert (events[3].id, events[3].result) == ("id-1", image())
    assert events[4] == Finished(JobState.DONE)
    assert (job.state, job.saved, job.state.over) == (JobState.DONE, ["id-1"], True)


def test_a_result_is_kept_in_the_worker_before_anybody_hears_of_it(queue, kept):
    job = submit(queue, image(), image(1))
    told(queue, job)
    assert threading.main_thread() not in kept.threads
    assert kept.results == [image(), image(1)]


def test_results_are_kept_even_if_nobody_listens(queue, kept):
    job = submit(queue, image(), image(1), image(2))
    assert queue.close(PATIENCE) or job.state.over
    told(queue, job)
    assert len(kept.results) == 3 or job.state is JobState.CANCELLED


def test_one_that_failed_of_four_is_kept_and_the_job_is_done(queue, kept):
    refusal = Refused("No")
    came = [image(0), Failed(refusal, 1), image(2), image(3)]
    job = queue.submit(REQUEST.with_(count=4), lambda request, cancel: iter(came))
    events = told(queue, job)
    assert events[-1] == Finished(JobState.DONE, refusal)
    assert job.missing == "1 of 4 images did not come."
    assert len(kept.results) == 3
    assert kept.failures == [refusal]


@pytest.mark.parametrize("error", [Refused("No"), ServerError("Oh"), GenAIError("Hm")])
def test_a_job_that_fails_is_kept_once_and_says_why(queue, kept, error):
    job = submit(queue, Progress(None), error)
    assert told(queue, job)[-1] == Finished(JobState.FAILED, error)
    assert kept.failures == [error]
    assert job.error is error


def test_a_job_whose_every_image_failed_has_failed_with_that_error(queue, kept):
    refusal = Refused("No")
    job = submit(queue, Failed(refusal, 0))
    assert told(queue, job)[-1] == Finished(JobState.FAILED, refusal)
    assert kept.failures == [refusal]


def test_a_backend_that_ends_without_an_image_has_failed(queue, kept):
    (finished,) = told(queue, submit(queue))[-1:]
    assert finished.state is JobState.FAILED
    assert "without an image" in finished.error.text


@pytest.mark.parametrize(
    "failure",
    [ValueError("sk-0123456789abcdef0123"), SystemExit(1), KeyError("x"), MemoryError()],
    ids=lambda failure: type(failure).__name__,
)
def test_a_bug_ends_the_job_with_an_error_a_person_can_read(queue, kept, failure):
    job = submit(queue, Progress(None), failure)
    finished = told(queue, job)[-1]
    assert finished.state is JobState.FAILED
    assert isinstance(finished.error, GenAIError)
    assert "sk-0123456789abcdef0123" not in finished.error.text
    # The queue goes on with the next.
    assert told(queue, submit(queue, image()))[-1] == Finished(JobState.DONE)


@pytest.mark.parametrize("failure", [StorageError("The disk is full."), OSError(28, "full")])
def test_a_result_that_cannot_be_kept_is_still_handed_over(failure):
    """It may have been paid for."""
    kept = Kept(failure)
    queue = JobQueue(kept.save, kept.save_failure)
    job = submit(queue, image())
    events = told(queue, job)
    assert image() in events
    assert events[-1].state is JobState.FAILED
    assert queue.close(PATIENCE)


@pytest.mark.parametrize("failure", [StorageError("The disk is full."), OSError(28, "full")])
def test_a_failure_that_cannot_be_kept_does_not_hide_the_first(failure):
    def save_failure(request, error):
        raise failure

    queue = JobQueue(Kept().save, save_failure)
    refusal = Refused("No")
    assert told(queue, submit(queue, refusal))[-1] == Finished(JobState.FAILED, refusal)
    # Nor does it lose the images that come after.
    events = told(queue, submit(queue, Failed(refusal, 0), image(1)))
    assert any(isinstance(event, Saved) for event in events)
    assert queue.close(PATIENCE)


# ---- order, number, cancel ---------------------------------------------------------------------


def test_no_more_run_at_once_than_there_are_workers_and_in_order(queue):
    running, most, order = [], [], []
    lock, go = threading.Lock(), threading.Event()

    def run(number):
        def work(request, cancel):
            with lock:
                running.append(number)
                order.append(number)
                most.append(len(running))
            go.wait(PATIENCE)
            with lock:
                running.remove(number)
            yield image()

        return work

    jobs = [queue.submit(REQUEST, run(number)) for number in range(5)]
    assert [job.state for job in jobs[2:]] == [JobState.QUEUED] * 3
    assert queue.jobs() == jobs
    go.set()
    told(queue, *jobs)
    assert max(most) <= 2
    assert order[2:] == [2, 3, 4]
    assert queue.jobs() == []


def test_a_waiting_job_that_is_cancelled_is_over_at_once_and_never_runs(queue):
    go, ran = threading.Event(), []

    def blocking(request, cancel):
        go.wait(PATIENCE)
        yield image()

    def run(request, cancel):
        ran.append(1)
        yield image()

    first, second = queue.submit(REQUEST, blocking), queue.submit(REQUEST, blocking)
    third = queue.submit(REQUEST, run)
    queue.cancel(third)
    assert third.state is JobState.CANCELLED
    go.set()
    events = told(queue, first, second, third)
    assert sum(isinstance(event, Finished) for event in events) == 3
    assert ran == []


def test_a_running_job_that_is_cancelled_ends_and_is_no_failure(queue, kept):
    started = threading.Event()

    def run(request, cancel):
        started.set()
        while True:
            cancel.check()
            cancel.wait(0.01)
            yield Progress(None)

    job = queue.submit(REQUEST, run)
    assert started.wait(PATIENCE)
    queue.cancel(job)
    finished = told(queue, job)[-1]
    assert finished.state is JobState.CANCELLED
    assert isinstance(finished.error, Cancelled)
    assert kept.failures == []


def test_a_backend_that_does_not_look_is_stopped_at_its_next_event(queue):
    told_once, closed = threading.Event(), []

    def run(request, cancel):
        try:
            yield Progress(0.1)
            told_once.wait(PATIENCE)
            yield Progress(0.2)
            yield image()
        finally:
            closed.append(1)

    job = queue.submit(REQUEST, run)
    queue.cancel(job)
    told_once.set()
    assert told(queue, job)[-1].state is JobState.CANCELLED
    assert closed == [1]


def test_an_image_that_came_is_kept_though_the_user_has_just_cancelled(queue, kept):
    there = threading.Event()

    def run(request, cancel):
        there.wait(PATIENCE)
        yield image()

    job = queue.submit(REQUEST, run)
    queue.cancel(job)
    there.set()
    events = told(queue, job)
    assert any(isinstance(event, Saved) for event in events)
    assert events[-1].state is JobState.DONE


def test_closing_ends_everything_and_takes_no_more(kept):
    queue = JobQueue(kept.save, workers=1)
    started = threading.Event()

    def run(request, cancel):
        started.set()
        while not cancel.wait(0.01):
            yield Progress(None)
        cancel.check()

    jobs = [queue.submit(REQUEST, run) for _ in range(3)]
    assert started.wait(PATIENCE)
    assert queue.close(PATIENCE)
    assert [job.state for job in jobs] == [JobState.CANCELLED] * 3
    with pytest.raises(RuntimeError, match="closed"):
        queue.submit(REQUEST, run)


def test_closing_says_when_a_job_does_not_stop():
    queue = JobQueue(Kept().save, workers=1)
    go, started = threading.Event(), threading.Event()

    def run(request, cancel):
        started.set()
        go.wait(PATIENCE)
        yield image()

    job = queue.submit(REQUEST, run)
    assert started.wait(PATIENCE)
    assert queue.close(0.05) is False
    go.set()
    told(queue, job)


# ---- preparing and trying again ----------------------------------------------------------------


def test_a_request_is_completed_in_the_worker_before_it_runs(queue):
    where, seen = [], []

    def prepare(request):
        where.append(threading.current_thread())
        return request.with_(prompt="A blue house")

    def run(request, cancel):
        seen.append(request.prompt)
        yield image()

    job = queue.submit(REQUEST, run, prepare)
    told(queue, job)
    again = queue.retry(job)
    told(queue, again)
    assert seen == ["A blue house"] * 2
    assert len(where) == 1  # what was captured is used again as it was
    assert where[0] is not threading.main_thread()
    assert job.request.prompt == "A blue house"


def test_what_cannot_be_prepared_is_a_failure(queue, kept):
    def prepare(request):
        raise StorageError("No camera")

    job = submit(queue, image(), prepare=prepare)
    assert told(queue, job)[-1].error.text == "No camera"
    assert kept.results == []
