from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.contract import InvalidConfig
from crm_bridge.settings import Settings, load_settings

KEY = "A" * 43 + "="
CANARY = "whsec_Y2FuYXJ5Y2FuYXJ5"
EXAMPLE = Path(__file__).parents[2] / "config" / "crm-bridge.example.toml"
ENVIRON = {"CRM_BRIDGE_KEY": KEY, "SUPPORT_EMEA_WEBHOOK_SECRET": CANARY}
SMALL = """
public_url = "https://bridge.example.com/"
[security]
encryption_keys = [{ env = "CRM_BRIDGE_KEY" }]
[connections.support-emea]
adapter = "mock"
webhook_secrets = [{ env = "SUPPORT_EMEA_WEBHOOK_SECRET" }]
"""


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def loaded(text: str = SMALL, **environ: str) -> Settings:
        file = tmp_path / "bridge.toml"
        file.write_text(text, "utf-8")
        return load_settings(file, {**ENVIRON, **environ})

    return loaded


def test_the_example_is_deployable_as_it_is() -> None:
    settings = load_settings(EXAMPLE, ENVIRON)
    connection = settings.connections["support-emea"]
    assert (connection.adapter, connection.mode, connection.undo_s) == ("mock", "suggest", 10.0)
    assert connection.start_from == "now"
    assert connection.include == {"language": ("en", "de")}
    assert connection.adapter_config == {"base_url": "http://127.0.0.1:8001", "webhook_secrets": [CANARY]}
    assert settings.security.encryption_keys == (KEY,)
    assert not settings.demo


def test_the_example_names_every_key_a_connection_can_have() -> None:
    from crm_bridge.settings import CONNECTION_KEYS

    text = EXAMPLE.read_text("utf-8")
    missing = {key for key in CONNECTION_KEYS if f"\n{key} =" not in text and f".{key}]" not in text}
    assert missing == {"experiment_salt"}


def test_defaults_stand_where_nothing_is_said(load: Any) -> None:
    settings = load()
    assert settings.public_url == "https://bridge.example.com"
    assert (str(settings.listen), str(settings.operator_listen)) == ("127.0.0.1:8000", "127.0.0.1:8002")
    assert (settings.database_url, settings.data_dir, settings.log_format) == ("embedded", Path("var"), "json")
    assert settings.assistant == {"kind": "offline"}


def test_the_environment_wins_and_a_hyphen_is_an_underscore_there(load: Any) -> None:
    settings = load(
        CRM_BRIDGE__ASSISTANT__KIND="http",
        CRM_BRIDGE__CONNECTIONS__SUPPORT_EMEA__UNDO_S="20",
        CRM_BRIDGE__CONNECTIONS__SUPPORT_EMEA__START_FROM="2026-01-31T08:00:00Z",
        CRM_BRIDGE__CONNECTIONS__SUPPORT_EMEA__ENABLED="false",
        CRM_BRIDGE__CONNECTIONS__SUPPORT_EMEA__VOICE__SIGNER="Ada",
        CRM_BRIDGE__LISTEN="[::1]:9000",
    )
    connection = settings.connections["support-emea"]
    assert settings.assistant["kind"] == "http"
    assert (connection.undo_s, connection.enabled, connection.voice.signer) == (20.0, False, "Ada")
    assert connection.start_from == datetime(2026, 1, 31, 8, tzinfo=UTC)
    assert (settings.listen.host, settings.listen.port) == ("::1", 9000)


def test_a_list_is_replaced_so_a_secret_taken_out_is_out(load: Any) -> None:
    settings = load(CRM_BRIDGE__CONNECTIONS__SUPPORT_EMEA__WEBHOOK_SECRETS='[{ env = "NEW" }]', NEW="fresh")
    assert settings.connections["support-emea"].adapter_config["webhook_secrets"] == ["fresh"]


def test_config_is_searched_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(None, {}).demo
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "crm-bridge.toml").write_text(SMALL)
    assert load_settings(None, ENVIRON).public_url == "https://bridge.example.com"
    (tmp_path / "other.toml").write_text(SMALL.replace("bridge.example", "other.example"))
    assert load_settings(None, {**ENVIRON, "CRM_BRIDGE_CONFIG": "other.toml"}).public_url == "https://other.example.com"
    with pytest.raises(InvalidConfig, match="there is no such file"):
        load_settings(None, {"CRM_BRIDGE_CONFIG": "nowhere.toml"})


