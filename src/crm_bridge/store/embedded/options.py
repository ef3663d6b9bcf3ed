"""How the server runs: the table of its settings, given on the command line so that no file can weaken them.

Chosen for one machine beside a web server: little memory, no parallel queries (their shared memory does not fit the
64 MB of a default container), durable, and a log without the customers' texts.
"""

from __future__ import annotations

from pathlib import Path

from crm_bridge.store.embedded.binaries import Binaries
from crm_bridge.store.embedded.cluster import Cluster
from crm_bridge.store.embedded.sockets import PORT

_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "64MB",
    "max_parallel_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "huge_pages": "off",
    "jit": "off",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_filename": "postgres-%a.log",  # one a weekday, overwritten a week later
    "log_rotation_age": "1d",
    "log_truncate_on_rotation": "on",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # a statement or a DETAIL may hold what a customer wrote
    "log_error_verbosity": "terse",
}
_SINCE_18 = {"io_method": "sync"}  # three processes fewer

_LOGS_KEPT_BYTES = 20_000_000


def command(cluster: Cluster, binaries: Binaries, socket_folder: Path) -> list[str | Path]:
    """The argv of the server."""
    settings = _SETTINGS | (_SINCE_18 if binaries.major >= 18 else {})
    settings["log_directory"] = str(cluster.logs)
    # A list of names in PostgreSQL's syntax: quoted, a comma or a space in the path stays one name.
    settings["unix_socket_directories"] = '"{}"'.format(str(socket_folder).replace('"', '""'))
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [binaries.program("postgres"), "-D", cluster.pgdata, *options]


def prepare_logs(cluster: Cluster) -> None:
    """Make the log folder, and drop the oldest logs when all together have grown too large."""
    if not cluster.logs.is_dir():
        cluster.logs.mkdir(mode=0o700)
        cluster.account.own(cluster.logs)
    kept_bytes = 0
    for log in _newest_first(cluster):
        kept_bytes += log.lstat().st_size
        if kept_bytes > _LOGS_KEPT_BYTES:
            log.unlink()


def last_words(cluster: Cluster) -> str:
    """The end of what the server wrote at its last start, for an error's text."""
    if not cluster.start_log.is_file():
        return "(nothing)"
    # The server turns from the start log to its own log soon; an older log is an earlier server's.
    since = cluster.start_log.stat().st_mtime
    logs = [cluster.start_log, *(log for log in _newest_first(cluster)[:1] if log.lstat().st_mtime >= since)]
    return " / ".join(line for log in logs for line in _tail(log)) or "(nothing)"


def _newest_first(cluster: Cluster) -> list[Path]:
    return sorted(cluster.logs.glob("*.log"), key=lambda log: log.lstat().st_mtime, reverse=True)


def _tail(log: Path, *, lines: int = 4, longest_bytes: int = 2000) -> list[str]:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - longest_bytes))
        return file.read().decode(errors="replace").splitlines()[-lines:]
