"""The gateway's session between a lagging hub, a slow network and a strict client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.unit.gateway.session_model import BEGIN, LIMITS, GatewayHarness, Task
from tools.simulation.schedule import Step
from ws_gateway.protocol.cursor import Start, UserCursor
from ws_gateway.protocol.messages import Phase

_STARTS = (Start.SNAPSHOT, UserCursor("a0", 0), UserCursor("dead", 5), BEGIN)
_PAUSES = (0.01, 0.05, 0.2, 30.0)


class SessionWorld:
    """Runs one `Session` after the other: submissions, lag, repeats, losses, compaction, drops, acks and new epochs."""

    steps: Mapping[str, int] = {
        "submit": 4, "change": 8, "progress": 3, "deliver": 8, "repeat": 1, "skip": 1, "lose_track": 1,
        "start_read": 5, "finish_read": 5, "take": 8, "read": 8, "ack": 3, "look": 1, "reconnect": 2, "sync": 1,
        "compact": 1, "new_epoch": 1,
    }  # fmt: skip

    def run(self, schedule: Sequence[Step]) -> None:
        """Run a schedule, let everything settle, and compare the client's state with the server's."""
        first = schedule[0][1] if schedule else 0
        harness = GatewayHarness(_STARTS[first % 4], acks=bool(first & 4))
        epochs = 0
        for name, number in schedule:
            match name:
                case "new_epoch":
                    epochs += 1
                    harness.service.epoch = f"a{epochs}"
                    harness.service.compact()
                    harness.lose_track()
                    harness.answer = None
                case _:
                    _step(harness, name, number)
        # A further event reveals a gap left by skipped ones.
        _step(harness, "submit", 0)
        harness.settle()
        tasks = harness.service.tasks.values()
        server = {task.task_id: (task.phase.value, task.attempt, task.seq) for task in tasks}
        client = {id_: (body["phase"], body["attempt"], body["seq"]) for id_, body in harness.client.tasks.items()}
        assert client == server, f"the client holds {client}, the server {server}"
        assert all(times <= 1 for times in harness.client.terminals.values()), "an end was delivered twice"
        assert harness.client.cursor == harness.service.head, "the client's cursor is not the head"
        held = harness.session._held + len(harness.session._buffer)  # noqa: SLF001
        assert held <= LIMITS.queue_messages + LIMITS.buffer_events + 2 * len(server) + 12, "the session grew"


def _step(harness: GatewayHarness, name: str, number: int) -> None:
    tasks = list(harness.service.tasks.values())
    alive = [task for task in tasks if task.phase is not Phase.ENDED]
    match name:
        case "submit":
            harness.change(Task(len(tasks) + 1), Phase.WAITING)
        case "change" if alive:
            task = alive[number % len(alive)]
            others = [phase for phase in Phase if phase is not task.phase]
            harness.change(task, others[(number >> 8) % len(others)])
        case "progress" if tasks:
            task = tasks[number % len(tasks)]
            harness.progress(task, max(0, task.attempt - (number >> 8) % 3), number % 101)
        case "deliver":
            for _ in range(1 + number % 4):
                harness.deliver()
        case "take":
            harness.now += _PAUSES[number % 4]
            harness.take()
        case "read":
            harness.read(1 + number % 6)
        case "look":
            harness.look(70_000 * (number & 1))
        case "sync":
            harness.read()
            cursor = harness.client.cursor
            harness.session.receive(harness.client.sync(str(cursor) if cursor and number & 1 else None))
        case "compact":
            harness.service.compact()
        case "repeat" | "skip" | "lose_track" | "start_read" | "finish_read" | "ack" | "reconnect":
            getattr(harness, name)()
