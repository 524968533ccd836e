"""In any order of operations, the client reaches the server's state and receives every event exactly once."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit.gateway.session_model import BEGIN, LIMITS, GatewayHarness, Task
from ws_gateway.protocol.cursor import Start, UserCursor
from ws_gateway.protocol.messages import Phase


class SessionMachine(RuleBasedStateMachine):
    """Drives one user's client through drops, syncs, acks and none, slow reads, compaction and new epochs."""

    @initialize(
        since=st.sampled_from([Start.SNAPSHOT, UserCursor("a0", 0), UserCursor("dead", 5), BEGIN]), acks=st.booleans()
    )
    def open(self, since: Start | UserCursor, acks: bool) -> None:
        self.world = GatewayHarness(since, acks=acks)
        self.epochs = 0

    @property
    def service_tasks(self) -> list[Task]:
        return list(self.world.service.tasks.values())

    @rule()
    def submit(self) -> None:
        self.world.change(Task(len(self.service_tasks) + 1), Phase.WAITING)

    @rule(data=st.data(), phase=st.sampled_from(Phase))
    def change(self, data: st.DataObject, phase: Phase) -> None:
        """Start, retry or end a task that has not ended."""
        alive = [task for task in self.service_tasks if task.phase not in (Phase.ENDED, phase)]
        if alive:
            self.world.change(data.draw(st.sampled_from(alive)), phase)

    def change_one(self, phase: Phase) -> None:
        """Change the latest task."""
        self.world.change(self.service_tasks[-1], phase)

    @rule(data=st.data(), percent=st.integers(0, 100), late=st.integers(0, 2))
    def progress(self, data: st.DataObject, percent: int, late: int) -> None:
        """Report progress of a task, perhaps of an earlier attempt, perhaps after its end."""
        if self.service_tasks:
            task = data.draw(st.sampled_from(self.service_tasks))
            self.world.progress(task, max(0, task.attempt - late), percent)

    @rule(count=st.integers(1, 6))
    def deliver(self, count: int) -> None:
        for _ in range(count):
            self.world.deliver()

    @rule()
    def repeat(self) -> None:
        self.world.repeat()

    @rule()
    def skip(self) -> None:
        self.world.skip()

    @rule()
    def lose_track(self) -> None:
        self.world.lose_track()

    @rule()
    def start_read(self) -> None:
        self.world.start_read()

    @rule()
    def finish_read(self) -> None:
        self.world.finish_read()

    @rule(seconds=st.sampled_from([0.01, 0.05, 0.2, 30.0]))
    def take(self, seconds: float) -> None:
        self.world.now += seconds
        self.world.take()

    @precondition(lambda self: self.world.client.acks)
    @rule(begun=st.booleans(), confirmed=st.booleans(), times=st.integers(1, 3))
    def forget_to_ack(self, begun: bool, confirmed: bool, times: int) -> None:
        """Send events, ack them or not, and wait long enough for unacked ones to be repeated."""
        self.submit()
        if begun:
            self.change_one(Phase.RUNNING)
        self.world.start_read()
        self.world.finish_read()
        self.deliver(6)
        self.world.take()
        self.world.read()
        if confirmed:
            self.world.ack()
        for _ in range(times):
            self.world.take()
            self.world.now += LIMITS.ack_timeout
            self.world.take()
            self.world.read()

    @rule(count=st.integers(1, 4))
    def read(self, count: int) -> None:
        """Read some of the sent frames; the rest stays in the network and is lost with the connection."""
        self.world.read(count)

    @rule()
    def read_all(self) -> None:
        self.world.read()

    @rule()
    def ack(self) -> None:
        self.world.ack()

    @rule(waiting=st.sampled_from([0, 70_000]))
    def look(self, waiting: int) -> None:
        self.world.look(waiting)

    @rule()
    def reconnect(self) -> None:
        self.world.reconnect()

    @rule(answered=st.booleans())
    def sync_by_cursor(self, answered: bool) -> None:
        # Empty the network first: frames in it would be sent a second time, at the client's own request.
        self.world.read()
        client = self.world.client
        self.world.session.receive(client.sync(str(client.cursor) if client.cursor and answered else None))

    @precondition(lambda self: self.world.client.synced)
    @rule(seconds=st.integers(-5, 30))
    def sync_by_time(self, seconds: int) -> None:
        """Sync by a clock that is off by some seconds, in either direction."""
        self.world.read()
        time = self.world.service.time_of(self.world.service.seq) + timedelta(seconds=seconds)
        self.world.session.receive(self.world.client.sync(max(BEGIN, time).isoformat()))

    @rule()
    def compact(self) -> None:
        self.world.service.compact()

    @rule()
    def new_epoch(self) -> None:
        """Restore the service from a backup: the hub loses track too."""
        self.epochs += 1
        self.world.service.epoch = f"a{self.epochs}"
        self.world.service.compact()
        self.world.lose_track()
        self.world.answer = None

    @invariant()
    def bounded(self) -> None:
        """A session holds at most one page, one full queue and a few marks."""
        session = self.world.session
        held = session._held + len(session._buffer)
        assert held <= LIMITS.queue_messages + LIMITS.buffer_events + 2 * len(self.service_tasks) + 12

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        # A further event reveals a gap left by skipped ones.
        self.submit()
        self.world.settle()
        client = {
            task_id: (body["phase"], body["attempt"], body["seq"]) for task_id, body in self.world.client.tasks.items()
        }
        server = {task.task_id: (task.phase.value, task.attempt, task.seq) for task in self.service_tasks}
        assert client == server
        assert all(times <= 1 for times in self.world.client.terminals.values())
        assert self.world.client.cursor == self.world.service.head


TestSession = SessionMachine.TestCase
TestSession.settings = settings(max_examples=250, stateful_step_count=40, deadline=None)


def test_unconfirmed_events_do_not_come_into_a_replay_by_time() -> None:
    """They were sent again after the replay's first page: the fifth event came after the third."""
    machine = SessionMachine()
    machine.open(since=Start.SNAPSHOT, acks=True)
    for times in (1, 1, 1, 2):
        machine.forget_to_ack(begun=False, confirmed=False, times=times)
    machine.sync_by_time(seconds=-4)
    for times in (1, 1):
        machine.forget_to_ack(begun=False, confirmed=False, times=times)
    machine.teardown()
