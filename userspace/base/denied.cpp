// SPDX-License-Identifier: BSD-2-Clause
#include "base/denied.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <fstream>

#include <fmt/core.h>

#include "base/clock.h"
#include "base/maps.h"

namespace tp
{

Status read_networks(std::istream &input, const std::string &name, const std::string &what,
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

Status read_networks(const std::string &file, const std::string &what,
		     std::vector<Network> &networks)
{
	std::ifstream input(file);

	if (!input)
		return system_error("open", file);
	return read_networks(input, file, what, networks);
}

std::string format_denied(const tp_denied_key &key)
{
	return format_network(network_of(key));
}

/*
 * Whether there is an entry for exactly this network. BPF_NOEXIST cannot be relied on: tries of
 * kernels before December 2024 (commit eae6a075e953) ignore it, and would reset the entry's
 * counter.
 */
static bool is_listed(int map, const tp_denied_key &key)
{
	tp_denied_entry found;

	return bpf_map_lookup_elem(map, &key, &found) == 0 && found.prefixlen == key.prefixlen;
}

Status add_denied(int map, const Network &network, bool from_config, const std::string &what)
{
	tp_denied_key key = network_key<tp_denied_key>(network);
	tp_denied_entry value = { realtime_ns(), 0, key.prefixlen, from_config };

	if (is_listed(map, key))
		return success();
	if (int failed = bpf_map_update_elem(map, &key, &value, BPF_ANY))
		return system_error(what, format_denied(key), failed,
				    failed == -ENOSPC ? "tp_denied is full" : "");
	return success();
}

Result<bool> remove_denied(int map, const Network &network, const std::string &what)
{
	tp_denied_key key = network_key<tp_denied_key>(network);
	int failed = bpf_map_delete_elem(map, &key);

	if (failed && failed != -ENOENT)
		return system_error(what, format_denied(key), failed);
	return failed == 0;
}

Result<std::vector<Network>> configured_denied(int map)
{
	std::vector<Network> networks;

	TP_TRY(for_each_entry<tp_denied_key, tp_denied_entry>(
		map, "tp_denied", [&](const tp_denied_key &key, const tp_denied_entry &value) {
			if (value.from_config)
				networks.push_back(network_of(key));
		}));
	std::ranges::sort(networks);
	return networks;
}

} // namespace tp
