#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""An asyncio server that tells its clients who they are: server.py ADDRESS PORT.

It answers each line with what truepeer knows of the connection, as JSON.
"""

import asyncio
import json
import sys

import truepeer


def describe(connection):
    """What there is to tell, or why there is nothing."""
    try:
        peer, header = truepeer.peer(connection), truepeer.header(connection)
    except truepeer.Error as error:
        return {"error": type(error).__name__}
    return {
        "origin": str(peer.origin),
        "destination": str(peer.destination),
        "proxy": str(peer.proxy),
        "engine": peer.engine,
        "authority": header and header.authority,
        "tls": header and header.ssl and header.ssl.version,
        "header_bytes": len(header.bytes) if header else 0,
    }


async def serve(reader, writer):
    """One client."""
    while await reader.readline():
        writer.write(json.dumps(describe(writer)).encode() + b"\n")
        await writer.drain()
    writer.close()


async def main():
    """Serves until it is killed."""
    server = await asyncio.start_server(serve, sys.argv[1], int(sys.argv[2]))
    print("listening", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
