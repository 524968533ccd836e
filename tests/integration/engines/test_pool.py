"""The pool with real child processes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from generator_service.domain.errors import EngineError, ImageRejected
from generator_service.engines.pool.pool import PoolSettings, ProcessPool
from generator_service.engines.work_timeout import WorkTimeout
from tests.support.patience import PATIENCE

TARGET = "tests.support.pool_jobs:perform"
SETTINGS = PoolSettings(processes=1, memory_bytes=2 * 1024**3)

StartPool = Callable[[PoolSettings], Awaitable[ProcessPool]]


def ignore(_percent: int, _stage: str) -> None:
    pass


@pytest_asyncio.fixture
async def start_pool() -> AsyncIterator[StartPool]:
    pools: list[ProcessPool] = []

    async def start(settings: PoolSettings) -> ProcessPool:
        pools.append(ProcessPool(TARGET, settings))
        await pools[-1].start()
        return pools[-1]

    yield start
    for pool in pools:
        await pool.close()


@pytest_asyncio.fixture
async def pool(start_pool: StartPool) -> ProcessPool:
    return await start_pool(SETTINGS)


def make_fifo(folder: Path, name: str = "fifo") -> str:
    path = folder / name
    os.mkfifo(path)
    return str(path)


async def pid_from(fifo: str) -> int:
    """Wait for the process id that the hanging job writes."""
    async with asyncio.timeout(PATIENCE):
        return int(await asyncio.to_thread(Path(fifo).read_bytes))


def gone(pid: int) -> bool:
    """Return whether the process has ended and was reaped."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def run(pool: ProcessPool, *job: object) -> object:
    async with asyncio.timeout(PATIENCE):
        return await pool.run(job, ignore)


async def test_progress_arrives_in_order_and_before_the_result(pool: ProcessPool) -> None:
    seen: list[tuple[int, str]] = []
    result = await pool.run(("progress", 50), lambda percent, stage: seen.append((percent, stage)))
    assert result == "done"
    assert seen == [(step, f"step {step}") for step in range(50)]


async def test_a_rejected_photo_keeps_its_code_and_message(pool: ProcessPool) -> None:
    with pytest.raises(ImageRejected, match="ends too early") as caught:
        await run(pool, "reject")
    assert caught.value.code == "image_truncated"


