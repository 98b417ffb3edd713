# SPDX-License-Identifier: BSD-2-Clause
"""What the module makes of the kernel's answers, without a kernel; on a live connection: tests/apps/bindings_test.cpp."""

import asyncio
import errno
import os
import pathlib
import socket
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import truepeer  # noqa: E402
import truepeer.tlv  # noqa: E402
import truepeer.web  # noqa: E402

IPV4 = struct.pack("=H", socket.AF_INET) + struct.pack("!H", 4242) + bytes([203, 0, 113, 9])
IPV6 = (struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", 443, 0)
        + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + bytes(4))


def unix(path):
    return struct.pack("=H", socket.AF_UNIX) + path.ljust(108, b"\0")


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def header(tlvs=b"", command=0x21, family=0x11):
    addresses = bytes({0: 0, 1: 12, 2: 36, 3: 216}[family >> 4])
    return (b"\r\n\r\n\0\r\nQUIT\n" + bytes([command, family])
            + struct.pack("!H", len(addresses) + len(tlvs)) + addresses + tlvs)


class Kernel:
    """A socket whose kernel answers what it is told to: {option: bytes or errno}."""

    def __init__(self, answers):
        self.answers = answers

    def getsockopt(self, level, option, size):
        if level != truepeer.SOL_TRUEPEER or size > 1024:  # CPython's own limit
            raise AssertionError((level, size))
        answer = self.answers[option]
        if isinstance(answer, int):
            raise OSError(answer, os.strerror(answer))
        if len(answer) > size:
            raise OSError(errno.ERANGE, os.strerror(errno.ERANGE))
        return answer


def in_parts(raw):
    parts = [raw[i:i + 1024] for i in range(0, len(raw), 1024)]
    answers = {truepeer.TRUEPEER_HEADER_PART + i: part for i, part in enumerate(parts)}
    return Kernel({**answers, truepeer.TRUEPEER_HEADER_PART + len(parts): errno.ENODATA})


def info(origin=IPV4, version=2, command=1, engine=1):
    return struct.pack("=IIQQQHBBBB2x128s128s128s128s", 552, 3, 42, 7, 8, 28, version, command, 1, engine,
                       origin, IPV6, IPV4, IPV6)


class Addresses(unittest.TestCase):
    def test_of_each_family(self):
        for raw, text in ((IPV4 + bytes(8), "203.0.113.9:4242"), (IPV6, "[2001:db8::1]:443"),
                          (unix(b"/run/x"), "unix:/run/x"), (unix(b"\0x"), "unix:@x"),
                          (unix(b"y" * 108), "unix:" + "y" * 108), (unix(b""), "unix:")):
            kernel = Kernel({truepeer.TRUEPEER_ORIGIN: raw, truepeer.TRUEPEER_DESTINATION: raw})
            self.assertEqual(str(truepeer.origin(kernel)), text)
            self.assertEqual(str(truepeer.destination(kernel)), text)

    def test_peer(self):
        peer = truepeer.peer(Kernel({truepeer.TRUEPEER_INFO: info()}))
        self.assertEqual(peer.origin, (socket.AF_INET, "203.0.113.9", 4242))
        self.assertEqual(str(peer.destination), "[2001:db8::1]:443")
        self.assertEqual((peer.version, peer.command, peer.transport, peer.engine, peer.service,
                          peer.cookie, peer.header_bytes, peer.syn_ns, peer.header_ns),
                         (2, "proxy", "stream", "handshake", 3, 42, 28, 7, 8))

    def test_numbers_of_later_versions(self):
        self.assertEqual(truepeer.peer(Kernel({truepeer.TRUEPEER_INFO: info(engine=99)})).engine,
                         "unknown")


class Errors(unittest.TestCase):
    def test_tell_apart(self):
        for number, kind in ((errno.EOPNOTSUPP, truepeer.NotRunning),
                             (errno.ENOPROTOOPT, truepeer.NotRunning),
                             (errno.ENOTCONN, truepeer.NotFound)):
            kernel = Kernel({truepeer.TRUEPEER_INFO: number, truepeer.TRUEPEER_HEADER_PART: number})
            for ask in (truepeer.peer, truepeer.header):
                with self.assertRaises(kind) as raised:
                    ask(kernel)
                self.assertEqual(raised.exception.errno, number)

    def test_of_sockets_that_truepeer_does_not_know(self):
        with socket.socket(socket.AF_UNIX) as plain:
            for connection in (plain, plain.fileno()):
                with self.assertRaises((truepeer.NotRunning, truepeer.NotFound)):
                    truepeer.peer(connection)
            number = plain.fileno()
        for closed in (plain, number):
            with self.assertRaises(OSError):
                truepeer.peer(closed)

    def test_the_descriptor_stays_open(self):
        with socket.socket(socket.AF_UNIX) as plain:
            with self.assertRaises(truepeer.Error):
                truepeer.peer(plain.fileno())
            plain.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)


