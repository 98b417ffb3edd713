# SPDX-License-Identifier: BSD-2-Clause
"""What a header of version 2 says behind its addresses (PROXY protocol specification, section 2.2)."""

import struct
from typing import List, NamedTuple, Optional

ALPN, AUTHORITY, CRC32C, NOOP, UNIQUE_ID, SSL, NETNS = 0x01, 0x02, 0x03, 0x04, 0x05, 0x20, 0x30
SSL_VERSION, SSL_CN, SSL_CIPHER, SSL_SIG_ALG, SSL_KEY_ALG = 0x21, 0x22, 0x23, 0x24, 0x25
SSL_GROUP, SSL_SIG_SCHEME, SSL_CLIENT_CERT = 0x26, 0x27, 0x28
GCP, AWS, AZURE = 0xE0, 0xEA, 0xEE

_FIXED = 16
_ADDRESSES = {0: 0, 1: 12, 2: 36, 3: 216}  # bytes, by family
_CLIENT_SSL, _CLIENT_CERT_CONN, _CLIENT_CERT_SESS = 1, 2, 4


class Tlv(NamedTuple):
    """One type and value."""

    type: int
    value: bytes


def _tlvs(raw):
    found, at = [], 0
    while at < len(raw):
        if at + 3 > len(raw):
            raise ValueError("a TLV is cut off")
        kind, length = struct.unpack_from("!BH", raw, at)
        at += 3 + length
        if at > len(raw):
            raise ValueError("a TLV is cut off")
        found.append(Tlv(kind, bytes(raw[at - length:at])))
    return found


def _first(tlvs, kind):
    return next((tlv.value for tlv in tlvs if tlv.type == kind), None)


def _text(value):
    return None if value is None else value.decode("utf-8", "backslashreplace")


class Ssl:
    """The client's TLS connection to the proxy (section 2.2.6)."""

    def __init__(self, raw):
        if len(raw) < 5:
            raise ValueError("a TLV of TLS is cut off")
        client, self.verify = struct.unpack_from("!BI", raw)
        self.used = bool(client & _CLIENT_SSL)
        self.certificate_in_connection = bool(client & _CLIENT_CERT_CONN)
        self.certificate_in_session = bool(client & _CLIENT_CERT_SESS)
        self.tlvs = _tlvs(raw[5:])
        self.version = _text(_first(self.tlvs, SSL_VERSION))
        self.common_name = _text(_first(self.tlvs, SSL_CN))
        self.cipher = _text(_first(self.tlvs, SSL_CIPHER))
        self.signature_algorithm = _text(_first(self.tlvs, SSL_SIG_ALG))
        self.key_algorithm = _text(_first(self.tlvs, SSL_KEY_ALG))
        self.group = _text(_first(self.tlvs, SSL_GROUP))
        self.signature_scheme = _text(_first(self.tlvs, SSL_SIG_SCHEME))
        self.client_certificate = _first(self.tlvs, SSL_CLIENT_CERT)  # DER

    @property
    def verified(self):
        """Whether the client has shown a certificate that the proxy has verified."""
        return (self.certificate_in_connection or self.certificate_in_session) and self.verify == 0


class Header:
    """A header of version 2 as it was sent.  Raises ValueError for other bytes."""

    def __init__(self, raw: bytes):
        if len(raw) < _FIXED or raw[12] >> 4 != 2 or raw[13] >> 4 not in _ADDRESSES:
            raise ValueError("not a header of version 2")
        (length,) = struct.unpack_from("!H", raw, 14)
        begin = _FIXED + _ADDRESSES[raw[13] >> 4]
        if len(raw) < _FIXED + length or length < begin - _FIXED:
            raise ValueError("the header is cut off")
        self.bytes = bytes(raw)
        # TLVs of LOCAL headers, and of headers without addresses, are not read
        unused = raw[12] & 15 == 0 or raw[13] >> 4 == 0
        self.tlvs: List[Tlv] = [] if unused else _tlvs(raw[begin:_FIXED + length])

    def get(self, kind: int) -> Optional[bytes]:
        """The value of the first TLV of this type, or None."""
        return _first(self.tlvs, kind)

    @property
    def alpn(self) -> Optional[bytes]:
        """The protocol that TLS has negotiated, such as b"h2"."""
        return self.get(ALPN)

    @property
    def authority(self) -> Optional[str]:
        """The host name that the client asked for (SNI)."""
        return _text(self.get(AUTHORITY))

    @property
    def unique_id(self) -> Optional[bytes]:
        """The connection's number with the proxy, at most 128 bytes."""
        return self.get(UNIQUE_ID)

    @property
    def netns(self) -> Optional[str]:
        """The name of the proxy's network namespace."""
        return _text(self.get(NETNS))

    @property
    def ssl(self) -> Optional[Ssl]:
        """The client's TLS connection, or None if the header does not describe it."""
        raw = self.get(SSL)
        return None if raw is None else Ssl(raw)

    @property
    def aws_vpc_endpoint(self) -> Optional[str]:
        """AWS PrivateLink: the endpoint's id, such as "vpce-08d2bf15fac5001c9"."""
        raw = self.get(AWS)
        return _text(raw[1:]) if raw and raw[0] == 1 else None

    @property
    def azure_link_id(self) -> Optional[int]:
        """Azure Private Link: the private endpoint's number."""
        raw = self.get(AZURE)
        return struct.unpack_from("<I", raw, 1)[0] if raw and len(raw) >= 5 and raw[0] == 1 else None

    @property
    def gcp_psc_connection_id(self) -> Optional[int]:
        """Google Cloud's Private Service Connect: the connection's number."""
        raw = self.get(GCP)
        return struct.unpack("!Q", raw)[0] if raw and len(raw) == 8 else None
