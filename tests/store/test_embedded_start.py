"""Starting and adopting an embedded server where it is hard: odd paths, races, leftovers, other users and versions."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from embedded_place import AS_ROOT, STOP_S, Place, ask, new_place, processes_of, said, socket_folder, tell

from crm_bridge.store.embedded import EmbeddedDatabaseError, embedded_url, find_binaries
from crm_bridge.store.embedded.cluster import STATE_ROOT_VARIABLE, establish
from crm_bridge.store.embedded.kept import keep
from crm_bridge.store.embedded.locks import try_lock

LONGEST_NAME = "n" * 226


@pytest.fixture
def place() -> Iterator[Place]:
    """New folders, nothing in them."""
    with new_place() as made:
        yield made


@pytest.fixture(scope="module")
def used_place() -> Iterator[Place]:
    with new_place() as made:
        made.server().ensure_running()
        yield made


@pytest.fixture
def settled(used_place: Place) -> Iterator[Place]:
    """Folders with a cluster in them, stopped; it is the same for several tests because initdb takes long."""
    used_place.server().stop(STOP_S)
    yield used_place
    used_place.server().stop(STOP_S)


@pytest.mark.parametrize("name", ["with a space, 'quotes' and ü", LONGEST_NAME], ids=["spaces", "226 characters"])
def test_starts_under_an_awkward_path(place: Place, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder = place.root / name
    folder.mkdir()
    monkeypatch.setenv(STATE_ROOT_VARIABLE, str(folder / "state"))
    server = place.server(f"{name}/data")
    url = server.ensure_running()
    assert ask(url, "show data_directory").startswith(str(folder))
    assert len(str(socket_folder(url) / ".s.PGSQL.5432")) < 100
    server.stop(STOP_S)


def test_a_process_without_root_keeps_its_cluster_in_the_data_folder(place: Place) -> None:
    answer = said(place.unprivileged_user_of_server())
    assert answer["child"] is True
    assert Path(f"/proc/{answer['pid']}").stat().st_uid != 0
    assert (place.root / "data" / "postgres" / "PG_VERSION").exists()
    assert not (place.root / "data" / "cluster-id").exists()


def test_two_processes_at_once_end_with_one_server(place: Place) -> None:
    processes = [place.user_of_server() for _ in range(2)]
    one, other = (said(process) for process in processes)
    assert (one["pid"], one["url"]) == (other["pid"], other["url"])
    assert {one["child"], other["child"]} == {True, False}


def test_survives_the_kill_of_its_parent_and_is_adopted(settled: Place) -> None:
    parent = settled.user_of_server()
    first = said(parent)
    tell(first["url"], "create table parent_killed as select 7 as n")
    os.killpg(parent.pid, signal.SIGKILL)
    parent.wait()
    server = settled.server()
    assert (server.ensure_running(), server.pid(), server.child) == (first["url"], first["pid"], None)
    assert ask(first["url"], "select n from parent_killed") == 7


def interrupt(parent: subprocess.Popen[str]) -> None:
    """Ctrl-C, and again as people do: Python swallows one that arrives in a callback of its own."""
    for _ in range(20):
        os.killpg(parent.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            parent.wait(3)
            return
    raise AssertionError("it did not end")


def test_ctrl_c_in_the_terminal_does_not_reach_it(settled: Place) -> None:
    parent = settled.user_of_server()
    answer = said(parent)
    interrupt(parent)
    assert ask(answer["url"], "select 1") == 1
    assert settled.server().pid() == answer["pid"]


def test_a_pid_file_that_names_another_process_is_not_believed(settled: Place) -> None:
    server = settled.server()
    url = server.ensure_running()
    folder, pid = socket_folder(url), server.pid()
    server.stop(STOP_S)
    cluster = settled.cluster()
    stranger = cluster.account.spawn(["sleep", "60"], output=subprocess.DEVNULL)
    try:
        folder.mkdir(mode=0o700)
        cluster.account.own(folder)
        for file in (cluster.pgdata / "postmaster.pid", folder / ".s.PGSQL.5432.lock"):
            file.write_text(f"{stranger.pid}\n{cluster.pgdata}\n1\n5432\n{folder}\n")
        assert (server.pid(), embedded_url(settled.root / "data")) == (None, None)
        assert server.ensure_running() == url
        assert server.pid() not in (None, pid, stranger.pid)
        server.stop(STOP_S)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_killed_server_is_started_again_at_the_same_url_with_its_data(settled: Place) -> None:
    server = settled.server()
    url = server.ensure_running()
    tell(url, "create table server_killed as select 7 as n")
    assert server.child is not None
    server.child.kill()
    server.child.wait()
    assert not server.is_running()
    assert server.ensure_running() == url
    assert ask(url, "select n from server_killed") == 7


def test_a_deleted_socket_folder_is_made_again(settled: Place) -> None:
    server = settled.server()
    url = server.ensure_running()
    tell(url, "create table folder_deleted as select 7 as n")
    shutil.rmtree(socket_folder(url))
    assert embedded_url(settled.root / "data") is None
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    assert server.ensure_running() == url
    assert stat.S_IMODE(socket_folder(url).stat().st_mode) == 0o700
    assert ask(url, "select n from folder_deleted") == 7


def test_a_socket_folder_that_others_may_enter_is_refused(settled: Place) -> None:
    server = settled.server()
    folder = socket_folder(server.ensure_running())
    folder.chmod(0o755)
    for use in (server.ensure_running, lambda: embedded_url(settled.root / "data")):
        with pytest.raises(EmbeddedDatabaseError, match="nobody else may enter"):
            use()
    folder.chmod(0o700)


def test_stop_leaves_no_process_and_no_socket(settled: Place) -> None:
    server = settled.server()
    url = server.ensure_running()
    busy = psycopg.connect(url)
    busy.execute("create table half_done (n int)")
    assert len(processes_of(settled.cluster())) > 2
    server.stop(STOP_S)
    busy.close()
    assert processes_of(settled.cluster()) == []
    assert not socket_folder(url).exists()
    assert (server.pid(), server.child, server.is_running()) == (None, None, False)
    lock = try_lock(settled.cluster().life_lock)
    assert lock is not None
    os.close(lock)
    server.stop(STOP_S)  # nothing to stop is no error


def test_data_of_another_major_version_is_refused_and_left_alone(settled: Place) -> None:
    server = settled.server()
    version = settled.cluster().pgdata / "PG_VERSION"
    current = version.read_text()
    version.write_text("16\n")
    before = sorted(path.name for path in settled.cluster().pgdata.iterdir())
    with pytest.raises(EmbeddedDatabaseError, match=r"PostgreSQL 16; .* PostgreSQL \d\d\.\d.*pg_dump"):
        server.ensure_running()
    assert not server.is_running()
    assert sorted(path.name for path in settled.cluster().pgdata.iterdir()) == before
    version.write_text(current)


def test_programs_under_a_closed_home_are_copied_and_the_home_stays_closed(place: Place) -> None:
    home = place.root / "home"
    home.mkdir(mode=0o700)
    programs = keep(find_binaries(), home / "site-packages")
    for folder in (home / "site-packages", programs.folder):
        folder.chmod(0o700)
    server = place.server(binaries=programs)
    url = server.ensure_running()
    assert ask(url, "select 1") == 1
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (home, programs.folder)} == {0o700}
    server.stop(STOP_S)


def test_an_interrupted_initdb_is_done_again(place: Place) -> None:
    leftover = establish(place.root / "data").home / "postgres-new"
    leftover.mkdir()
    (leftover / "PG_VERSION").write_text("18\n")
    server = place.server()
    assert ask(server.ensure_running(), "select 1") == 1
    assert not leftover.exists()
    server.stop(STOP_S)


def test_a_deleted_data_folder_starts_a_new_cluster(place: Place) -> None:
    server = place.server()
    tell(server.ensure_running(), "create table gone (n int)")
    server.stop(STOP_S)
    shutil.rmtree(place.root / "data")
    again = place.server()
    assert ask(again.ensure_running(), "select to_regclass('gone')::text") is None
    again.stop(STOP_S)


def test_a_server_that_cannot_start_says_why(settled: Place) -> None:
    server = settled.server()
    control = settled.cluster().pgdata / "global" / "pg_control"
    control.rename(control.with_name("elsewhere"))
    with pytest.raises(EmbeddedDatabaseError, match=r"ended with status 2.*could not find the database system"):
        server.ensure_running()
    control.with_name("elsewhere").rename(control)
    assert server.child is None


def test_the_database_of_another_user_is_refused_with_what_to_do(place: Place) -> None:
    data_dir = place.root / "data"
    data_dir.mkdir()
    if AS_ROOT:
        (data_dir / "postgres").mkdir()
        (data_dir / "postgres" / "PG_VERSION").touch()
    else:
        (data_dir / "cluster-id").write_text("0123456789abcdef\n")
    with pytest.raises(EmbeddedDatabaseError, match=r"was made by .* or use another data_dir"):
        place.server().ensure_running()
