// SPDX-License-Identifier: BSD-2-Clause
/* truepeer deny: origins that are refused before the server sees them. */
#include <iostream>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/denied.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/saved.h"
#include "cli/table.h"
#include "cli/view.h"

namespace tp
{

using Json = nlohmann::ordered_json;

/* Reads all networks first, so that one that is wrong changes nothing. */
static Result<std::vector<Network>> read_networks(const DenyOptions &options, const char *what)
{
	std::vector<Network> networks;

	for (const std::string &text : options.networks)
		networks.push_back(TP_TRY(parse_network(text, what)));
	if (options.file == "-") {
		TP_TRY(read_networks(std::cin, "standard input", what, networks));
	} else if (!options.file.empty()) {
		TP_TRY(read_networks(options.file, what, networks));
	}
	if (networks.empty() && options.file.empty())
		return Error{ ErrorCode::usage, what, "", "name a network, or a --file of them" };
	return networks;
}

Status add_denied(const std::string &pin_dir, const DenyOptions &what)
{
	std::vector<Network> networks = TP_TRY(read_networks(what, "deny add"));

	std::string config = what.save ? TP_TRY(config_of_agent(pin_dir)) : "";
	Fd map = TP_TRY(open_current(pin_dir, "tp_denied", Access::write));
	Progress progress("deny add", networks.size(), "networks");
	for (const Network &network : networks) {
		TP_TRY(add_denied(map.get(), network, false, "deny add"));
		progress.step();
	}
	return what.save ? save_denied(config, networks, true) : success();
}

Status remove_denied(const std::string &pin_dir, const DenyOptions &what)
{
	std::vector<Network> networks = TP_TRY(read_networks(what, "deny remove"));
	std::string missing;

	std::string config = what.save ? TP_TRY(config_of_agent(pin_dir)) : "";
	Fd map = TP_TRY(open_current(pin_dir, "tp_denied", Access::write));
	Progress progress("deny remove", networks.size(), "networks");
	for (const Network &network : networks) {
		if (!TP_TRY(remove_denied(map.get(), network, "deny remove")))
			missing += (missing.empty() ? "" : ", ") + format_network(network);
		progress.step();
	}
	if (what.save)
		TP_TRY(save_denied(config, networks, false));
	else if (!missing.empty())
		return Error{ ErrorCode::not_found, "deny remove", missing, "not in the list",
			      "truepeer deny list" };
	return success();
}

Status show_denied(const ViewOptions &options)
{
	Fd map = TP_TRY(open_current(options.pin_dir, "tp_denied", Access::read));
	std::vector<Row> rows = { { "ORIGIN", "SINCE", "REFUSED" } };
	Json list = Json::array();

	TP_TRY(for_each_entry<tp_denied_key, tp_denied_entry>(
		map.get(), "tp_denied",
		[&](const tp_denied_key &key, const tp_denied_entry &value) {
			Json entry = { { "origin", format_denied(key) },
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
