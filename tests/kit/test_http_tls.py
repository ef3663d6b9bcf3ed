"""The same promises over TLS: the operator's certificates are used, and the deadline reaches through."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crm_bridge.contract import Ambiguous, Network, Retry
from crm_bridge.kit.http import Effect, HttpClient

Start = Callable[..., Any]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and self-signed certificate of 127.0.0.1 in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "crm under test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


def over_tls(certificate: Path, behaviour: Callable[[ssl.SSLSocket], None]) -> Callable[[socket.socket], None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(65536)
            behaviour(secured)

    return serve


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n"


def drips(connection: ssl.SSLSocket) -> None:
    connection.sendall(HEAD.replace(b"8", b"999"))
    for _ in range(200):
        connection.sendall(b"x")
        time.sleep(0.05)


def test_the_certificates_of_the_settings_are_trusted(certificate: Path, raw_tls: Start) -> None:
    server = raw_tls(over_tls(certificate, lambda connection: connection.sendall(HEAD + b'{"a": 1}')))
    client = HttpClient(server.url, network=Network(ca_bundle=str(certificate)))
    assert client.call("get", "GET", "/", effect=Effect.READ).json() == {"a": 1}


def test_an_unknown_certificate_means_nothing_was_sent(certificate: Path, raw_tls: Start) -> None:
    server = raw_tls(over_tls(certificate, lambda connection: connection.sendall(HEAD)))
    with pytest.raises(Retry) as failure:
        HttpClient(server.url).call("send", "POST", "/", effect=Effect.ONCE)
    assert failure.value.code == "tls_failed"


def test_the_deadline_reaches_through_tls(certificate: Path, raw_tls: Start) -> None:
    server = raw_tls(over_tls(certificate, drips))
    client = HttpClient(server.url, network=Network(ca_bundle=str(certificate)), total_s=0.5)
    began = time.monotonic()
    with pytest.raises(Ambiguous) as failure:
        client.call("send", "POST", "/", effect=Effect.ONCE)
    assert failure.value.code == "timeout"
    assert time.monotonic() - began < 2.5