WRONG = [
    ("PUBLIC_URL", "ftp://x", "public_url"),
    ("PUBLIC_URL", "https://u:p@x", "public_url"),
    ("PUBLIC_URL", "https://x?y", "public_url"),
    ("LISTEN", "8000", "listen"),
    ("LISTEN", "x:99999", "listen"),
    ("LISTEN__X", "1", "listen"),
    ("DATABASE_URL", "mysql://x/y", "database_url"),
    ("LOG_FORMAT", "xml", "log_format"),
    ("SECURITY__ENCRYPTION_KEYS", "[]", "security.encryption_keys"),
    ("SECURITY__ENCRYPTION_KEYS", '["short"]', "security.encryption_keys"),
    ("SECURITY__KEYS", "1", "security.keys"),
    ("NETWORK", "3", "network"),
    ("NETWORK__PROXIES", "x", "network.proxies"),
    ("ASSISTANT__KIND", "anthropic", "assistant.kind"),
    ("ASSISTANT", "offline", "assistant"),
    ("ASISTANT__KIND", "http", "asistant"),
    ("CONNECTIONS", "3", "connections"),
    ("CONNECTIONS__NEW__MODE", "shadow", "connections.new.adapter"),
    ("CONNECTIONS__9A__ADAPTER", "mock", "connections.9a"),
    ("CONNECTIONS__SUPPORT_EMEA__UNDO_S", "soon", "connections.support-emea.undo_s"),
    ("CONNECTIONS__SUPPORT_EMEA__UNDO_S", "nan", "connections.support-emea.undo_s"),
    ("CONNECTIONS__SUPPORT_EMEA__UNDO_S", "1" * 5000, "connections.support-emea.undo_s"),
    ("CONNECTIONS__SUPPORT_EMEA__DEBOUNCE_S", "1" + "0" * 400, "connections.support-emea.debounce_s"),
    ("CONNECTIONS__SUPPORT_EMEA__ENABLED", "1", "connections.support-emea.enabled"),
    ("CONNECTIONS__SUPPORT_EMEA__MODE", "auto", "connections.support-emea.mode"),
    ("CONNECTIONS__SUPPORT_EMEA__START_FROM", "2026-01-31T08:00:00", "connections.support-emea.start_from"),
    ("CONNECTIONS__SUPPORT_EMEA__MAX_DRAFTS_PER_HOUR", "0", "connections.support-emea.max_drafts_per_hour"),
    ("CONNECTIONS__SUPPORT_EMEA__INCLUDE", "{ queue = 'x' }", "connections.support-emea.include"),
    ("CONNECTIONS__SUPPORT_EMEA__VOICE__NAME", "x", "connections.support-emea.voice.name"),
    ("CONNECTIONS__SUPPORT_EMEA__HOLDOUT", "1.5", "connections.support-emea.holdout"),
    ("CONNECTIONS__SUPPORT_EMEA__WEBHOOK_SECRETS", '[{ env = "NO" }]', "connections.support-emea.webhook_secrets.0"),
    ("CONNECTIONS__SUPPORT_EMEA__TOKEN", '{ file = "/no/such" }', "connections.support-emea.token"),
]


@pytest.mark.parametrize(("name", "value", "path"), WRONG)
def test_what_is_wrong_stops_the_start_with_its_path_and_origin(load: Any, name: str, value: str, path: str) -> None:
    variable = f"CRM_BRIDGE__{name}"
    with pytest.raises(InvalidConfig) as caught:
        load(**{variable: value})
    assert caught.value.path == path
    assert caught.value.origin == variable
    assert caught.value.expected


