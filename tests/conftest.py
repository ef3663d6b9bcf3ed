"""One embedded PostgreSQL for the whole run; every test that asks gets a database of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from crm_bridge.store import migrate
from crm_bridge.store.database import Store, connect
from crm_bridge.store.embedded import EmbeddedServer
from crm_bridge.store.encryption import Cipher, new_key

settings.register_profile("default", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")

STARTED_FIRST = (
    "scenarios/test_kills",
    "scenarios/test_demo_story",
    "docs/test_examples_run",
    "stories/test_stories_with_kills",
    "stories/test_stories_part",
    "store/test_embedded_start",
    "scenarios/test_demo_processes",
    "pipeline/test_crashes",
    "browser/test_desk_accessible",
    "scenarios/test_webhook_flood",
)
"""The modules that take longest: whoever ran one of them last would be waited for."""

_ROOT = "CRM_BRIDGE_TESTS_ROOT"
_TEMPLATE = "crm_bridge_template"


def pytest_configure(config: pytest.Config) -> None:
    """The controller makes the folder all workers share; as root it must be reachable by postgres' own user."""
    if not hasattr(config, "workerinput") and _ROOT not in os.environ:
        root = Path(tempfile.mkdtemp(prefix="crm-bridge-tests-"))
        root.chmod(0o755)
        os.environ[_ROOT] = str(root)
        config.stash[_made] = root


_made = pytest.StashKey[Path]()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Half of the tests wait for processes and clocks rather than for a core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + cores // 2


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not any(module in item.nodeid for module in STARTED_FIRST))


def pytest_unconfigure(config: pytest.Config) -> None:
    root = config.stash.get(_made, None)
    if root is None:
        return
    os.environ["CRM_BRIDGE_STATE_ROOT"] = str(root / "state")
    if (root / "data").exists():
        EmbeddedServer(root / "data").stop(20)
    os.environ.pop(_ROOT, None)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def database_server() -> str:
    """The URL of the run's PostgreSQL, with a migrated template database in it."""
    root = Path(os.environ[_ROOT])
    previous = os.environ.get("CRM_BRIDGE_STATE_ROOT")
    os.environ["CRM_BRIDGE_STATE_ROOT"] = str(root / "state")
    try:
        url = EmbeddedServer(root / "data").ensure_running()
    finally:
        if previous is None:
            os.environ.pop("CRM_BRIDGE_STATE_ROOT")
        else:
            os.environ["CRM_BRIDGE_STATE_ROOT"] = previous
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(42)")
        known = connection.execute("select 1 from pg_database where datname = %s", [_TEMPLATE]).fetchone()
        if known is None:
            connection.execute(f"create database {_TEMPLATE}_new")
            engine = connect(_named(url, f"{_TEMPLATE}_new"), pool_size=1)
            migrate.upgrade(engine)
            engine.dispose()
            connection.execute(f"alter database {_TEMPLATE}_new rename to {_TEMPLATE}")
    return url


@pytest.fixture
def new_database(database_server: str) -> Iterator[Callable[[], str]]:
    """Make migrated databases; they are dropped when the test ends."""
    yield from _databases(database_server)


@pytest.fixture(scope="session")
def lasting_database(database_server: str) -> Iterator[Callable[[], str]]:
    """Make migrated databases that last as long as the run, for what many tests share."""
    yield from _databases(database_server)


def _databases(database_server: str) -> Iterator[Callable[[], str]]:
    made: list[str] = []

    def make() -> str:
        name = f"t_{uuid.uuid4().hex}"
        with psycopg.connect(database_server, autocommit=True) as connection:
            connection.execute("select pg_advisory_lock(43)")
            connection.execute(f"create database {name} template {_TEMPLATE}")
        made.append(name)
        return _named(database_server, name)

    yield make
    with psycopg.connect(database_server, autocommit=True) as connection:
        for name in made:
            connection.execute(f"drop database if exists {name} with (force)")


@pytest.fixture
def database_url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    made = Store(engine=connect(database_url), cipher=Cipher([new_key()]))
    yield made
    made.close()


def _named(url: str, database: str) -> str:
    """The same server, another database."""
    head, separator, query = url.partition("?")
    return head.rpartition("/")[0] + "/" + database + separator + query
