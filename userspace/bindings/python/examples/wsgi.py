#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A WSGI application that tells its clients who they are: wsgi.py ADDRESS PORT."""

import sys
import wsgiref.simple_server

import truepeer.web


def application(environ, start_response):
    """Answers with the client, what it connected to, and the name that it asked for."""
    peer, header = environ["truepeer.peer"], environ["truepeer.header"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"IP = {environ['REMOTE_ADDR']}:{environ.get('REMOTE_PORT')}\n"
            f"destination = {peer and peer.destination}\n"
            f"authority = {header and header.authority}\n".encode()]


if __name__ == "__main__":
    server = wsgiref.simple_server.make_server(sys.argv[1], int(sys.argv[2]),
                                               truepeer.web.Wsgi(application),
                                               handler_class=truepeer.web.RequestHandler)
    print("listening", flush=True)
    server.serve_forever()