@pytest.mark.parametrize(
    ("old", "new", "path", "line"),
    [
        ('adapter = "mock"', 'adapter = "mock"\nundo_s = "3"', "connections.support-emea.undo_s", 7),
        ('adapter = "mock"', "", "connections.support-emea.adapter", 5),
        ("[security]", "[sec]", "sec", 3),
        ("public_url", "public_uri", "public_uri", 2),
    ],
)
def test_a_mistake_in_the_file_is_found_by_its_line(load: Any, old: str, new: str, path: str, line: int) -> None:
    with pytest.raises(InvalidConfig) as caught:
        load(SMALL.replace(old, new))
    missing = caught.value.path in {"public_url", "security"}
    assert missing or (caught.value.path == path and caught.value.origin.endswith(f"bridge.toml:{line}"))
    assert "bridge.toml" in caught.value.origin


@pytest.mark.parametrize("broken", ["a = ", "[", 'x = "' + CANARY, "\udcff", "a = 1\na = 2", "x = " + "9" * 5000])
def test_a_file_that_is_no_toml_is_named_and_not_quoted(tmp_path: Path, broken: str) -> None:
    file = tmp_path / "bridge.toml"
    file.write_bytes(broken.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidConfig) as caught:
        load_settings(file, ENVIRON)
    assert str(file) in caught.value.origin
    assert CANARY not in str(caught.value)


def test_a_secret_written_into_the_file_is_refused_and_not_repeated(load: Any) -> None:
    reference = '{ env = "SUPPORT_EMEA_WEBHOOK_SECRET" }'
    for literal in (f'"{CANARY}"', f'{{ current = "{CANARY}" }}'):
        with pytest.raises(InvalidConfig) as caught:
            load(SMALL.replace(reference, literal) + f'\nclient_secret = "{CANARY}"')
        assert CANARY not in str(caught.value)
        assert "never written" in caught.value.expected


def test_secrets_come_from_files_without_their_line_end(load: Any, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{CANARY}\r\n")
    settings = load(SMALL + f"private_key = {{ file = '{file}' }}\n")
    assert settings.connections["support-emea"].adapter_config["private_key"] == CANARY
    file.write_text("\n")
    with pytest.raises(InvalidConfig, match=r"connections\.support-emea\.private_key"):
        load(SMALL + f"private_key = {{ file = '{file}' }}\n")


def test_no_repr_shows_a_secret(load: Any) -> None:
    settings = load(
        CRM_BRIDGE__DATABASE_URL=f"postgresql://u:{CANARY}@h/db",
        CRM_BRIDGE__ASSISTANT__API_KEY=CANARY,
        CRM_BRIDGE__NETWORK__PROXY=f"http://u:{CANARY}@p",
    )
    for shown in (repr(settings), str(settings), repr(dict(settings.connections)), repr(settings.assistant)):
        assert CANARY not in shown
        assert KEY not in shown


def test_an_adapters_complaint_gets_its_full_path_and_origin(load: Any) -> None:
    settings = load()
    error = settings.in_connection("support-emea", InvalidConfig("webhook_secrets.0", "a secret"))
    assert error.path == "connections.support-emea.webhook_secrets.0"
    assert error.origin.endswith("bridge.toml:7")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("public_url", "public_uri", "did you mean public_url?"),
        ("encryption_keys", "encryption_key", "did you mean encryption_keys?"),
        ('adapter = "mock"', 'adapter = "mock"\nguard = { blokcing = [] }', "did you mean blocking?"),
    ],
)
def test_a_mistyped_key_is_told_what_was_meant_and_what_there_is(load: Any, old: str, new: str, said: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        load(SMALL.replace(old, new) + ("" if "public" not in old else 'public_url = "https://x.example"\n'))
    assert said in caught.value.expected
    assert "expected one of" in caught.value.expected


SEGMENTS = st.sampled_from(["ASSISTANT", "CONNECTIONS", "DEMO", "KIND", "A", "", "LISTEN", "É"])


@given(names=st.dictionaries(st.lists(SEGMENTS, max_size=4).map("__".join), st.text(max_size=20), max_size=4))
def test_whatever_the_environment_holds_it_is_settings_or_invalid_config(names: dict[str, str]) -> None:
    environ = {**ENVIRON, **{f"CRM_BRIDGE__{name}": value for name, value in names.items()}}
    with contextlib.suppress(InvalidConfig):
        load_settings(EXAMPLE, environ)
