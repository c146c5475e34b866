"""Outside: others' clocks, the dead man's switch, a certificate; no answer is no finding."""

from __future__ import annotations

import datetime as dt
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from orchestrator.health.outside import Outside
from tests.conftest import SteppableClock


class Answering(HTTPServer):
    """Answers every request with `status` and, if set, a Date."""

    status = 200
    date: str | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response_only(self.server.status)
        if self.server.date:
            self.send_header("Date", self.server.date)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Silence."""


@contextmanager
def served(server: HTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server() -> Iterator[Answering]:
    server = Answering()
    with served(server):
        yield server


def outside(clock: SteppableClock, *, sandbox: bool = False) -> Outside:
    return Outside(clock, 5, sandbox=sandbox)


def test_slacks_clock_is_read_without_a_key(clock: SteppableClock, server: Answering) -> None:
    server.date = format_datetime(clock() - dt.timedelta(seconds=60), usegmt=True)
    skew = outside(clock).slack_clock(server.url)
    assert skew is not None
    assert skew.whose == "Slack"
    assert abs(skew.seconds - 60) < 6  # half of the way there, and a cut second
    assert server.asked == ["/api/api.test"]


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_an_answer_without_a_date_says_nothing(
    clock: SteppableClock, server: Answering, date: str | None
) -> None:
    server.date = date
    assert outside(clock).slack_clock(server.url) is None


def test_the_switch_is_heard_by_a_success_alone(clock: SteppableClock, server: Answering) -> None:
    assert outside(clock).still_alive(f"{server.url}/ping/id")[0]
    assert server.asked == ["/ping/id"]
    server.status = 404
    assert not outside(clock).still_alive(server.url)[0]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "no address", "ftp://127.0.0.1/"])
def test_nobody_there_is_no_crash(clock: SteppableClock, url: str) -> None:
    assert outside(clock).still_alive(url) == (False, None)
    assert outside(clock).slack_clock(url) is None


def test_the_sandbox_asks_this_machine_alone(clock: SteppableClock, server: Answering) -> None:
    asked = outside(clock, sandbox=True)
    assert asked.still_alive("https://watcher.example/x") == (True, None)
    assert asked.slack_clock(None) is None
    assert asked.certificate("https://gateway.example") is None
    assert asked.still_alive(server.url)[0]


def _certificate(folder: Path, ends: dt.datetime) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert, secret


@contextmanager
def _tls(folder: Path, ends: dt.datetime) -> Iterator[tuple[str, Path]]:
    cert, secret = _certificate(folder, ends)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, secret)
    server = Answering()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with served(server):
        yield f"https://localhost:{server.server_port}", cert


def test_a_certificate_says_when_it_ends_or_why_it_fails(
    clock: SteppableClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = dt.datetime(2099, 5, 1, 12, tzinfo=dt.UTC)
    with _tls(tmp_path, ends) as (url, cert):
        untrusted = outside(clock).certificate(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        trusted = outside(clock).certificate(url)
    assert untrusted is not None
    assert "self-signed" in (untrusted.problem or "")
    assert trusted is not None
    assert (trusted.ends, trusted.problem) == (ends, None)


def test_a_certificate_that_has_ended_does_not_verify(
    clock: SteppableClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _tls(tmp_path, dt.datetime(2021, 1, 1, tzinfo=dt.UTC)) as (url, cert):
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        found = outside(clock).certificate(url)
    assert found is not None
    assert "expired" in (found.problem or "")


def test_no_answer_says_nothing_of_a_certificate(clock: SteppableClock) -> None:
    assert outside(clock).certificate("https://127.0.0.1:9") is None
    assert outside(clock).certificate("http://127.0.0.1:9") is None
