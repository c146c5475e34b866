"""The wire to a vendor, against a server that answers byte by byte as told."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from servers.common.http_pool import ConnectionPool

pytestmark = pytest.mark.anyio
LIMIT = 1000
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Vendor:
    """Answers each request with the next of the given answers; the last one for ever."""

    def __init__(self, *answers: bytes | Answer) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.asked = asyncio.Event()
        self.connections = 0
        self.base = httpx.URL("http://unset.example")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = [x for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")]
                body = await reader.readexactly(int(length[0].split(b":")[1]) if length else 0)
                self.requests.append(head + body)
                self.asked.set()
                step = self.answers[min(len(self.requests), len(self.answers)) - 1]
                if isinstance(step, bytes):
                    writer.write(step)
                else:
                    await step(writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def running(vendor: Vendor, context: ssl.SSLContext | None = None) -> AsyncIterator[Vendor]:
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    vendor.base = httpx.URL(f"{'https' if context else 'http'}://127.0.0.1:{port}")
    try:
        yield vendor
    finally:
        server.close()


@asynccontextmanager
async def pool_on(
    vendor: Vendor, context: ssl.SSLContext | None = None, *, most: int = 4, idle_s: float = 60
) -> AsyncIterator[ConnectionPool]:
    pool = ConnectionPool(vendor.base, context, LIMIT, most=most, idle_s=idle_s)
    try:
        yield pool
    finally:
        await pool.aclose()


async def ask(
    pool: ConnectionPool,
    vendor: Vendor,
    *,
    read: float = 5,
    wait: float = 5,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    request = httpx.Request(
        "POST",
        vendor.base.join("/search?a=b%20c"),
        json={"x": 1},
        headers=headers,
        extensions={"timeout": {"connect": 5, "read": read, "write": 5, "pool": wait}},
    )
    response = await pool.handle_async_request(request)
    return response.status_code, await response.aread()


async def closing(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
    writer.close()


async def cut_off(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf")
    writer.close()


async def vanishing(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def silent(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf")


def endless(start: bytes, piece: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()

    return answer


async def test_sends_what_was_asked_and_keeps_the_connection() -> None:
    async with running(Vendor(OK)) as vendor, pool_on(vendor) as pool:
        assert [await ask(pool, vendor) for _ in range(3)] == [(200, b"ok")] * 3
        assert vendor.connections == 1
        head, _, body = vendor.requests[0].partition(b"\r\n\r\n")
        assert head.startswith(b"POST /search?a=b%20c HTTP/1.1\r\nHost: 127.0.0.1:")
        assert body == b'{"x":1}'


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\nab\r\n1\r\nc\r\n0\r\nX-After: y\r\n\r\n",
            b"abc",
        ),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
    ],
)
async def test_reads_every_framing_and_keeps_the_connection(raw: bytes, body: bytes) -> None:
    async with running(Vendor(raw)) as vendor, pool_on(vendor) as pool:
        assert [await ask(pool, vendor) for _ in range(2)] == [(200, body)] * 2
        assert vendor.connections == 1


@pytest.mark.parametrize(
    "first", [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", closing]
)
async def test_an_answer_that_ends_the_connection_is_followed_by_a_new_one(
    first: bytes | Answer,
) -> None:
    async with running(Vendor(first, OK)) as vendor, pool_on(vendor) as pool:
        assert (await ask(pool, vendor))[0] == 200
        assert await ask(pool, vendor) == (200, b"ok")
        assert vendor.connections == 2


@pytest.mark.parametrize(
    "broken",
    [
        cut_off,
        vanishing,
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        OK + OK,
        endless(b"HTTP/1.1 200 OK\r\nX: ", b"a" * 10_000),
        endless(b"HTTP/1.1 200 OK\r\n", b"X: a\r\n" * 1000),
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a" * 10_000),
    ],
)
async def test_what_is_no_whole_answer_is_an_error_and_the_connection_ends(
    broken: bytes | Answer,
) -> None:
    async with running(Vendor(broken, OK)) as vendor, pool_on(vendor) as pool:
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(pool, vendor)
        assert await ask(pool, vendor) == (200, b"ok")
        assert vendor.connections == 2


async def test_silence_is_a_read_timeout_and_the_connection_ends() -> None:
    async with running(Vendor(silent, OK)) as vendor, pool_on(vendor) as pool:
        with pytest.raises(httpx.ReadTimeout):
            await ask(pool, vendor, read=0.02)
        assert await ask(pool, vendor) == (200, b"ok")


async def test_reading_stops_a_little_above_the_limit() -> None:
    huge = endless(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 100)
    async with running(Vendor(huge, OK)) as vendor, pool_on(vendor) as pool:
        _, body = await ask(pool, vendor)
        assert LIMIT < len(body) < LIMIT + 1_000_000
        assert await ask(pool, vendor) == (200, b"ok")
        assert vendor.connections == 2


async def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    async def twice(writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()
        await answered.wait()
        writer.write(OK)
        await writer.drain()
        written.set()

    answered, written = asyncio.Event(), asyncio.Event()
    async with (
        running(Vendor(twice, b"HTTP/1.1 204 No\r\n\r\n")) as vendor,
        pool_on(vendor) as pool,
    ):
        assert await ask(pool, vendor) == (200, b"ok")
        answered.set()
        await written.wait()
        assert await ask(pool, vendor) == (204, b"")
        assert vendor.connections == 2


async def test_a_connection_idle_for_too_long_is_not_used_again() -> None:
    async with running(Vendor(OK)) as vendor, pool_on(vendor, idle_s=0) as pool:
        await ask(pool, vendor)
        await ask(pool, vendor)
        assert vendor.connections == 2


async def test_a_given_up_request_takes_its_connection_with_it() -> None:
    async with running(Vendor(silent, OK)) as vendor, pool_on(vendor, most=1) as pool:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ask(pool, vendor)
        assert await ask(pool, vendor) == (200, b"ok")
        assert vendor.connections == 2


async def test_more_requests_than_connections_wait_and_give_up_in_time() -> None:
    async with running(Vendor(silent, OK)) as vendor, pool_on(vendor, most=1) as pool:
        first = asyncio.create_task(ask(pool, vendor))
        await vendor.asked.wait()
        with pytest.raises(httpx.PoolTimeout):
            await ask(pool, vendor, wait=0.02)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert await ask(pool, vendor) == (200, b"ok")


@pytest.mark.parametrize("value", ["a\r\nHost: other.example", "a\nX: y", "a\x00", "a\r"])
async def test_a_header_that_would_break_out_is_refused_before_anything_is_sent(value: str) -> None:
    async with running(Vendor(OK)) as vendor, pool_on(vendor) as pool:
        with pytest.raises(httpx.LocalProtocolError):
            await ask(pool, vendor, headers={"X-Note": value})
        assert vendor.connections == 0


@pytest.mark.parametrize("length", ["6", "8", "7, 7"])
async def test_a_stated_length_that_is_not_the_bodys_is_refused(length: str) -> None:
    async with running(Vendor(OK)) as vendor, pool_on(vendor) as pool:
        with pytest.raises(httpx.LocalProtocolError):
            await ask(pool, vendor, headers={"Content-Length": length})
        assert vendor.connections == 0


async def test_another_address_is_refused() -> None:
    async with running(Vendor(OK)) as vendor, running(Vendor(OK)) as other:
        async with pool_on(vendor) as pool:
            for url in (other.base, vendor.base.copy_with(scheme="https"), "ftp://x.example/"):
                with pytest.raises(httpx.UnsupportedProtocol):
                    await pool.handle_async_request(httpx.Request("GET", url))
        assert vendor.connections == other.connections == 0


async def test_nobody_listening_is_a_connect_error() -> None:
    async with running(Vendor(OK)) as vendor:
        pass
    async with pool_on(vendor) as pool:
        with pytest.raises(httpx.ConnectError):
            await ask(pool, vendor)


async def test_tls_is_spoken_to_whom_the_context_trusts_and_to_nobody_else(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with running(Vendor(OK), server) as vendor:
        async with pool_on(vendor, trusting) as pool:
            assert [await ask(pool, vendor) for _ in range(2)] == [(200, b"ok")] * 2
            assert len(vendor.requests) == 2
            assert vendor.connections == 1
        async with pool_on(vendor, ssl.create_default_context()) as pool:
            with pytest.raises(httpx.ConnectError):
                await ask(pool, vendor)
        assert len(vendor.requests) == 2


def self_signed(directory: Path) -> Path:
    """Key and certificate of 127.0.0.1 in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "vendor.example")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / "vendor.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
