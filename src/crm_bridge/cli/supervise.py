"""One parent for the processes of `up` and `demo`: starts them, restarts them, and leaves none behind.

Every child gets its own session, so Ctrl-C reaches only the supervisor, and dies with it (see `child.py`); the
embedded database does not, and is adopted by the next supervisor. It waits on pidfds and signals, never on a clock:
time only says when a restart is due. What happens is told through `on_event`; nothing is logged or printed here.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from crm_bridge.cli.supervised import DATABASE, Child, EventKind, SupervisorEvent, next_delay
from crm_bridge.store.embedded import EmbeddedDatabaseError, EmbeddedServer

WRONG_CONFIG = 2  # a program that ends so (wrong usage or config) would end so again

_EXEC = Path(__file__).with_name("child.py")


@dataclass(kw_only=True, eq=False)
class _Program:
    """One thing to keep running: its living process (`pidfd`) or the moment its next start is due."""

    name: str
    start: Callable[[], tuple[int, subprocess.Popen[bytes] | None]]
    pid: int | None = None
    pidfd: int | None = None
    process: subprocess.Popen[bytes] | None = None
    since: float = 0.0
    delay_s: float = 0.0
    due: float = 0.0


class Supervisor:
    """Keeps `children` running, and `database` before them. Made for one `run`, in the main thread."""

    def __init__(
        self,
        children: Sequence[Child],
        database: EmbeddedServer | None,
        on_event: Callable[[SupervisorEvent], None],
        *,
        stop_timeout_s: float = 10.0,
    ) -> None:
        self._database = database
        self._on_event = on_event
        self._stop_timeout_s = stop_timeout_s
        self._selector = selectors.DefaultSelector()
        self._server = _Program(name=DATABASE, start=partial(_ensure_running, database)) if database else None
        self._programs = [_Program(name=child.name, start=partial(_spawn, child)) for child in children]
        self._signals = 0
        self._exit_code = 0

    def run(self) -> int:
        """Run until it is told to stop, and return the exit code.

        0 after SIGINT, SIGTERM or SIGHUP; 1 when the database cannot be started at first, or not be stopped; 2 when
        a child ended with 2, that is wrong usage or config, which a restart cannot cure.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("run the supervisor in the main thread: signals and its children's lives hang on it")
        with self._selector, _signals_wake(self._selector, self._count_signal):
            try:
                if self._server and not self._start(self._server):
                    self._exit_code = 1
                while not self._stopping:
                    self._start_due()
                    self._wait(until=min((program.due for program in self._waiting()), default=None))
            finally:
                self._stop()
        return self._exit_code

    @property
    def _stopping(self) -> bool:
        return self._signals > 0 or self._exit_code != 0

    def _count_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1

    def _waiting(self) -> list[_Program]:
        """What should run and does not; while the database is down nothing else is started."""
        if self._server and self._server.pidfd is None:
            return [self._server]
        return [program for program in self._programs if program.pidfd is None]

    def _start_due(self) -> None:
        for program in self._waiting():
            if program.due <= time.monotonic() and not self._stopping:
                self._start(program)

    def _start(self, program: _Program) -> bool:
        program.since = time.monotonic()
        try:
            program.pid, program.process = program.start()
            program.pidfd = os.pidfd_open(program.pid)
        except (EmbeddedDatabaseError, OSError) as error:
            self._tell(EventKind.FAILED, program, detail=str(error))
            self._schedule(program)
            return False
        self._selector.register(program.pidfd, selectors.EVENT_READ, program)
        self._tell(EventKind.STARTED, program, pid=program.pid)
        return True

    def _schedule(self, program: _Program) -> None:
        now = time.monotonic()
        program.delay_s = next_delay(program.delay_s, now - program.since)
        program.due = now + program.delay_s
        self._tell(EventKind.RESTART_DUE, program, delay_s=program.delay_s)

    def _wait(self, *, until: float | None) -> None:
        """Wait for a signal, the end of a process, or the moment `until`."""
        timeout_s = None if until is None else max(0.0, until - time.monotonic())
        for key, _ in self._selector.select(timeout_s):
            if isinstance(key.data, _Program):
                self._ended(key.data)
            else:
                os.read(key.fd, 512)  # the handler has counted the signal

    def _ended(self, program: _Program) -> None:
        status = self._reap(program)
        self._tell(EventKind.EXITED, program, pid=program.pid, status=status)
        if self._stopping:
            return
        if status == WRONG_CONFIG and program is not self._server:
            self._exit_code = WRONG_CONFIG
        else:
            self._schedule(program)

    def _reap(self, program: _Program) -> int | None:
        """Collect a process that has ended; what it left in its own session goes with it."""
        assert program.pidfd is not None
        self._selector.unregister(program.pidfd)
        os.close(program.pidfd)
        program.pidfd = None
        if program.process is None:
            return None
        if program is not self._server:  # the server's own processes end by themselves
            with suppress(ProcessLookupError):
                os.killpg(program.process.pid, signal.SIGKILL)  # not reaped yet, so the number is still its
        return program.process.wait()

    def _stop(self) -> None:
        """Ask the children to end, kill those that do not (all at once on a second signal), then stop the database."""
        # Read before anybody is told: whoever answers that with a second signal means it.
        asked = min(self._signals, 1)
        self._tell(EventKind.STOPPING)
        deadline: float | None = time.monotonic() + self._stop_timeout_s
        self._signal_all(signal.SIGTERM)
        while any(program.pidfd is not None for program in self._programs):
            if deadline is not None and (time.monotonic() >= deadline or self._signals > asked):
                self._signal_all(signal.SIGKILL)
                deadline = None
            self._wait(until=deadline)
        if self._server:
            self._stop_database(self._server)

    def _signal_all(self, number: signal.Signals) -> None:
        for program in self._programs:
            if program.pidfd is not None:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(program.pidfd, number)
                if number is signal.SIGKILL:
                    self._tell(EventKind.KILLED, program, pid=program.pid)

    def _stop_database(self, server: _Program) -> None:
        assert self._database is not None
        try:
            self._database.stop(self._stop_timeout_s)
        except (EmbeddedDatabaseError, OSError) as error:
            if server.pid is not None:  # else it never started, which was told already
                self._tell(EventKind.FAILED, server, detail=str(error))
            self._exit_code = self._exit_code or 1
        else:
            if server.pidfd is not None:
                self._ended(server)

    def _tell(self, kind: EventKind, program: _Program | None = None, **details: Any) -> None:
        with suppress(OSError):  # a listener that prints may have lost its terminal; that must not stop the stopping
            self._on_event(SupervisorEvent(kind=kind, name=program.name if program else "", **details))


def _spawn(child: Child) -> tuple[int, subprocess.Popen[bytes]]:
    process = subprocess.Popen(  # noqa: S603 - an argv list of the command line's own making, never a shell
        [sys.executable, "-I", "-S", str(_EXEC), str(os.getpid()), *child.argv],
        env=child.env,
        cwd=child.cwd,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    return process.pid, process


def _ensure_running(database: EmbeddedServer) -> tuple[int, subprocess.Popen[bytes] | None]:
    database.ensure_running()
    pid = database.pid()
    if pid is None:
        raise EmbeddedDatabaseError("The embedded database ended as soon as it had started; see its log.")
    return pid, database.child


@contextmanager
def _signals_wake(
    selector: selectors.BaseSelector, on_signal: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Stop signals call `on_signal` and wake the selector. A SIGHUP that is ignored (nohup) stays ignored."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    selector.register(reader, selectors.EVENT_READ)
    before_fd = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before_fd)
        os.close(reader)
        os.close(writer)