async def test_a_bug_is_logged_with_its_traceback_and_told_without(
    pool: ProcessPool, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(EngineError, match="KeyError") as caught:
        await run(pool, "bug")
    assert (caught.value.code, caught.value.retryable, caught.value.max_attempts) == ("engine_failed", True, 2)
    assert caught.value.engine_fault, "another engine may succeed"
    assert "no such thing" not in str(caught.value)
    assert "KeyError: 'no such thing'" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_crash_is_retryable_and_the_next_job_works(pool: ProcessPool, number: signal.Signals) -> None:
    first = await run(pool, "pid")
    with pytest.raises(EngineError, match=f"was killed by {number.name}") as caught:
        await run(pool, "send_signal", int(number))
    assert (caught.value.code, caught.value.retryable) == ("engine_crashed", True)
    assert caught.value.engine_fault, "another engine may succeed"
    assert await run(pool, "pid") != first


async def test_an_exit_is_a_crash_too(pool: ProcessPool) -> None:
    with pytest.raises(EngineError, match="exited with code 3"):
        await run(pool, "leave", 3)


async def test_an_idle_child_that_dies_is_replaced(pool: ProcessPool) -> None:
    pid = await run(pool, "pid")
    assert isinstance(pid, int)
    watch = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    await asyncio.to_thread(select.select, [watch], [], [], PATIENCE)
    os.close(watch)
    # The pool may not have noticed it yet; then a job meets the dead child, which is reported as a crash.
    with contextlib.suppress(EngineError):
        await run(pool, "pid")
    assert await run(pool, "pid") != pid


async def test_cancelling_kills_the_process(pool: ProcessPool, tmp_path: Path) -> None:
    fifo = make_fifo(tmp_path)
    call = asyncio.create_task(pool.run(("hang", fifo), ignore))
    pid = await pid_from(fifo)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert gone(pid)
    assert await run(pool, "echo", 1) == 1


async def test_cancelling_while_waiting_for_a_process_harms_nobody(pool: ProcessPool, tmp_path: Path) -> None:
    fifo = make_fifo(tmp_path)
    first = asyncio.create_task(pool.run(("hang", fifo), ignore))
    pid = await pid_from(fifo)
    waiting = asyncio.create_task(pool.run(("pid",), ignore))
    await asyncio.wait([waiting], timeout=0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not gone(pid)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await run(pool, "echo", 1) == 1


async def test_a_job_that_takes_too_long_is_killed(
    pool: ProcessPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await run(pool, "pid")
    # For this job only: a loaded machine may need longer for the others.
    monkeypatch.setattr(pool, "_settings", replace(SETTINGS, job_timeout=0.5))
    with pytest.raises(EngineError, match=r"longer than the 0\.5 s") as caught:
        await run(pool, "hang", str(tmp_path / "pid"))
    assert (caught.value.code, caught.value.retryable, caught.value.max_attempts) == ("job_timeout", False, None)
    monkeypatch.undo()
    assert await run(pool, "pid") != before


async def test_the_queue_for_a_process_is_not_work_and_is_served_in_order(pool: ProcessPool, tmp_path: Path) -> None:
    fifo, ended = make_fifo(tmp_path), []
    holder = asyncio.create_task(pool.run(("hang", fifo), ignore))
    await pid_from(fifo)
    queued: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
    timeouts: list[WorkTimeout] = []

    async def timed(number: int) -> None:
        async with WorkTimeout(PATIENCE) as timeout:
            timeouts.append(timeout)
            await pool.run(("echo", number), lambda percent, stage: queued.put_nowait((percent, stage)))
        ended.append(number)

    jobs = []
    for number in range(3):
        jobs.append(asyncio.create_task(timed(number)))
        async with asyncio.timeout(PATIENCE):
            assert await queued.get() == (0, "waiting for an engine process")
    assert [timeout._timeout.when() for timeout in timeouts] == [None] * 3, "their clocks stand still"
    holder.cancel()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*jobs)
    assert ended == [0, 1, 2]
    with pytest.raises(asyncio.CancelledError):
        await holder


async def test_a_report_that_fails_ends_the_job(pool: ProcessPool) -> None:
    def fail(_percent: int, _stage: str) -> None:
        raise RuntimeError("the lease is lost")

    with pytest.raises(RuntimeError, match="the lease is lost"):
        await pool.run(("hang",), fail)
    assert await run(pool, "echo", 1) == 1


@pytest.mark.parametrize("job", [("allocate", 4 * 1024**3), ("allocate_in_opencv", 60_000)])
async def test_memory_is_bounded(pool: ProcessPool, job: tuple[object, ...]) -> None:
    pid = await run(pool, "pid")
    with pytest.raises(EngineError, match="2,048 MiB") as caught:
        await run(pool, *job)
    assert (caught.value.code, caught.value.retryable, caught.value.max_attempts) == ("out_of_memory", True, 2)
    assert caught.value.engine_fault, "another engine may succeed"
    assert await run(pool, "pid") != pid


async def test_the_largest_photo_goes_there_and_back(pool: ProcessPool) -> None:
    photo = os.urandom(1024**2) * 25
    assert await run(pool, "echo", photo) == photo


async def test_the_event_loop_goes_on_while_a_large_photo_is_passed(pool: ProcessPool) -> None:
    photo = bytes(25 * 1024**2)
    turns = 0
    call = asyncio.create_task(run(pool, "echo", photo))
    while not call.done():
        await asyncio.wait([call], timeout=0)
        turns += 1
    assert turns > 20


async def test_frames_are_bounded_both_ways(start_pool: StartPool) -> None:
    pool = await start_pool(replace(SETTINGS, max_frame_bytes=10_000))
    pid = await run(pool, "pid")
    with pytest.raises(EngineError, match="over the limit of 10000") as caught:
        await run(pool, "echo", bytes(20_000))
    assert (caught.value.code, caught.value.retryable) == ("job_too_large", False)
    with pytest.raises(EngineError, match="at most 10000 are possible") as caught:
        await run(pool, "make", 20_000)
    assert (caught.value.code, caught.value.retryable) == ("result_too_large", False)
    assert await run(pool, "pid") == pid


async def test_two_jobs_run_at_the_same_time(start_pool: StartPool, tmp_path: Path) -> None:
    pool = await start_pool(replace(SETTINGS, processes=2))
    one, two = make_fifo(tmp_path, "1"), make_fifo(tmp_path, "2")
    met = await asyncio.gather(run(pool, "meet", one, two), run(pool, "meet", two, one))
    assert list(met) == [b"here", b"here"]


async def test_a_process_is_replaced_after_its_share_of_jobs(start_pool: StartPool) -> None:
    pool = await start_pool(replace(SETTINGS, jobs_per_process=2))
    pids = [await run(pool, "pid") for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


async def test_prints_go_to_the_log_and_not_between_frames(pool: ProcessPool, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert await run(pool, "chatter") is None
        await pool.close()
    for line in ("printed", "written to descriptor 1", "a line too long for the log", "after a very long line"):
        assert line in caplog.text


async def test_a_child_has_low_priority_and_no_secrets(start_pool: StartPool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WHITEBG_JWT_SECRET", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "SOME_TOKEN"):
        monkeypatch.setenv(name, "do-not-tell")
    pool = await start_pool(SETTINGS)
    assert await run(pool, "niceness") == min(os.nice(0) + 5, 19)
    environment = await run(pool, "environment")
    assert isinstance(environment, dict)
    assert "do-not-tell" not in environment.values()
    assert environment["OMP_NUM_THREADS"] == "1"


async def test_ctrl_c_does_not_reach_the_child(pool: ProcessPool) -> None:
    pid = await run(pool, "pid")
    assert await run(pool, "send_signal", int(signal.SIGINT)) == "still alive"
    assert await run(pool, "pid") == pid


async def test_closing_ends_calls_under_way_and_waiting(pool: ProcessPool, tmp_path: Path) -> None:
    fifo = make_fifo(tmp_path)
    under_way = asyncio.create_task(pool.run(("hang", fifo), ignore))
    pid = await pid_from(fifo)
    waiting = asyncio.create_task(pool.run(("pid",), ignore))
    await asyncio.wait([waiting], timeout=0)
    async with asyncio.timeout(PATIENCE):
        await pool.close()
        for call in (under_way, waiting, asyncio.create_task(pool.run(("pid",), ignore))):
            with pytest.raises(EngineError) as caught:
                await call
            assert (caught.value.code, caught.value.retryable) == ("shutting_down", True)
    assert gone(pid)
    await pool.close()


async def test_a_target_that_does_not_import_is_told_at_start(caplog: pytest.LogCaptureFixture) -> None:
    pool = ProcessPool("tests.support.no_such_module:perform", replace(SETTINGS, processes=2))
    with pytest.raises(EngineError, match="exited with code 1"):
        await pool.start()
    assert "No module named 'tests.support.no_such_module'" in caplog.text


async def test_a_start_that_takes_too_long_is_told() -> None:
    pool = ProcessPool(TARGET, replace(SETTINGS, ready_timeout=0.001))
    with pytest.raises(EngineError, match=r"was not ready within 0\.001 s"):
        await pool.start()


async def test_children_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    fifo = make_fifo(tmp_path)
    owner = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.support.pool_owner", fifo),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert owner.stdout is not None
    async with asyncio.timeout(PATIENCE):
        first = int(await owner.stdout.readline())
        busy = await pid_from(fifo)
        # Descriptors are opened while the processes live, so that they can't refer to other processes.
        watches = [os.pidfd_open(pid) for pid in {first, busy}]
        owner.kill()
        await owner.communicate()
        for watch in watches:
            ended, _, _ = await asyncio.to_thread(select.select, [watch], [], [], PATIENCE)
            os.close(watch)
            assert ended
