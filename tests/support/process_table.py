"""What runs on this machine, as /proc says: who is whose child, who is alive, who belongs to an installation."""

from __future__ import annotations

from pathlib import Path

from crm_bridge.store.embedded.cluster import STATE_ROOT_VARIABLE


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    fields = _stat(pid)
    return fields is not None and fields[0] != "Z"


def children_of(pid: int) -> list[int]:
    parents = {int(entry.name): _stat(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    return [child for child, fields in parents.items() if fields is not None and int(fields[1]) == pid]


def descendants_of(pid: int) -> list[int]:
    found: list[int] = []
    for child in children_of(pid):
        found += [child, *descendants_of(child)]
    return found


def belonging_to(state_root: str) -> list[int]:
    """Living processes whose environment names this state root, whoever their parent is by now."""
    mark = f"{STATE_ROOT_VARIABLE}={state_root}".encode()
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if mark in _environment_of(pid) and is_alive(pid)]


def _stat(pid: int) -> list[str] | None:
    """The fields after the name: state, parent, …"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _environment_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
