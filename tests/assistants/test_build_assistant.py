"""A table of configuration becomes an assistant, or one sentence that says where and what."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import pytest

from crm_bridge.assistants import ASSISTANT_KINDS, build_assistant
from crm_bridge.assistants.http import HttpAssistant
from crm_bridge.assistants.offline import OfflineAssistant
from crm_bridge.contract import InvalidConfig, Network
from crm_bridge.kit.signing import new_secret

HTTP = {"kind": "http", "base_url": "https://assistant.example.com", "secret": new_secret()}
OPENAI = {"kind": "openai", "model": "small", "api_key": "sk-test"}


def test_an_empty_table_is_the_offline_assistant() -> None:
    assert isinstance(build_assistant({}, Network()), OfflineAssistant)


def test_every_kind_can_be_built() -> None:
    configs: dict[str, dict[str, Any]] = {"offline": {"kind": "offline"}, "http": HTTP, "openai": OPENAI}
    assert set(configs) == set(ASSISTANT_KINDS)
    for config in configs.values():
        assert callable(build_assistant(config, Network()).draft)


def test_secrets_may_be_a_list_that_rotates() -> None:
    built = build_assistant(HTTP | {"secret": [new_secret(), new_secret()]}, Network())
    assert isinstance(built, HttpAssistant)
    assert len(built.secrets) == 2


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"kind": "oracle"}, "kind"),
        ({"kind": ["http"]}, "kind"),
        ({"kind": "offline", "modell": "x"}, "modell"),
        ({"kind": "http", "base_url": "https://x.example"}, "secret"),
        (HTTP | {"secret": "tooshort"}, "secret"),
        (HTTP | {"secret": []}, "secret"),
        (HTTP | {"secret": 7}, "secret"),
        (HTTP | {"base_url": "ftp://x.example"}, "base_url"),
        (HTTP | {"base_url": "https://user:pw@x.example"}, "base_url"),
        (HTTP | {"timeout_s": 0}, "timeout_s"),
        (HTTP | {"timeout_s": "soon"}, "timeout_s"),
        ({"kind": "openai"}, "model"),
        (OPENAI | {"api_key": ""}, "api_key"),
        (OPENAI | {"base_url": "//x"}, "base_url"),
        (OPENAI | {"structured_output": "yes"}, "structured_output"),
        (OPENAI | {"temperature": 3}, "temperature"),
        (OPENAI | {"input_price_per_million": -1}, "input_price_per_million"),
    ],
)
def test_a_wrong_setting_is_named_by_its_path(config: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        build_assistant(config, Network())
    assert caught.value.path == path
    assert "tooshort" not in str(caught.value)


def test_a_missing_extra_is_one_sentence_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] in ("openai", "httpx2"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **kwargs)

    for name in ("crm_bridge.assistants.openai", "crm_bridge.assistants.openai_transport"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InvalidConfig, match=r"crm-bridge\[ai\]"):
        build_assistant(OPENAI, Network())
