# SPDX-License-Identifier: BSD-2-Clause
"""Middleware for WSGI and ASGI applications.

Servers get the client's address from accept(), so REMOTE_ADDR and scope["client"] are the real client's without any
of this.  What is added is the rest.  WSGI: environ["REMOTE_PORT"], ["truepeer.peer"] and ["truepeer.header"]; ASGI:
scope["truepeer"] = {"peer": ..., "header": ...}, and the origin as scope["client"].  Both are None for connections
that truepeer has not handled.

Neither standard has a place for the socket.  Known are those of werkzeug, gunicorn and RequestHandler below (WSGI) and
of uvicorn (ASGI); for others give socket_of.
"""

import wsgiref.simple_server

from . import NotFound, NotRunning, header, peer


def _known(connection):
    """The peer and the header of the connection; None and None if truepeer does not know it."""
    if connection is None:
        return None, None
    try:
        return peer(connection), header(connection)
    except (NotFound, NotRunning):
        return None, None


def wsgi_socket(environ):
    """The request's socket, if the server gives it to the application."""
    for name in ("truepeer.socket", "werkzeug.socket", "gunicorn.socket"):
        if environ.get(name) is not None:
            return environ[name]
    return None


class Wsgi:
    """Middleware: Wsgi(application)."""

    def __init__(self, application, socket_of=wsgi_socket):
        self.application, self.socket_of = application, socket_of

    def __call__(self, environ, start_response):
        known, sent = _known(self.socket_of(environ))
        environ["truepeer.peer"], environ["truepeer.header"] = known, sent
        if known:
            environ["REMOTE_ADDR"] = known.origin.host
            environ["REMOTE_PORT"] = str(known.origin.port)
        return self.application(environ, start_response)


class RequestHandler(wsgiref.simple_server.WSGIRequestHandler):
    """For wsgiref: make_server(..., handler_class=RequestHandler) gives applications the socket."""

    def get_environ(self):
        environ = super().get_environ()
        environ["truepeer.socket"] = self.connection
        return environ


def asgi_socket(_scope, send):
    """The socket in uvicorn, where `send` is a method of the object that has the transport."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    return transport.get_extra_info("socket") if transport is not None else None


class Asgi:
    """Middleware: Asgi(application)."""

    def __init__(self, application, socket_of=asgi_socket):
        self.application, self.socket_of = application, socket_of

    async def __call__(self, scope, receive, send):
        if scope["type"] in ("http", "websocket"):
            known, sent = _known(self.socket_of(scope, send))
            scope = dict(scope, truepeer={"peer": known, "header": sent})
            if known:
                scope["client"] = (known.origin.host, known.origin.port)
        await self.application(scope, receive, send)
