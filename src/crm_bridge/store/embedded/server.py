"""The embedded server's life: started once, adopted by whoever comes later, stopped on request.

Nothing here ends a server together with its starter: a killed parent leaves it running, and the next one finds it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg

from crm_bridge.store.embedded import cluster as clusters
from crm_bridge.store.embedded import sockets
from crm_bridge.store.embedded.binaries import Binaries, find_binaries
from crm_bridge.store.embedded.cluster import USER, Cluster
from crm_bridge.store.embedded.errors import EmbeddedDatabaseError
from crm_bridge.store.embedded.kept import drop_older, keep, on_shelf
from crm_bridge.store.embedded.locks import start_lock, try_lock, until
from crm_bridge.store.embedded.options import command, last_words, prepare_logs
from crm_bridge.store.embedded.process import PID_FILE, Postmaster, find_postmaster, shut_down

DATABASE = "crm_bridge"
START_TIMEOUT_S = 60.0  # a start may have to replay the journal after a crash
_IMMEDIATE_TIMEOUT_S = 6.0  # postgres kills its own processes after 5 s


class EmbeddedServer:
    """The server of one data folder. Making the object touches nothing.

    `binaries` names the programs to use; without it the wheel's, else the system's. Every method raises
    `EmbeddedDatabaseError` and nothing else of its own.
    """

    def __init__(self, data_dir: Path, *, binaries: Binaries | None = None) -> None:
        self._data_dir = Path(data_dir)
        self._binaries = binaries
        self._child: subprocess.Popen[bytes] | None = None
        self._socket_folder: Path | None = None

    @property
    def child(self) -> subprocess.Popen[bytes] | None:
        """The server's process when this object started it; None when it was adopted or is gone."""
        return self._child

    def ensure_running(self) -> str:
        """Make sure that a server runs and takes connections; return the URL of its database.

        Makes the cluster and the database when there are none. Safe to call at once from several processes: all get
        the same server.
        """
        with _told(self._data_dir):
            cluster = clusters.establish(self._data_dir)
            with start_lock(cluster.start_lock, timeout_s=2 * START_TIMEOUT_S):
                return self._ensure_running(cluster)

    def is_running(self) -> bool:
        """Whether the server's process lives (it may still be starting)."""
        return self.pid() is not None

    def pid(self) -> int | None:
        """The verified process id of the running server, child or not."""
        with _told(self._data_dir):
            running = _running(self._data_dir)
        return running[1].pid if running else None

    def stop(self, timeout_s: float) -> None:
        """Fast shutdown, and return when no process of the server is left.

        When `timeout_s` is over, the server is ended at once; it then replays its journal at the next start.
        """
        deadline = time.monotonic() + timeout_s
        with _told(self._data_dir):
            cluster = clusters.locate(self._data_dir)
            if cluster is None:
                return
            with start_lock(cluster.start_lock, timeout_s=timeout_s + START_TIMEOUT_S):
                _shut_down(cluster, deadline)
        self._reap()

    def _ensure_running(self, cluster: Cluster) -> str:
        binaries = self._binaries or find_binaries()
        clusters.require_same_major(cluster, binaries)
        url, life_lock = self._adopt_or_claim(cluster)
        if life_lock is None:
            return url
        try:
            kept = keep(binaries, cluster.programs)
            clusters.require_reachable(cluster, kept)
            clusters.create(cluster, kept, life_lock=life_lock)
            url = self._start(cluster, kept, life_lock)
        finally:
            os.close(life_lock)
        drop_older(kept, cluster.programs)
        return url

    def _adopt_or_claim(self, cluster: Cluster) -> tuple[str, int | None]:
        """The URL of a server that runs, or the life lock, which proves that none of its processes is left."""
        self._reap()

        def probe() -> tuple[str, int | None] | None:
            running = find_postmaster(cluster.pgdata)
            if running is None:
                lock = try_lock(cluster.life_lock)
                return None if lock is None else ("", lock)
            url = self._adopt(cluster, running)
            return (url, None) if url else None

        answer = until(probe, timeout_s=START_TIMEOUT_S)
        if answer is None:
            raise EmbeddedDatabaseError(
                f"A server of {cluster.pgdata} has not taken connections for {START_TIMEOUT_S:.0f} s. It may be"
                " replaying its journal (then try again), be stuck, or belong to another container that uses the same"
                f" folder (then stop that one). It said: {last_words(cluster)}"
            )
        return answer

    def _adopt(self, cluster: Cluster, running: Postmaster) -> str | None:
        folder = running.socket_folder
        if folder is None:
            return None  # still starting
        if not (folder / sockets.SOCKET).exists():
            # A cleaner of the temporary folder took it. Nobody can connect any more, so it has to start anew.
            shut_down(running.pid, cluster.pgdata, signal.SIGINT, timeout_s=START_TIMEOUT_S)
            self._reap()
            return None
        sockets.require_private(folder, cluster.account)
        self._socket_folder = folder
        return _connectable(folder)

    def _start(self, cluster: Cluster, binaries: Binaries, life_lock: int) -> str:
        """Start the server. The life lock is held, so what a pid file says by now is about another process."""
        folder = sockets.make_socket_folder(cluster.pgdata, cluster.account, before=self._socket_folder)
        self._socket_folder = folder
        sockets.clear_socket_folder(folder)
        (cluster.pgdata / PID_FILE).unlink(missing_ok=True)
        prepare_logs(cluster)
        with cluster.start_log.open("wb") as log:
            child = cluster.account.spawn(command(cluster, binaries, folder), output=log, keep_open=[life_lock])
        self._child = child

        def probe() -> str | None:
            return "" if child.poll() is not None else _connectable(folder)

        url = until(probe, timeout_s=START_TIMEOUT_S)
        if url:
            return url
        state = "is still starting; try again soon" if url is None else f"ended with status {child.returncode}"
        self._reap()
        raise EmbeddedDatabaseError(
            f"PostgreSQL {binaries.version} on {cluster.pgdata} {state}. It said: {last_words(cluster)}"
        )

    def _reap(self) -> None:
        """Forget a child that has ended, so that it is no zombie."""
        if self._child is not None and self._child.poll() is not None:
            self._child = None


