"""What a running embedded server is: whose, where, how it speaks, and who may reach it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from embedded_place import AS_ROOT, STOP_S, Place, ask, new_place, processes_of, socket_folder, tell
from installation import until

from crm_bridge.store.embedded import EmbeddedServer, embedded_url, kept_binaries

FOREIGN_ENVIRONMENT = {
    "LC_ALL": "tr_TR.UTF-8",
    "LANG": "de_DE.UTF-8",
    "TZ": "Pacific/Auckland",
    "PGDATA": "/nowhere",
    "PGPORT": "1",
    "PGTZ": "Asia/Tokyo",
}


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Place, EmbeddedServer, str]]:
    """One server for all tests of this module, started under an environment that should not matter."""
    with new_place() as place, pytest.MonkeyPatch.context() as patch:
        server = place.server()
        for name, value in FOREIGN_ENVIRONMENT.items():
            patch.setenv(name, value)
        server.ensure_running()
        patch.undo()
        yield place, server, server.ensure_running()
        server.stop(STOP_S)


Running = tuple[Place, EmbeddedServer, str]


def test_locale_encoding_and_time_zone_are_fixed_whatever_the_environment(running: Running) -> None:
    _, _, url = running
    query = "select concat_ws(' ', datlocprovider, datlocale, datcollate, datctype, pg_encoding_to_char(encoding))"
    assert ask(url, f"{query} from pg_database where datname = 'crm_bridge'") == "b C.UTF-8 C C UTF8"
    assert ask(url, "select upper('äöi')") == "ÄÖI"
    assert [ask(url, f"show {name}") for name in ("timezone", "log_timezone", "lc_messages")] == ["UTC", "UTC", "C"]


def test_a_commit_is_on_the_disk(running: Running) -> None:
    _, _, url = running
    assert [ask(url, f"show {name}") for name in ("fsync", "full_page_writes", "data_checksums")] == ["on"] * 3


def test_the_url_works_for_sqlalchemy_too(running: Running) -> None:
    _, _, url = running
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        assert connection.execute(sa.text("select current_database()")).scalar_one() == "crm_bridge"
    engine.dispose()


def test_it_listens_on_a_private_short_socket_only(running: Running) -> None:
    place, _, url = running
    folder = socket_folder(url)
    assert ask(url, "show listen_addresses") == ""
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == place.cluster().account.uid
    assert stat.S_IMODE((folder / ".s.PGSQL.5432").stat().st_mode) == 0o700
    assert not (place.cluster().pgdata / ".s.PGSQL.5432").exists()


def test_it_never_runs_as_root_and_has_a_session_of_its_own(running: Running) -> None:
    place, server, _ = running
    pid = server.pid()
    assert pid is not None
    owner = Path(f"/proc/{pid}").stat().st_uid
    assert owner == place.cluster().account.uid
    assert owner != 0
    assert os.getsid(pid) == pid
    assert pid in processes_of(place.cluster())


def test_as_root_the_cluster_lies_under_the_state_root_and_else_in_the_data_folder(running: Running) -> None:
    place, _, _ = running
    home = place.cluster().home
    recorded = place.root / "data" / "cluster-id"
    assert home == (place.root / "state" / recorded.read_text().strip() if AS_ROOT else place.root / "data")
    assert recorded.exists() == AS_ROOT


def test_the_programs_are_kept_beside_the_data_and_the_server_runs_from_them(running: Running) -> None:
    place, server, _ = running
    (kept,) = kept_binaries(place.root / "data")
    assert kept.program("pg_dump").is_relative_to(place.cluster().home)
    assert Path(f"/proc/{server.pid()}/exe").readlink() == kept.program("postgres")
    backup = place.cluster().account.run([kept.program("pg_dump"), "--version"])
    assert (backup.returncode, backup.stdout.strip()) == (0, f"pg_dump (PostgreSQL) {kept.version}")


def test_another_object_adopts_what_runs(running: Running) -> None:
    place, server, url = running
    other = place.server()
    assert other.ensure_running() == url == embedded_url(place.root / "data")
    assert (other.pid(), other.child, other.is_running()) == (server.pid(), None, True)
    assert server.child is not None


def test_the_log_names_no_values(running: Running) -> None:
    place, _, url = running
    tell(url, "create table held (text text unique)")
    with pytest.raises(Exception, match="duplicate key"):
        tell(url, "insert into held values ('private matter'), ('private matter')")
    with pytest.raises(Exception, match="syntax"):
        tell(url, "selct 'private matter'")
    (log,) = place.cluster().logs.iterdir()
    # The server's logger is a process of its own and writes a moment later.
    until(lambda: "duplicate key" in log.read_text() and "syntax" in log.read_text(), "the log of both errors")
    assert "private matter" not in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
