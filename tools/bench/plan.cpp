// SPDX-License-Identifier: BSD-2-Clause
#include "plan.h"

#include <algorithm>

namespace bench
{

const char *name_of(Topology topology)
{
	switch (topology) {
	case Topology::loopback:
		return "loopback";
	case Topology::veth:
		return "veth";
	case Topology::haproxy:
		return "haproxy";
	}
	return "";
}

const char *name_of(Variant variant)
{
	switch (variant) {
	case Variant::plain:
		return "plain";
	case Variant::deferred:
		return "deferred";
	case Variant::hooks:
		return "hooks";
	case Variant::userspace:
		return "userspace";
	case Variant::handshake:
		return "handshake";
	case Variant::sender:
		return "sender";
	case Variant::translate:
		return "translate";
	}
	return "";
}

const char *name_of(Header header)
{
	return header == Header::v1 ? "v1" : "v2";
}

const std::vector<Cell> cells = {
	{ "connections", Work::connections, 1 }, { "round-trips", Work::round_trips, 1 },
	{ "upload-1", Work::upload, 1 },         { "upload-8", Work::upload, 8 },
	{ "download-1", Work::download, 1 },     { "download-8", Work::download, 8 },
};

const std::vector<Cell> stats_cells = {
	{ "connections", Work::connections, 1 },
	{ "upload-1", Work::upload, 1 },
	{ "round-trips", Work::round_trips, 1 },
	{ "round-trips-other-port", Work::round_trips, 1, true },
};

const std::vector<Metric> metrics = {
	{ "connection-rate", "connections per second", "1/s", true, "connections", true },
	{ "upload-1", "upload, 1 connection", "Gb/s", true, "upload-1", true },
	{ "upload-8", "upload, 8 connections", "Gb/s", true, "upload-8", true },
	{ "download-1", "download, 1 connection", "Gb/s", true, "download-1", true },
	{ "download-8", "download, 8 connections", "Gb/s", true, "download-8", true },
	{ "first-byte-p50", "first byte p50", "us", false, "connections", true },
	{ "round-trip-p50", "round trip p50", "us", false, "round-trips", true },
	{ "round-trip-p99", "round trip p99", "us", false, "round-trips", true },
	{ "cpu", "CPU per connection", "us", false, "connections", true },
	{ "cpu-processes", "CPU per connection, processes alone", "us", false, "connections",
	  false },
	{ "cpu-machine", "CPU per connection, whole machine", "us", false, "connections", false },
};

} // namespace bench
