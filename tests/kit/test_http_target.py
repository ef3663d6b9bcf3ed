"""No text chooses another host: base URLs, allow-lists, paths and proxies."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.contract import InvalidConfig, Network, Permanent
from crm_bridge.kit.http.target import base_of, join_path, proxy_for


@pytest.mark.parametrize(
    ("url", "origin", "prefix", "host"),
    [
        ("https://Example.com", "https://example.com", "", "example.com"),
        ("https://example.com:8443/a/b/", "https://example.com:8443", "/a/b", "example.com"),
        ("http://127.0.0.1:80/", "http://127.0.0.1:80", "", "127.0.0.1"),
        ("http://[::1]:8001", "http://[::1]:8001", "", "::1"),
    ],
)
def test_usable_base_urls(url: str, origin: str, prefix: str, host: str) -> None:
    base = base_of(url, None)
    assert (base.origin, base.prefix, base.host) == (origin, prefix, host)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com",
        "ftp://example.com",
        "file:///etc/passwd",
        "https://",
        "https://user:canary@example.com",
        "https://example.com@evil.example",
        "https://example.com\\@evil.example",
        "https://example.com/?x=1",
        "https://example.com/#x",
        "https://example.com/../x",
        "https://example.com:99999",
        "https://example.com:x",
        "https://exa mple.com",
        "https://example.com\n",
        "https://exämple.com",
        "https://%65xample.com",
        "https://[::1",
    ],
)
def test_unusable_base_urls_stop_the_start(url: str) -> None:
    with pytest.raises(InvalidConfig) as failure:
        base_of(url, None)
    assert failure.value.path == "base_url"
    assert "canary" not in str(failure.value)


def test_the_host_must_be_on_the_allow_list() -> None:
    allowed = frozenset({"api.hubapi.com", "*.my.salesforce.com"})
    for host in ("api.hubapi.com", "acme.my.salesforce.com", "a.b.my.salesforce.com", "API.hubapi.com"):
        assert base_of(f"https://{host}", allowed)
    for host in ("my.salesforce.com", "evilmy.salesforce.com", "api.hubapi.com.evil.example", "2130706433"):
        with pytest.raises(InvalidConfig):
            base_of(f"https://{host}", allowed)


@given(path=st.text(max_size=40) | st.text("/.%2eEfF\\:@?#a", max_size=12))
def test_no_path_changes_host_or_climbs_out(path: str) -> None:
    base = base_of("https://example.com/api", None)
    try:
        url = base.url(path, {"q": path.encode("utf-8", "replace").decode()})
    except Permanent as error:
        assert error.code == "unsafe_path"  # noqa: PT017 - both ends are fine
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "example.com", "")
    assert parts.path.startswith("/api/")
    assert ".." not in parts.path.split("/")


@given(segment=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_an_id_stays_one_segment(segment: str) -> None:
    path = join_path("cases", segment)
    assert path.count("/") == 2
    try:
        assert base_of("https://example.com", None).url(path, None).startswith("https://example.com/cases/")
    except Permanent:
        assert segment in (".", "..")


@pytest.mark.parametrize(
    ("host", "no_proxy", "used"),
    [
        ("crm.example.com", "", True),
        ("crm.example.com", "example.com", False),
        ("crm.example.com", ".example.com", False),
        ("crm.example.com", "*.example.com", False),
        ("crm.example.com", "ple.com", True),
        ("crm.example.com", "*", False),
        ("10.1.2.3", "10.0.0.0/8", False),
        ("11.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3", False),
        ("::1", "localhost, ::1", False),
    ],
)
def test_no_proxy(host: str, no_proxy: str, used: bool) -> None:
    assert proxy_for(host, Network(proxy="http://p:3128", no_proxy=no_proxy)) == ("http://p:3128" if used else "")
