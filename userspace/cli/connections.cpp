// SPDX-License-Identifier: BSD-2-Clause
/* truepeer connections, truepeer lookup. */
#include <algorithm>
#include <optional>
#include <set>
#include <span>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/kept_header.h"
#include "base/maps.h"
#include "base/number.h"
#include "bpf/parser/proxy_header.h"
#include "cli/commands.h"
#include "cli/connection_filter.h"
#include "cli/json.h"
#include "cli/owners.h"
#include "cli/table.h"
#include "cli/tlv.h"
#include "cli/view.h"
#include "lib/names.h"

namespace tp
{

namespace
{

struct Connection {
	uint64_t cookie;
	std::string service;
	tp_peer peer;
	std::vector<uint8_t> header;    /* the header itself, if it was kept and asked for */
	std::optional<Process> process; /* the process that has it, if asked for and visible */
};

/* Adds what only the header itself has: its TLVs, and the paths of AF_UNIX addresses. */
void put_header(Json &out, const std::vector<uint8_t> &bytes)
{
	tp_parser parser;

	tp_parse(&parser, bytes.data(), (uint32_t)bytes.size());
	if (parser.header.verdict != TP_ACCEPT)
		return;
	if (parser.header.origin.family == TP_FAMILY_UNIX)
		put_unix_paths(out, bytes);
	put_tlvs(out, parser.header, bytes);
}

/* A key that does not apply is absent, such as the origin while the header is outstanding. */
Json to_json(const Connection &connection)
{
	const tp_peer &peer = connection.peer;
	Json out = { { "cookie", cookie_text(connection.cookie) },
		     { "service", connection.service },
		     { "engine", engine_name(peer.engine) },
		     { "state", peer_state_name(peer.state) } };

	if (peer.version) {
		out["version"] = peer.version;
		out["command"] = command_name(peer.command);
	}
	if (peer.state == TP_PEER_KNOWN) {
		out["origin"] = format_endpoint(peer.origin);
		out["destination"] = format_endpoint(peer.destination);
	}
	out["proxy"] = format_endpoint(peer.proxy);
	out["local"] = format_endpoint(peer.local);
	if (peer.state == TP_PEER_KNOWN)
		out["header_bytes"] = peer.header_bytes;
	if (peer.state == TP_PEER_REFUSED)
		out["reason"] = outcome_name(peer.reason);
	if (connection.process) {
		out["pid"] = connection.process->pid;
		out["process"] = connection.process->name;
	}
	if (!connection.header.empty())
		put_header(out, connection.header);
	return out;
}

std::string cell(const Json &object, const char *key)
{
	auto found = object.find(key);

	if (found == object.end())
		return "-";
	return plain(*found);
}

void print(const std::vector<Connection> &connections, bool processes)
{
	std::vector<const char *> columns = { "cookie",  "service", "engine",      "state",
					      "version", "command", "origin",      "destination",
					      "proxy",   "local",   "header_bytes" };
	std::vector<Row> rows(1);
	std::string tlvs;

	if (processes)
		columns.insert(columns.end(), { "pid", "process" });
	for (const char *column : columns) {
		std::string heading = column;

		for (char &c : heading)
			c = c == '_' ? ' ' : (char)std::toupper(c);
		rows[0].push_back(heading);
	}
	for (const Connection &connection : connections) {
		Json object = to_json(connection);
		Row row;

		for (const char *column : columns)
			row.push_back(cell(object, column));
		rows.push_back(row);
		if (!object.contains("tlvs"))
			continue;
		tlvs += fmt::format("\n{}\n", row[0]);
		for (const std::string &line : tlv_lines(object["tlvs"]))
			tlvs += fmt::format("  {}\n", line);
	}
	fmt::print("{}{}", format_table(rows), tlvs);
}

std::optional<Listen> listen_of(const std::map<uint32_t, Service> &services, uint32_t id)
{
	auto found = services.find(id);

	if (found == services.end())
		return {};
	return found->second.address();
}

/* Returns whether there is a service that the filter lets pass. */
Result<bool> read_connections(const std::string &dir, const ConnectionFilter &filter,
			      std::vector<Connection> &out)
{
	std::map<uint32_t, Service> services = TP_TRY(read_services(dir));
	HashScan<uint64_t, tp_peer> scan;
	uint64_t now = boot_time_ns();

	Fd map = TP_TRY(open_map(dir, "tp_origins", Access::read));
	TP_TRY(scan.all(map.get(), "tp_origins", [&](uint64_t cookie, const tp_peer &peer) {
		if (peer.state != TP_PEER_CLOSED &&
		    filter.wants(peer, listen_of(services, peer.service), now))
			out.push_back(
				{ cookie, service_text(services, peer.service), peer, {}, {} });
	}));
	return std::ranges::any_of(services, [&](const auto &entry) {
		return filter.wants_service(entry.second.address());
	});
}

Status read_headers(const std::string &dir, std::span<Connection> connections)
{
	for (Connection &connection : connections)
		connection.header = TP_TRY(read_header(dir, connection.peer));
	return success();
}

/* Names the processes, and leaves only those of `pid` if that is not 0. */
Status add_processes(int pid, std::vector<Connection> &connections)
{
	std::set<uint64_t> namespaces;

	for (const Connection &connection : connections)
		namespaces.insert(connection.peer.netns);
	ConnectionOwners owners =
		TP_TRY(find_owners(namespaces, pid ? std::optional<pid_t>(pid) : std::nullopt));
	for (Connection &connection : connections) {
		auto owner = owners.find(connection.cookie);

		if (owner != owners.end())
			connection.process = owner->second;
	}
	if (pid)
		std::erase_if(connections,
			      [](const Connection &connection) { return !connection.process; });
	return success();
}

Result<uint64_t> parse_cookie(const std::string &text)
{
	std::string_view digits = text;

	if (digits.starts_with("sk:"))
		digits.remove_prefix(3);
	else if (digits.starts_with("0x"))
		digits.remove_prefix(2);
	std::optional<uint64_t> cookie = to_number<uint64_t>(digits, 16);
	if (!cookie)
		return Error{ ErrorCode::usage, "lookup", text, "not a socket cookie",
			      "as ss -e prints it: sk:1a2b" };
	return *cookie;
}

} // namespace

Status show_connections(const ViewOptions &options, const ConnectionOptions &which)
{
	ConnectionFilter filter = TP_TRY(ConnectionFilter::read(which));
	std::vector<std::string> dirs = TP_TRY(find_dirs(options.pin_dir));
	std::vector<Connection> connections;
	bool any_service = false;

	for (const std::string &dir : dirs) {
		size_t first = connections.size();

		any_service |= TP_TRY(read_connections(dir, filter, connections));
		if (options.tlvs)
			TP_TRY(read_headers(dir, std::span(connections).subspan(first)));
	}
	if (!any_service && !which.service.empty())
		return Error{ ErrorCode::usage, "--service", which.service, "no such service",
			      "truepeer status lists them" };
	if (which.processes || which.pid)
		TP_TRY(add_processes(which.pid, connections));
	if (!options.json) {
		print(connections, which.processes || which.pid);
		return success();
	}
	Json list = Json::array();
	for (const Connection &connection : connections)
		list.push_back(to_json(connection));
	fmt::print("{}\n", list.dump());
	return success();
}

Status show_connection(const ViewOptions &options, const std::string &text)
{
	uint64_t cookie = TP_TRY(parse_cookie(text));

	std::vector<std::string> dirs = TP_TRY(find_dirs(options.pin_dir));
	for (const std::string &dir : dirs) {
		Fd map = TP_TRY(open_map(dir, "tp_origins", Access::read));
		Connection connection = { cookie, {}, {}, {}, {} };

		int failed = bpf_map_lookup_elem(map.get(), &cookie, &connection.peer);
		if (failed == -ENOENT || (!failed && connection.peer.state == TP_PEER_CLOSED))
			continue;
		if (failed)
			return system_error("lookup", cookie_text(cookie), failed);
		std::map<uint32_t, Service> services = TP_TRY(read_services(dir));
		connection.service = service_text(services, connection.peer.service);
		connection.header = TP_TRY(read_header(dir, connection.peer));
		if (options.json)
			fmt::print("{}\n", to_json(connection).dump());
		else
			print({ connection }, false);
		return success();
	}
	return Error{ ErrorCode::not_found, "lookup", cookie_text(cookie),
		      "not a live connection of a truepeer service" };
}

} // namespace tp