class Headers(unittest.TestCase):
    def test_none(self):
        self.assertIsNone(truepeer.header(in_parts(b"")))

    def test_of_all_lengths(self):
        for size in (100, 1023, 1024, 1025, 2048, 5000, 16384):
            raw = header(tlv(0xE1, b"x" * (size - 31)))
            self.assertEqual(len(raw), size)
            kernel = in_parts(raw)
            if size == 16384:  # the last part that there may be
                del kernel.answers[truepeer.TRUEPEER_HEADER_PART + 16]
            self.assertEqual(truepeer.header(kernel).bytes, raw)

    def test_what_it_says(self):
        ssl = bytes([7]) + bytes(4) + b"".join(
            tlv(kind, value) for kind, value in ((0x21, b"TLSv1.3"), (0x22, b"client"), (0x23, b"AES"),
                                                 (0x24, b"SHA256"), (0x25, b"RSA2048"), (0x26, b"X25519"),
                                                 (0x27, b"rsa"), (0x28, b"\x30\x82")))
        got = truepeer.Header(header(b"".join((
            tlv(0x01, b"h2"), tlv(0x02, b"example.org"), tlv(0x05, b"id-1"), tlv(0x20, ssl),
            tlv(0x30, b"blue"), tlv(0xE0, bytes.fromhex("0000000012345678")),
            tlv(0xEA, b"\x01vpce-08d2bf15fac5001c9"), tlv(0xEE, b"\x01\x78\x56\x34\x12")))))
        self.assertEqual((got.alpn, got.authority, got.unique_id, got.netns),
                         (b"h2", "example.org", b"id-1", "blue"))
        self.assertEqual((got.ssl.version, got.ssl.common_name, got.ssl.cipher,
                          got.ssl.signature_algorithm, got.ssl.key_algorithm, got.ssl.group,
                          got.ssl.signature_scheme, got.ssl.client_certificate, got.ssl.verified),
                         ("TLSv1.3", "client", "AES", "SHA256", "RSA2048", "X25519", "rsa",
                          b"\x30\x82", True))
        self.assertEqual((got.gcp_psc_connection_id, got.aws_vpc_endpoint, got.azure_link_id),
                         (0x12345678, "vpce-08d2bf15fac5001c9", 0x12345678))
        self.assertEqual([one.type for one in got.tlvs],
                         [0x01, 0x02, 0x05, 0x20, 0x30, 0xE0, 0xEA, 0xEE])

    def test_what_it_does_not_say(self):
        got = truepeer.Header(header(tlv(0xE1, b"")))
        for name in ("alpn", "authority", "unique_id", "netns", "ssl", "aws_vpc_endpoint",
                     "azure_link_id", "gcp_psc_connection_id"):
            self.assertIsNone(getattr(got, name), name)

    def test_tlvs_of_local_headers_and_of_unspecified_families_are_not_looked_at(self):
        for raw in (header(b"\xff\xff", command=0x20), header(b"\xff\xff", family=0)):
            self.assertEqual(truepeer.Header(raw).tlvs, [])

    def test_what_is_none(self):
        whole = header(tlv(0x02, b"example.org"))
        for raw in (b"", whole[:15], whole[:-1], b"PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n", header(b"\x02\x00"),
                    header(tlv(0x02, b"abc")[:-1])):
            with self.assertRaises(ValueError):
                truepeer.Header(raw)
        with self.assertRaises(ValueError):
            truepeer.tlv.Ssl(b"\x01\0\0\0")


class Middleware(unittest.TestCase):
    KNOWN = Kernel({**in_parts(header(tlv(0x02, b"example.org"))).answers, truepeer.TRUEPEER_INFO: info()})
    STRANGE = Kernel({truepeer.TRUEPEER_INFO: errno.ENOTCONN})

    def wsgi(self, environ):
        seen = {}
        truepeer.web.Wsgi(lambda got, _: seen.update(got))(dict(environ, REMOTE_ADDR="proxy"), None)
        return seen

    def test_wsgi(self):
        for name in ("truepeer.socket", "werkzeug.socket", "gunicorn.socket"):
            seen = self.wsgi({name: self.KNOWN})
            self.assertEqual((seen["REMOTE_ADDR"], seen["REMOTE_PORT"]), ("203.0.113.9", "4242"))
            self.assertEqual(seen["truepeer.header"].authority, "example.org")
            self.assertEqual(seen["truepeer.peer"].origin.port, 4242)

    def test_wsgi_of_others(self):
        for environ in ({}, {"gunicorn.socket": self.STRANGE}):
            seen = self.wsgi(environ)
            self.assertEqual(seen["REMOTE_ADDR"], "proxy")
            self.assertNotIn("REMOTE_PORT", seen)
            self.assertIsNone(seen["truepeer.peer"])

    def asgi(self, scope, connection):
        class Transport:
            def get_extra_info(self, name):
                return connection if name == "socket" else None

        class Cycle:  # as uvicorn has it
            transport = Transport()

            async def send(self, message):
                pass

        seen = {}

        async def application(scope, _receive, _send):
            seen.update(scope)

        asyncio.run(truepeer.web.Asgi(application)(scope, None, Cycle().send))
        return seen

    def test_asgi(self):
        seen = self.asgi({"type": "http", "client": ("proxy", 1)}, self.KNOWN)
        self.assertEqual(seen["client"], ("203.0.113.9", 4242))
        self.assertEqual(seen["truepeer"]["header"].authority, "example.org")

    def test_asgi_of_others(self):
        seen = self.asgi({"type": "http", "client": ("proxy", 1)}, self.STRANGE)
        self.assertEqual((seen["client"], seen["truepeer"]), (("proxy", 1), {"peer": None, "header": None}))
        self.assertNotIn("truepeer", self.asgi({"type": "lifespan"}, self.KNOWN))


if __name__ == "__main__":
    unittest.main()
