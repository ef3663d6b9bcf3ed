"""The parts of the embedded server that need no server: finding programs, copying them, sockets, pid checks."""

from __future__ import annotations

import importlib.util
import os
import stat
import tempfile
from pathlib import Path

import pytest
from embedded_place import AS_ROOT

from crm_bridge.store.embedded import Binaries, EmbeddedDatabaseError, EmbeddedServer, binaries, embedded_url
from crm_bridge.store.embedded.account import caller
from crm_bridge.store.embedded.cluster import STATE_ROOT_VARIABLE
from crm_bridge.store.embedded.kept import drop_older, keep, on_shelf
from crm_bridge.store.embedded.locks import try_lock, until
from crm_bridge.store.embedded.process import find_postmaster, is_postmaster
from crm_bridge.store.embedded.sockets import make_socket_folder


def pretend(folder: Path, version: str, *, mode: int = 0o755) -> Path:
    """An installation that only knows its version."""
    for name in ("initdb", "postgres"):
        program = folder / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "{name} (PostgreSQL) {version}"\n')
        program.chmod(mode)
    return folder / "bin"


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.mark.usefixtures("no_wheel")
def test_without_the_wheel_the_newest_of_the_system_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("15.18", "17.9", "17.10"):
        pretend(tmp_path / version, version)
    monkeypatch.setattr(binaries, "_SYSTEM_FOLDERS", (f"{tmp_path.relative_to('/')}/*/bin",))
    found = binaries.find_binaries()
    assert (found.version, found.major, found.bundle) == ("17.10", 17, None)


@pytest.mark.usefixtures("no_wheel")
def test_without_any_postgresql_the_error_names_the_extra_and_the_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "_SYSTEM_FOLDERS", (f"{tmp_path.relative_to('/')}/*/bin",))
    monkeypatch.setenv("PATH", str(tmp_path))
    pretend(tmp_path / "old", "15.18")
    with pytest.raises(EmbeddedDatabaseError, match=r"15\.18, which is too old.*crm-bridge\[embedded\].*database_url"):
        binaries.find_binaries()


def test_the_wheel_comes_before_the_system_and_its_newest_first() -> None:
    found = binaries.find_binaries()
    assert found.major >= binaries.OLDEST_MAJOR
    assert {found.program(name).name for name in ("initdb", "postgres", "pg_dump", "pg_restore")}


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    found = Binaries(folder=pretend(tmp_path, "18.4"), version="18.4", bundle=None)
    with pytest.raises(EmbeddedDatabaseError, match="has no pg_dump"):
        found.program("pg_dump")


def test_a_kept_copy_can_be_used_by_others_and_leaves_the_original_alone(tmp_path: Path) -> None:
    bundle = tmp_path / "site-packages"
    folder = pretend(bundle / binaries.WHEEL / "pginstall18", "18.4", mode=0o700)
    shelf = tmp_path / "shelf"
    kept = keep(Binaries(folder=folder, version="18.4", bundle=bundle), shelf)
    assert stat.S_IMODE(kept.program("postgres").stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "postgres").stat().st_mode) == 0o700
    assert on_shelf(shelf) == [kept]


def test_an_older_minor_version_is_dropped_and_an_older_major_kept(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    for version in ("17.2", "18.3", "18.4"):
        bundle = tmp_path / version
        folder = pretend(bundle / binaries.WHEEL / "pginstall", version)
        kept = keep(Binaries(folder=folder, version=version, bundle=bundle), shelf)
    drop_older(kept, shelf)
    assert [one.version for one in on_shelf(shelf)] == ["17.2", "18.4"]


def test_a_long_temporary_folder_is_not_used_for_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("n" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    folder = make_socket_folder(tmp_path, caller())
    try:
        assert len(os.fsencode(folder)) < 85
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        folder.rmdir()


def test_a_link_in_place_of_the_socket_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    folder = make_socket_folder(tmp_path, caller())
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EmbeddedDatabaseError, match="remove it"):
        make_socket_folder(tmp_path, caller())


@pytest.mark.parametrize("text", ["", "not a number", "-5\n", "0\n", "1\n", "99999999\n"])
def test_a_pid_file_is_not_believed(tmp_path: Path, text: str) -> None:
    (tmp_path / "postmaster.pid").write_text(text)
    assert find_postmaster(tmp_path) is None
    assert not is_postmaster(os.getpid(), tmp_path)


def test_a_lock_is_held_by_one_and_free_when_its_holder_is_gone(tmp_path: Path) -> None:
    first = try_lock(tmp_path / "lock")
    assert first is not None
    assert until(lambda: try_lock(tmp_path / "lock"), timeout_s=0.02) is None
    os.close(first)
    again = try_lock(tmp_path / "lock")
    assert again is not None
    os.close(again)


def test_a_folder_without_a_cluster_has_no_server_and_none_is_made(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "data")
    server.stop(1)
    assert (server.pid(), server.child, embedded_url(tmp_path / "data")) == (None, None, None)
    assert not (tmp_path / "data").exists()


def test_a_recorded_cluster_that_is_not_there_is_not_silently_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STATE_ROOT_VARIABLE, str(tmp_path / "state"))
    (tmp_path / "cluster-id").write_text("0123456789abcdef\n")
    with pytest.raises(EmbeddedDatabaseError, match="should lie in .*mount" if AS_ROOT else "was made by root"):
        EmbeddedServer(tmp_path).ensure_running()
