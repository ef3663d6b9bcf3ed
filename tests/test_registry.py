from __future__ import annotations

from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import pytest

from crm_bridge import registry
from crm_bridge.contract import Adapter, InvalidConfig
from crm_bridge.kit.signing import new_secret


def fake_points(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [point for point in points if point.group == group])


def point(name: str, value: str, group: str = registry.ADAPTER_GROUP) -> EntryPoint:
    return EntryPoint(name=name, value=value, group=group)


def build_wrong_version(config: Any, services: Any) -> Any:
    return SimpleNamespace(contract=2)


def build_half(config: Any, services: Any) -> Any:
    return SimpleNamespace(contract=1, capabilities=None, remote_id="")


def build_recording(config: Any, services: Any) -> Any:
    raise InvalidConfig("seen", repr((sorted(config), services.public_url)))


def test_the_built_in_adapter_is_found_by_its_name_like_any_other() -> None:
    assert "mock" in registry.adapter_names()
    config = {"adapter": "mock", "mode": "suggest", "base_url": "http://127.0.0.1:1", "webhook_secrets": [new_secret()]}
    adapter = registry.load_adapter("mock", config, public_url="https://bridge.example.com")
    assert isinstance(adapter, Adapter)
    adapter.close()


def test_an_unknown_name_is_answered_with_what_is_installed() -> None:
    with pytest.raises(InvalidConfig, match="mock") as caught:
        registry.load_adapter("salesfroce", {})
    assert caught.value.path == "adapter"
    with pytest.raises(InvalidConfig, match="emulator"):
        registry.load_emulator("nothing")


def test_two_packages_with_one_name_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_points(monkeypatch, point("x", "a:build"), point("x", "b:build"))
    with pytest.raises(InvalidConfig, match="'x'"):
        registry.adapter_names()
    with pytest.raises(InvalidConfig, match="'x'"):
        registry.load_adapter("x", {})


def test_the_same_entry_seen_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_points(monkeypatch, point("x", "a:build"), point("x", "a:build"))
    assert registry.adapter_names() == ("x",)


def test_an_adapter_whose_import_fails_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_points(monkeypatch, point("x", "no_such_package_here:build"))
    with pytest.raises(InvalidConfig, match="no_such_package_here"):
        registry.load_adapter("x", {})


@pytest.mark.parametrize(("build", "says"), [(build_wrong_version, "contract 1"), (build_half, "lacks methods")])
def test_what_does_not_keep_the_contract_is_refused(monkeypatch: pytest.MonkeyPatch, build: Any, says: str) -> None:
    fake_points(monkeypatch, point("x", "anything:build"))
    monkeypatch.setattr(EntryPoint, "load", lambda _self: build)
    with pytest.raises(InvalidConfig, match=says):
        registry.load_adapter("x", {})


def test_an_adapter_gets_its_own_keys_and_services_with_the_public_url(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_points(monkeypatch, point("x", "anything:build"))
    monkeypatch.setattr(EntryPoint, "load", lambda _self: build_recording)
    config = {"adapter": "x", "mode": "suggest", "undo_s": 3, "base_url": "b", "webhook_secrets": ["literal"]}
    with pytest.raises(InvalidConfig) as caught:
        registry.load_adapter("x", config, public_url="https://p.example")
    assert caught.value.expected == "(['base_url', 'webhook_secrets'], 'https://p.example')"


def test_secrets_of_a_table_may_be_references_too(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_points(monkeypatch, point("x", "anything:build"))
    monkeypatch.setattr(EntryPoint, "load", lambda _self: build_recording)
    monkeypatch.delenv("NO_SUCH_SECRET", raising=False)
    with pytest.raises(InvalidConfig, match="NO_SUCH_SECRET") as caught:
        registry.load_adapter("x", {"webhook_secrets": [{"env": "NO_SUCH_SECRET"}]})
    assert caught.value.path == "webhook_secrets.0"
