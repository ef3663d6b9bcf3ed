"""The app's files as the tests look at them: paths, parsed XML, and the values of a made-up installation."""

from __future__ import annotations

import tomllib
from pathlib import Path
from xml.sax.saxutils import escape

from lxml import etree

from .metadata_schema import METADATA

REPOSITORY = Path(__file__).resolve().parents[4]
APP = REPOSITORY / "adapters" / "crm_bridge_salesforce" / "crm_app"
SOURCE = APP / "force-app" / "main" / "default"
TEMPLATED = tomllib.loads((APP / "TEMPLATED.toml").read_text())
INSTALLATION = {
    "public_url": "https://bridge.example.com/a?b=1&c=<2>",
    "connection": "support-emea",
    "path_token": "0123456789abcdef0123456789abcdef",
    "integration_username": "bridge@example.com.invalid",
}
METADATA_FILES = sorted([*SOURCE.rglob("*-meta.xml"), *(APP / "manifest").rglob("*.xml")])
CLASSES = sorted((SOURCE / "classes").glob("*.cls"))


def rendered(text: str) -> str:
    """The text with every placeholder filled in, as `setup --export` has to: escaped for XML."""
    for name, value in INSTALLATION.items():
        text = text.replace("{{ " + name + " }}", escape(value))
    return text


def tree(path: Path) -> etree._Element:
    return etree.fromstring(path.read_bytes())


def texts(node: etree._Element, *names: str) -> list[str]:
    """The texts under a path of element names, wherever it begins."""
    return [found.text or "" for found in node.iterfind(".//" + "/".join(f"{METADATA}{name}" for name in names))]


def fields(object_name: str) -> dict[str, etree._Element]:
    """API name to definition, of one object."""
    folder = SOURCE / "objects" / object_name / "fields"
    return {path.name.split(".")[0]: tree(path) for path in folder.iterdir()}


def permission_set(name: str) -> etree._Element:
    return tree(SOURCE / "permissionsets" / f"{name}.permissionset-meta.xml")


def field_access(name: str) -> dict[str, bool]:
    """`Object.Field` to "may edit", of what a permission set lets its users read."""
    return {
        texts(item, "field")[0]: texts(item, "editable")[0] == "true"
        for item in permission_set(name).iterfind(f"{METADATA}fieldPermissions")
    }
