# SPDX-License-Identifier: BSD-2-Clause
"""An asyncio server that answers with its peer's name: asyncio_server.py ADDRESS PORT"""

import asyncio
import sys

PADDING = b"x" * 1000


async def serve(reader, writer):
    try:
        await reader.readuntil(b"\r\n\r\n")
        body = b"%s:%d\n%s" % (writer.get_extra_info("peername")[0].encode(),
                               writer.get_extra_info("peername")[1], PADDING)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                     % (len(body), body))
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, sys.argv[1], int(sys.argv[2]), backlog=511)
    await server.serve_forever()


asyncio.run(main())