def embedded_url(data_dir: Path) -> str | None:
    """The URL of the server that already runs for this data folder; None when none does. Starts nothing."""
    with _told(data_dir):
        running = _running(Path(data_dir))
        if running is None:
            return None
        cluster, postmaster = running
        folder = postmaster.socket_folder
        if folder is None or not (folder / sockets.SOCKET).exists():
            return None
        sockets.require_private(folder, cluster.account)
        return _url(folder, DATABASE)


def kept_binaries(data_dir: Path) -> list[Binaries]:
    """The programs kept beside this data folder's cluster, one a version: what a backup of old data needs."""
    cluster = clusters.locate(Path(data_dir))
    return on_shelf(cluster.programs) if cluster else []


@contextmanager
def _told(data_dir: Path) -> Iterator[None]:
    """A file or a process that the system refuses is told as the one error of this package."""
    try:
        yield
    except OSError as error:
        raise EmbeddedDatabaseError(
            f"The embedded database of {data_dir} cannot be used: {error}."
            ' Correct that, or set database_url = "postgresql://user@host/db".'
        ) from error


def _running(data_dir: Path) -> tuple[Cluster, Postmaster] | None:
    cluster = clusters.locate(data_dir)
    postmaster = find_postmaster(cluster.pgdata) if cluster else None
    return (cluster, postmaster) if cluster and postmaster else None


def _shut_down(cluster: Cluster, deadline: float) -> None:
    def probe() -> Postmaster | int | None:
        return find_postmaster(cluster.pgdata) or try_lock(cluster.life_lock)

    running = found = until(probe, timeout_s=_IMMEDIATE_TIMEOUT_S)
    if isinstance(running, Postmaster):
        _end(running.pid, cluster, deadline)
        found = until(lambda: try_lock(cluster.life_lock), timeout_s=_IMMEDIATE_TIMEOUT_S)
    if not isinstance(found, int):
        raise EmbeddedDatabaseError(
            f"A process of the server of {cluster.pgdata} is still there; look for it with ps, and end it."
        )
    if isinstance(running, Postmaster) and running.socket_folder is not None:
        sockets.clear_socket_folder(running.socket_folder)
        sockets.remove_socket_folder(running.socket_folder)
    os.close(found)


def _end(pid: int, cluster: Cluster, deadline: float) -> None:
    """Fast shutdown until the deadline, then immediate shutdown, then a kill: committed work survives each."""
    if not shut_down(pid, cluster.pgdata, signal.SIGINT, timeout_s=deadline - time.monotonic()):
        for number in (signal.SIGQUIT, signal.SIGKILL):
            if shut_down(pid, cluster.pgdata, number, timeout_s=_IMMEDIATE_TIMEOUT_S):
                return


def _connectable(folder: Path) -> str | None:
    """The database's URL as soon as a connection works; makes the database when it is not there yet."""
    try:
        with psycopg.connect(_url(folder, "postgres"), autocommit=True, connect_timeout=5) as connection:
            known = connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone()
            if known is None:
                connection.execute(f"create database {DATABASE}")
    except psycopg.OperationalError:
        return None
    return _url(folder, DATABASE)


def _url(folder: Path, database: str) -> str:
    return f"postgresql://{USER}@/{database}?host={quote(str(folder), safe='')}&port={sockets.PORT}"
