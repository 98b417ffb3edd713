// SPDX-License-Identifier: BSD-2-Clause
#include "report.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

#include <fmt/format.h>

#include "../bench/command.h"

namespace peers
{

namespace
{

constexpr const char *begin_mark = "<!-- bench-peers -->\n";
constexpr const char *end_mark = "<!-- bench-peers: end -->\n";

const char *servers_of(Variant variant)
{
	switch (variant) {
	case Variant::proxy_protocol:
	case Variant::realip:
		return "nginx";
	case Variant::proxywrap:
		return "Node";
	case Variant::go_proxyproto:
		return "Go";
	default:
		return "any";
	}
}

const char *name_seen(Variant variant)
{
	switch (variant) {
	case Variant::proxy_protocol:
		return "the balancer; the client in `$proxy_protocol_addr`";
	case Variant::nginx_stream:
	case Variant::haproxy:
		return "127.0.0.1";
	default:
		return "the client";
	}
}

bool measured(const std::vector<Line> &lines, Variant variant)
{
	return std::any_of(lines.begin(), lines.end(),
			   [&](const Line &line) { return line.variant == variant; });
}

/* The smallest and the largest of the servers' ratios. */
std::string range_text(const std::vector<Line> &lines, Variant variant, Kind kind, unsigned load)
{
	std::vector<double> ratios;

	for (const Line &line : lines)
		if (line.variant == variant && line.metric->kind == kind &&
		    line.metric->load == load && line.ratio.count)
			ratios.push_back(line.ratio.median);
	if (ratios.empty())
		return "-";
	auto [low, high] = std::minmax_element(ratios.begin(), ratios.end());
	std::string first = fmt::format("{:.2f}", *low), last = fmt::format("{:.2f}", *high);
	return first == last ? first : first + " to " + last;
}

std::string ratio_text(const Line *line)
{
	if (!line)
		return "-";
	if (line->variant == Variant::plain)
		return fmt::format("{:.0f} {}", line->absolute.median, line->metric->unit);
	return fmt::format("{:.2f} [{:.2f} {:.2f}]", line->ratio.median, line->ratio.low,
			   line->ratio.high);
}

std::string long_table(const std::vector<Line> &lines, unsigned load)
{
	std::string text =
		fmt::format("| {} | requests per second | first byte p50 | first byte "
			    "p99 | CPU per connection |\n| --- | --- | --- | --- | --- |\n",
			    load == 1 ? "one at a time" : fmt::format("{} in flight", load));

	for (Server server : all_servers)
		for (Variant variant : all_variants) {
			if (!find(lines, server, variant, Kind::rate, load))
				continue;
			text += variant == Variant::plain ?
					fmt::format("| **{}**, plain |", title_of(server)) :
					fmt::format("| {} |", title_of(variant));
			for (Kind kind :
			     { Kind::rate, Kind::first_byte, Kind::first_byte_late, Kind::cpu })
				text += " " + ratio_text(find(lines, server, variant, kind, load)) +
					" |";
			text += "\n";
		}
	return text;
}

/* Servers that were measured under the same circumstances share a line. */
std::string circumstances_text(const Outcome &outcome)
{
	std::map<std::string, std::string> servers; /* by the text of their circumstances */
	std::string text;

	for (const auto &[server, circumstances] : outcome.circumstances) {
		std::string &names = servers[text_of(circumstances)];

		names += std::string(names.empty() ? "" : "; ") + title_of(server);
	}
	for (const auto &[what, names] : servers)
		text += fmt::format("- {}: {}\n", names, what);
	return text;
}

Result<std::string> read_file(const std::string &path)
{
	std::ifstream file(path);
	std::ostringstream text;

	if (!file)
		return system_error("open", path);
	text << file.rdbuf();
	return text.str();
}

Status replace_part(const std::string &path, const std::string &part)
{
	std::string text = TP_TRY(read_file(path));
	size_t begin = text.find(begin_mark), end = text.find(end_mark);

	if (begin == std::string::npos || end == std::string::npos || end < begin)
		return Error{
			tp::ErrorCode::usage, "update", path,
			"the lines \"<!-- bench-peers -->\" and \"<!-- bench-peers: end -->\" "
			"are missing"
		};
	begin += std::string(begin_mark).size();
	return write_and_tell(path, text.substr(0, begin) + "\n" + part + "\n" + text.substr(end));
}

} // namespace

Status write_and_tell(const std::string &path, const std::string &text)
{
	TP_TRY(bench::write_text(path, text));
	fmt::print("{}\n", path);
	return success();
}

std::string short_table(const std::vector<Line> &lines)
{
	std::string text = "| | servers | the server sees | requests per second | the same, 16 in "
			   "flight | first byte p50 | first byte p99 | CPU per connection |\n"
			   "| --- | --- | --- | --- | --- | --- | --- | --- |\n";

	for (Variant variant : all_variants) {
		if (variant == Variant::plain || !measured(lines, variant))
			continue;
		text += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} |\n",
				    title_of(variant), servers_of(variant), name_seen(variant),
				    range_text(lines, variant, Kind::rate, 1),
				    range_text(lines, variant, Kind::rate, 16),
				    range_text(lines, variant, Kind::first_byte, 1),
				    range_text(lines, variant, Kind::first_byte_late, 1),
				    range_text(lines, variant, Kind::cpu, 1));
	}
	return text;
}

std::string long_tables(const Outcome &outcome, const std::vector<Line> &lines)
{
	std::string text = circumstances_text(outcome);

	for (const Trouble &trouble : outcome.unavailable)
		text += fmt::format("- unavailable: {}, {}: {}\n", title_of(trouble.server),
				    title_of(trouble.variant), trouble.text);
	for (unsigned load : all_loads)
		text += "\n" + long_table(lines, load);
	return text;
}

Status update_documents(const std::string &top, const Outcome &outcome,
			const std::vector<Line> &lines)
{
	TP_TRY(write_and_tell(top + "/docs/peers.svg", chart(outcome, lines)));
	TP_TRY(replace_part(top + "/README.md", short_table(lines)));
	return replace_part(top + "/docs/MEASUREMENTS.md", long_tables(outcome, lines));
}

} // namespace peers
