from __future__ import annotations

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm_bridge.contract import InvalidConfig
from crm_bridge.settings import demo_settings
from crm_bridge.settings.demo import kept_secret


def test_the_demo_is_on_loopback_without_caps_and_follows_its_ports(tmp_path: Path) -> None:
    settings = demo_settings(8123, 8999, tmp_path, "whsec_demo")
    connection = settings.connections["demo"]
    assert settings.demo
    assert (settings.public_url, str(settings.listen)) == ("http://127.0.0.1:8123", "127.0.0.1:8123")
    assert (connection.adapter, connection.undo_s, connection.debounce_s) == ("mock", 3.0, 0.3)
    assert (connection.max_drafts_per_hour, connection.daily_cost_limit) == (None, None)
    assert isinstance(connection.start_from, datetime)
    assert connection.start_from < datetime(2010, 1, 1, tzinfo=UTC)
    assert connection.adapter_config == {"base_url": "http://127.0.0.1:8999", "webhook_secrets": ["whsec_demo"]}
    assert not connection.quality.duplicates_block
    assert "whsec_demo" not in repr(settings)


def test_the_demo_keeps_its_secrets_in_files_only_the_owner_reads(tmp_path: Path) -> None:
    data_dir = tmp_path / "a b" / "var"
    first = demo_settings(data_dir=data_dir)
    again = demo_settings(data_dir=data_dir)
    assert first.security.encryption_keys == again.security.encryption_keys
    assert len(base64.urlsafe_b64decode(first.security.encryption_keys[0])) == 32
    assert first.connections["demo"].adapter_config == again.connections["demo"].adapter_config
    assert sorted(file.name for file in data_dir.iterdir()) == ["secret.key", "webhook.secret"]
    for file in data_dir.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_two_that_start_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    numbers = iter(range(100))
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: kept_secret(tmp_path / "s", lambda: f"secret-{next(numbers)}"), range(16)))
    assert len(set(made)) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


def test_the_environment_overrides_the_demo_too(tmp_path: Path) -> None:
    environ = {"CRM_BRIDGE__CONNECTIONS__DEMO__UNDO_S": "0", "CRM_BRIDGE__DATA_DIR": str(tmp_path / "other")}
    settings = demo_settings(data_dir=tmp_path / "var", environ=environ)
    assert settings.connections["demo"].undo_s == 0
    assert settings.data_dir == tmp_path / "other"
    assert not (tmp_path / "var").exists()


def test_a_data_dir_that_cannot_be_made_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidConfig, match="data_dir"):
        demo_settings(data_dir=tmp_path / "file" / "var")
