// SPDX-License-Identifier: BSD-2-Clause
/* truepeer deny: origins that are refused before the server sees them. */
#include <algorithm>
#include <ctime>
#include <fstream>
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/table.h"
#include "cli/view.h"

namespace tp
{

using Json = nlohmann::ordered_json;

static tp_denied_key key_of(const Network &network)
{
	tp_denied_key key = {};

	key.prefixlen = 32 + network.bits;
	key.family = family_of(network);
	std::copy(std::begin(network.address.bytes), std::end(network.address.bytes), key.address);
	return key;
}

/* Blank lines, and text behind a #, are ignored. */
static Status read_lines(std::istream &input, const std::string &name, const char *what,
			 std::vector<Network> &networks)
{
	std::string line;

	for (size_t number = 1; std::getline(input, line); number++) {
		line.erase(std::find(line.begin(), line.end(), '#'), line.end());
		size_t first = line.find_first_not_of(" \t\r");
		if (first == line.npos)
			continue;
		line = line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
		Result<Network> network = parse_network(line, what);
		if (!network) {
			network.error().object = fmt::format("{}:{}: {}", name, number, line);
			return network.error();
		}
		networks.push_back(*network);
	}
	if (input.bad())
		return system_error("read", name);
	return success();
}

/* Reads all networks first, so that one that is wrong changes nothing. */
static Result<std::vector<Network>> read_networks(const DenyOptions &options, const char *what)
{
	std::vector<Network> networks;

	for (const std::string &text : options.networks)
		networks.push_back(TP_TRY(parse_network(text, what)));
	if (options.file == "-") {
		TP_TRY(read_lines(std::cin, "standard input", what, networks));
	} else if (!options.file.empty()) {
		std::ifstream file(options.file);

		if (!file)
			return system_error("open", options.file);
		TP_TRY(read_lines(file, options.file, what, networks));
	}
	if (networks.empty() && options.file.empty())
		return Error{ ErrorCode::usage, what, "", "name a network, or a --file of them" };
	return networks;
}

/* The network as the list and messages show it. */
static std::string text_of(const tp_denied_key &key)
{
	return format_network(key.address, key.prefixlen - 32);
}

/*
 * Whether there is an entry for exactly this network. BPF_NOEXIST cannot be relied on: tries of
 * kernels before December 2024 (commit eae6a075e953) ignore it, and would reset the entry's
 * counter.
 */
static bool is_listed(int map, const tp_denied_key &key)
{
	tp_denied found;

	return bpf_map_lookup_elem(map, &key, &found) == 0 && found.prefixlen == key.prefixlen;
}

static uint64_t realtime_ns()
{
	timespec now = {};

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

Status add_denied(const std::string &pin_dir, const DenyOptions &what)
{
	std::vector<Network> networks = TP_TRY(read_networks(what, "deny add"));

	Fd map = TP_TRY(open_current(pin_dir, "tp_denied", Access::write));
	for (const Network &network : networks) {
		tp_denied_key key = key_of(network);
		tp_denied value = { realtime_ns(), 0, key.prefixlen, 0 };

		if (is_listed(map.get(), key))
			continue;
		if (int failed = bpf_map_update_elem(map.get(), &key, &value, BPF_ANY))
			return system_error("deny add", text_of(key), failed,
					    failed == -ENOSPC ? "tp_denied is full" : "");
	}
	return success();
}

Status remove_denied(const std::string &pin_dir, const DenyOptions &what)
{
	std::vector<Network> networks = TP_TRY(read_networks(what, "deny remove"));
	std::string missing;

	Fd map = TP_TRY(open_current(pin_dir, "tp_denied", Access::write));
	for (const Network &network : networks) {
		tp_denied_key key = key_of(network);
		int failed = bpf_map_delete_elem(map.get(), &key);

		if (failed == -ENOENT)
			missing += (missing.empty() ? "" : ", ") + text_of(key);
		else if (failed)
			return system_error("deny remove", text_of(key), failed);
	}
	if (!missing.empty())
		return Error{ ErrorCode::not_found, "deny remove", missing, "not in the list",
			      "truepeer deny list" };
	return success();
}

Status show_denied(const ViewOptions &options)
{
	Fd map = TP_TRY(open_current(options.pin_dir, "tp_denied", Access::read));
	std::vector<Row> rows = { { "ORIGIN", "SINCE", "REFUSED" } };
	Json list = Json::array();

	TP_TRY(for_each_entry<tp_denied_key, tp_denied>(
		map.get(), "tp_denied", [&](const tp_denied_key &key, const tp_denied &value) {
			Json entry = { { "origin", text_of(key) },
				       { "since", format_time(value.added_ns) },
				       { "refused", value.refused } };

			rows.push_back({ entry["origin"].get<std::string>(),
					 entry["since"].get<std::string>(),
					 entry["refused"].dump() });
			list.push_back(std::move(entry));
		}));
	if (options.json)
		fmt::print("{}\n", list.dump());
	else
		fmt::print("{}", format_table(rows));
	return success();
}

} // namespace tp
