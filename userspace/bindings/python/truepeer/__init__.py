# SPDX-License-Identifier: BSD-2-Clause
"""Who is the real peer of this connection?

On a host where truepeer takes PROXY protocol headers out of TCP connections, getpeername() and accept() answer with
the real client.  This module gives the rest: where the client wanted to go, the proxy, the header's TLVs, and IPv6
clients of AF_INET sockets.  It asks the kernel by getsockopt(), which takes an agent that was started with
--getsockopt, and neither privileges nor a library.

    peer = truepeer.peer(connection)
    print(peer.origin, peer.destination)
    header = truepeer.header(connection)
    if header:
        print(header.authority, header.ssl and header.ssl.version)

A connection is a socket.socket, an ssl.SSLSocket, what asyncio has for one (transports and stream writers, too), or a
descriptor.  All functions may be called from any thread.
"""

import errno
import ipaddress
import os
import socket
import struct
from typing import NamedTuple, Optional

from .tlv import Header, Ssl, Tlv

__all__ = ["Address", "Error", "Header", "NotFound", "NotRunning", "Peer", "Ssl", "Tlv",
           "destination", "header", "origin", "peer"]

# <truepeer/sockopt.h>
SOL_TRUEPEER = 0x7470
TRUEPEER_ORIGIN = 1
TRUEPEER_DESTINATION = 2
TRUEPEER_HEADER = 3
TRUEPEER_INFO = 4
TRUEPEER_HEADER_PART = 0x100  # and above
HEADER_PART_SIZE = 1024       # the most that socket.getsockopt() takes, too
HEADER_PARTS = 16

_INFO = struct.Struct("=IIQQQHBBBB2x128s128s128s128s")  # struct truepeer_peer, its first version
_ADDRESS_SIZE = 110  # struct sockaddr_un
_COMMANDS = ("local", "proxy")
_TRANSPORTS = ("unspec", "stream", "dgram")
_ENGINES = ("none", "handshake", "sender", "", "translate")


class Error(OSError):
    """The kernel has no answer; errno says why."""


class NotRunning(Error):
    """truepeer does not answer this socket: it does not run, or lacks --getsockopt, or answers another cgroup."""


class NotFound(Error):
    """The socket is not a live connection of a truepeer service, or was passed on without a header."""


_ERRORS = {
    errno.EOPNOTSUPP: (NotRunning, "truepeer does not answer this socket"),
    errno.ENOPROTOOPT: (NotRunning, "truepeer does not answer this socket"),
    errno.ENOTCONN: (NotFound, "not a truepeer connection"),
}


class Address(NamedTuple):
    """An end of a connection.  For AF_UNIX, host is the path ("@..." if it is abstract), and port is 0."""

    family: int
    host: str
    port: int

    def __str__(self):
        if self.family == socket.AF_UNIX:
            return f"unix:{self.host}"
        return f"[{self.host}]:{self.port}" if self.family == socket.AF_INET6 else f"{self.host}:{self.port}"


class Peer(NamedTuple):
    """One connection.  If the header names no address (LOCAL), origin and destination are proxy and local."""

    origin: Address       # the real client
    destination: Address  # what it connected to
    proxy: Address        # the TCP peer
    local: Address        # this host's end of the TCP connection
    version: int          # of the header: 1 or 2
    command: str          # "proxy" or "local"
    transport: str        # "unspec", "stream" or "dgram"
    engine: str           # how the header was taken out
    service: int          # index, as in `truepeer status`
    cookie: int           # the socket's SO_COOKIE
    header_bytes: int     # length of the header
    syn_ns: int           # CLOCK_BOOTTIME: when the handshake began; 0 if not seen
    header_ns: int        # CLOCK_BOOTTIME: when the header was complete


def _name(names, number):
    return names[number] if number < len(names) else "unknown"


def _unix_path(raw):
    if raw[:1] == b"\0" and raw.strip(b"\0"):
        return "@" + os.fsdecode(raw[1:].split(b"\0")[0])
    return os.fsdecode(raw.split(b"\0")[0])


def _address(raw):
    """The Address in a struct sockaddr_in, sockaddr_in6 or sockaddr_un."""
    (family,) = struct.unpack_from("=H", raw)
    if family == socket.AF_UNIX:
        return Address(family, _unix_path(raw[2:_ADDRESS_SIZE]), 0)
    (port,) = struct.unpack_from("!H", raw, 2)
    start, size = (8, 16) if family == socket.AF_INET6 else (4, 4)
    return Address(family, str(ipaddress.ip_address(bytes(raw[start:start + size]))), port)


def _socket_of(connection):
    """The object that has getsockopt(), and whether the caller must close it."""
    if hasattr(connection, "get_extra_info"):  # a transport or a stream writer of asyncio
        connection = connection.get_extra_info("socket")
    if isinstance(connection, int):
        return socket.socket(fileno=os.dup(connection)), True
    if not hasattr(connection, "getsockopt"):
        return socket.socket(fileno=os.dup(connection.fileno())), True
    return connection, False


def _ask(connection, option, size):
    asked, ours = _socket_of(connection)
    try:
        return asked.getsockopt(SOL_TRUEPEER, option, size)
    except OSError as error:
        kind, text = _ERRORS.get(error.errno, (None, None))
        if kind is None:
            raise
        raise kind(error.errno, text) from None
    finally:
        if ours:
            asked.close()


def origin(connection):
    """The real client's Address."""
    return _address(_ask(connection, TRUEPEER_ORIGIN, _ADDRESS_SIZE))


def destination(connection):
    """The Address that the client connected to."""
    return _address(_ask(connection, TRUEPEER_DESTINATION, _ADDRESS_SIZE))


def peer(connection):
    """The connection's Peer: everything that is known of it except its header.

    Raises NotRunning, NotFound, and OSError if it is not an open socket.
    """
    (_, service, cookie, syn_ns, header_ns, header_bytes, version, command, transport, engine,
     *addresses) = _INFO.unpack(_ask(connection, TRUEPEER_INFO, _INFO.size))
    return Peer(*(_address(raw) for raw in addresses), version, _name(_COMMANDS, command),
                _name(_TRANSPORTS, transport), _name(_ENGINES, engine), service, cookie,
                header_bytes, syn_ns, header_ns)


def header(connection) -> Optional[Header]:
    """The connection's header as it was sent; None if it has neither TLVs nor AF_UNIX addresses.

    Raises the same exceptions as peer().
    """
    raw = b""
    for part in range(HEADER_PARTS):
        try:
            more = _ask(connection, TRUEPEER_HEADER_PART + part, HEADER_PART_SIZE)
        except OSError as error:
            if error.errno != errno.ENODATA:
                raise
            break
        raw += more
        if len(more) < HEADER_PART_SIZE:
            break
    return Header(raw) if raw else None
