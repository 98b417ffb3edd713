// SPDX-License-Identifier: BSD-2-Clause
#include "plan.h"

#include <algorithm>

namespace peers
{

const char *name_of(Server server)
{
	switch (server) {
	case Server::nginx:
		return "nginx";
	case Server::nginx_keepalive:
		return "nginx-keepalive";
	case Server::node:
		return "node";
	case Server::python:
		return "python";
	case Server::go:
		return "go";
	case Server::redis:
		return "redis";
	}
	return "";
}

const char *title_of(Server server)
{
	switch (server) {
	case Server::nginx:
		return "nginx";
	case Server::nginx_keepalive:
		return "nginx, 10 requests a connection";
	case Server::node:
		return "Node http";
	case Server::python:
		return "Python asyncio";
	case Server::go:
		return "Go net/http";
	case Server::redis:
		return "redis";
	}
	return "";
}

const char *name_of(Variant variant)
{
	switch (variant) {
	case Variant::plain:
		return "plain";
	case Variant::handshake:
		return "handshake";
	case Variant::translate:
		return "translate";
	case Variant::sender:
		return "sender";
	case Variant::proxy_protocol:
		return "proxy-protocol";
	case Variant::realip:
		return "realip";
	case Variant::proxywrap:
		return "proxywrap";
	case Variant::go_proxyproto:
		return "go-proxyproto";
	case Variant::nginx_stream:
		return "nginx-stream";
	case Variant::haproxy:
		return "haproxy";
	}
	return "";
}

const char *title_of(Variant variant)
{
	switch (variant) {
	case Variant::plain:
		return "plain, without a header";
	case Variant::handshake:
		return "truepeer, handshake engine";
	case Variant::translate:
		return "truepeer, translate engine";
	case Variant::sender:
		return "truepeer, sender engine";
	case Variant::proxy_protocol:
		return "nginx's `proxy_protocol`";
	case Variant::realip:
		return "nginx's `proxy_protocol` and realip";
	case Variant::proxywrap:
		return "findhit-proxywrap in the server";
	case Variant::go_proxyproto:
		return "go-proxyproto in the server";
	case Variant::nginx_stream:
		return "nginx's stream module in front";
	case Variant::haproxy:
		return "HAProxy in front";
	}
	return "";
}

bool applies(Variant variant, Server server)
{
	switch (variant) {
	case Variant::proxy_protocol:
	case Variant::realip:
		return is_nginx(server);
	case Variant::proxywrap:
		return server == Server::node;
	case Variant::go_proxyproto:
		return server == Server::go;
	default:
		return true;
	}
}

const std::vector<Metric> metrics = {
	{ "rate-1", "requests per second", "1/s", true, Kind::rate, 1 },
	{ "first-byte-p50-1", "first byte p50", "us", false, Kind::first_byte, 1 },
	{ "first-byte-p99-1", "first byte p99", "us", false, Kind::first_byte_late, 1 },
	{ "cpu-1", "CPU per connection", "us", false, Kind::cpu, 1 },
	{ "rate-16", "requests per second", "1/s", true, Kind::rate, 16 },
	{ "first-byte-p50-16", "first byte p50", "us", false, Kind::first_byte, 16 },
	{ "first-byte-p99-16", "first byte p99", "us", false, Kind::first_byte_late, 16 },
	{ "cpu-16", "CPU per connection", "us", false, Kind::cpu, 16 },
};

} // namespace peers
