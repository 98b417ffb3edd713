// SPDX-License-Identifier: BSD-2-Clause
#include "store.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <nlohmann/json.hpp>

#include "../bench/command.h"

namespace peers
{

using nlohmann::json;

static json to_json(const std::vector<Trouble> &troubles)
{
	json list = json::array();

	for (const Trouble &trouble : troubles)
		list.push_back({ { "server", name_of(trouble.server) },
				 { "variant", name_of(trouble.variant) },
				 { "message", trouble.text } });
	return list;
}

static json to_json(const Circumstances &circumstances)
{
	return { { "date", circumstances.date },
		 { "kernel", circumstances.kernel },
		 { "cpu", circumstances.cpu },
		 { "cpus", circumstances.cpus },
		 { "load_average_before", circumstances.load },
		 { "rounds", circumstances.rounds },
		 { "seconds", circumstances.seconds },
		 { "pin", circumstances.pin },
		 { "busy", circumstances.busy } };
}

Status write_json(const std::string &path, const Outcome &outcome, const std::vector<Line> &lines)
{
	json servers, summary = json::array(), rounds = json::array();

	for (const auto &[server, circumstances] : outcome.circumstances)
		servers[name_of(server)] = to_json(circumstances);
	for (const Line &line : lines)
		summary.push_back({ { "server", name_of(line.server) },
				    { "variant", name_of(line.variant) },
				    { "metric", line.metric->name },
				    { "unit", line.metric->unit },
				    { "higher_is_better", line.metric->higher_is_better },
				    { "absolute", to_json(line.absolute) },
				    { "ratio_to_plain", to_json(line.ratio) } });
	for (const Sample &sample : outcome.samples)
		rounds.push_back({ { "round", sample.round },
				   { "server", name_of(sample.server) },
				   { "variant", name_of(sample.variant) },
				   { "values", sample.values } });
	json all = { { "servers", servers },
		     { "summary", summary },
		     { "unavailable", to_json(outcome.unavailable) },
		     { "failures", to_json(outcome.failures) },
		     { "rounds", rounds } };
	return bench::write_text(path, all.dump(1, '\t') + '\n');
}

/* ---- reading ------------------------------------------------------------------- */

template <typename T, size_t n> static T from_name(const T (&all)[n], const json &name)
{
	auto found = std::find_if(std::begin(all), std::end(all), [&](T one) {
		return name.get_ref<const std::string &>() == name_of(one);
	});

	if (found == std::end(all))
		throw std::out_of_range("unknown name " + name.dump());
	return *found;
}

static Circumstances circumstances_of(const json &entry)
{
	Circumstances result = { entry.at("date"), entry.at("kernel"), entry.at("cpu") };

	result.cpus = entry.at("cpus");
	result.load = entry.at("load_average_before");
	result.rounds = entry.at("rounds");
	result.seconds = entry.at("seconds");
	result.pin = entry.at("pin");
	result.busy = entry.at("busy");
	return result;
}

static std::vector<Trouble> troubles_of(const json &list)
{
	std::vector<Trouble> troubles;

	for (const json &entry : list)
		troubles.push_back({ from_name(all_servers, entry.at("server")),
				     from_name(all_variants, entry.at("variant")),
				     entry.at("message") });
	return troubles;
}

static Outcome outcome_of(const json &all)
{
	Outcome outcome;

	for (const auto &[name, entry] : all.at("servers").items())
		outcome.circumstances[from_name(all_servers, json(name))] = circumstances_of(entry);
	outcome.unavailable = troubles_of(all.at("unavailable"));
	outcome.failures = troubles_of(all.at("failures"));
	for (const json &entry : all.at("rounds"))
		outcome.samples.push_back({ entry.at("round"),
					    from_name(all_servers, entry.at("server")),
					    from_name(all_variants, entry.at("variant")),
					    entry.at("values").get<Values>() });
	return outcome;
}

Result<Outcome> read_json(const std::string &path)
{
	std::ifstream file(path);

	if (!file)
		return system_error("open", path, errno, "a run without --add makes it");
	try {
		return outcome_of(json::parse(file));
	} catch (const std::exception &error) {
		return Error{ tp::ErrorCode::usage, "read", path, error.what(),
			      "a run without --add makes it anew" };
	}
}

} // namespace peers
