"""`python -m tools.benchmarks.driven`: the real service without a worker, and changes at the pace that stdin asks for.

Each line of stdin is ``seconds per_second users padding``, the last three as often as wanted: for so long, tasks of the
first so many users are created and cancelled in turn, so many changes a second. The answer to the first line is
``driven 1:`` and how many tasks each created. A task's file name is the wall time at which its creation began, in
microseconds, and so many further characters.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import replace

import uvloop

from generator_service.command_line import SWITCH_SECONDS
from generator_service.server import Running, running_service
from generator_service.settings import Settings
from tools.benchmarks.store import new_task
from whitebg_process.garbage import settle_garbage
from whitebg_process.logs import configure_logs

TICK = 0.01


async def drive(running: Running, seconds: float, per_second: float, users: int, padding: int) -> int:
    """Create and cancel tasks at an even pace; return how many were created."""
    store = running.parts.store
    pace, ended = per_second / 2, time.monotonic() + seconds
    began, number = time.monotonic(), 0

    async def change(user: str) -> None:
        new = new_task(user)
        photo = replace(new.input, filename=f"{time.time_ns() // 1000} {'x' * padding}")
        made = await store.enqueue(replace(new, input=photo))
        await store.cancel(made.task.task_id, user)

    async with asyncio.TaskGroup() as changes:
        while (now := time.monotonic()) < ended:
            while number < (now - began) * pace:
                changes.create_task(change(f"user-{number % users}"))
                number += 1
            # Not waiting for anything to happen: this is the pace of the changes.
            await asyncio.sleep(TICK)
    return number


async def main() -> None:
    """Serve, and drive as told."""
    settings = Settings()
    configure_logs(settings.log_level)
    async with running_service(settings) as running:
        settle_garbage()
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        print(json.dumps({"message": "serving", "address": f"127.0.0.1:{running.port}"}), flush=True)
        number = 0
        while line := await reader.readline():
            number += 1
            seconds, *loads = map(float, line.split())
            triples = zip(loads[::3], loads[1::3], loads[2::3], strict=True)
            made = await asyncio.gather(
                *(drive(running, seconds, pace, int(users), int(padding)) for pace, users, padding in triples)
            )
            print(f"driven {number}:", *made, flush=True)


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_SECONDS)
    uvloop.run(main())
