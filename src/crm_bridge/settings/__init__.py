"""What the bridge is told before it starts: built-in defaults < TOML file < environment, checked, as frozen values."""

from crm_bridge.settings.demo import DEMO_CONNECTION, DEMO_PORT
from crm_bridge.settings.loading import CONFIG_VARIABLE, DEFAULT_FILE, demo_settings, load_settings
from crm_bridge.settings.model import (
    ConnectionSettings,
    GuardSettings,
    Listen,
    MaskingSettings,
    QualitySettings,
    Security,
    Settings,
    VoiceSettings,
)
from crm_bridge.settings.schema import CONNECTION_KEYS
from crm_bridge.settings.secrets import Secret, resolve_secrets

__all__ = [
    "CONFIG_VARIABLE",
    "CONNECTION_KEYS",
    "DEFAULT_FILE",
    "DEMO_CONNECTION",
    "DEMO_PORT",
    "ConnectionSettings",
    "GuardSettings",
    "Listen",
    "MaskingSettings",
    "QualitySettings",
    "Secret",
    "Security",
    "Settings",
    "VoiceSettings",
    "demo_settings",
    "load_settings",
    "resolve_secrets",
]
