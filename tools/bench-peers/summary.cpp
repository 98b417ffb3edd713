// SPDX-License-Identifier: BSD-2-Clause
#include "summary.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "../bench/choice.h"

namespace peers
{

static Line make_line(const Outcome &outcome, const Metric &metric, Server server, Variant variant)
{
	std::map<unsigned, double> plain;
	std::vector<double> absolutes, ratios;

	for (const Sample &sample : outcome.samples)
		if (sample.server == server && sample.variant == Variant::plain)
			plain[sample.round] = sample.values.at(metric.name);
	for (const Sample &sample : outcome.samples) {
		if (sample.server != server || sample.variant != variant)
			continue;
		double value = sample.values.at(metric.name);
		auto base = plain.find(sample.round);

		absolutes.push_back(value);
		if (base != plain.end() && base->second > 0)
			ratios.push_back(value / base->second);
	}
	return { &metric, server, variant, bench::spread_of(absolutes), bench::spread_of(ratios) };
}

std::vector<Line> summarize(const Outcome &outcome)
{
	std::vector<Line> lines;

	for (Server server : all_servers)
		for (Variant variant : all_variants)
			for (const Metric &metric : metrics) {
				Line line = make_line(outcome, metric, server, variant);

				if (line.absolute.count)
					lines.push_back(line);
			}
	return lines;
}

const Line *find(const std::vector<Line> &lines, Server server, Variant variant, Kind kind,
		 unsigned load)
{
	auto found = std::find_if(lines.begin(), lines.end(), [&](const Line &line) {
		return line.server == server && line.variant == variant &&
		       line.metric->kind == kind && line.metric->load == load;
	});

	return found == lines.end() ? nullptr : &*found;
}

std::string text_of(const Circumstances &circumstances)
{
	return fmt::format(
		"{}, Linux {}, {}, {} CPUs, load average before {:.1f}; {} rounds of "
		"{} seconds{}{}",
		circumstances.date.substr(0, 10), circumstances.kernel, circumstances.cpu,
		circumstances.cpus, circumstances.load, circumstances.rounds, circumstances.seconds,
		circumstances.pin ? ", pinned" : "", circumstances.busy ? ", no CPU sleeps" : "");
}

static std::string cell_text(const Line *line)
{
	if (!line)
		return "-";
	double value = line->absolute.median;
	std::string text = fmt::format("{:.{}f}", value, value >= 100 ? 0 : 1);

	if (line->variant == Variant::plain || !line->ratio.count)
		return text;
	return text + fmt::format("  {:.2f}x [{:.2f} {:.2f}]", line->ratio.median, line->ratio.low,
				  line->ratio.high);
}

static void print_server(const Options &options, Server server, unsigned load,
			 const std::vector<Line> &lines)
{
	std::vector<Metric> shown = bench::chosen(metrics, options.only);

	std::erase_if(shown, [&](const Metric &metric) { return metric.load != load; });
	if (shown.empty())
		return;
	fmt::print("{:16}", load == 1 ? "one at a time" : fmt::format("{} in flight", load));
	for (const Metric &metric : shown)
		fmt::print("{:<28}", fmt::format("{}, {}", metric.label, metric.unit));
	fmt::print("\n");
	for (Variant variant : options.variants) {
		if (!find(lines, server, variant, Kind::rate, load))
			continue;
		fmt::print("  {:14}", name_of(variant));
		for (const Metric &metric : shown)
			fmt::print("{:<28}",
				   cell_text(find(lines, server, variant, metric.kind, load)));
		fmt::print("\n");
	}
}

static void print_troubles(const char *what, const std::vector<Trouble> &troubles)
{
	for (const Trouble &trouble : troubles)
		fmt::print("{}: {}, {}: {}\n", what, name_of(trouble.server),
			   name_of(trouble.variant), trouble.text);
}

void print_table(const Options &options, const Outcome &outcome, const std::vector<Line> &lines)
{
	fmt::print("\nmedians; x: to plain in the same round, [quartiles]\n");
	for (Server server : options.servers) {
		auto found = outcome.circumstances.find(server);

		if (found == outcome.circumstances.end())
			continue;
		fmt::print("\n{}: {}\n", title_of(server), text_of(found->second));
		for (unsigned load : all_loads)
			print_server(options, server, load, lines);
	}
	fmt::print("\n");
	print_troubles("unavailable", outcome.unavailable);
	print_troubles("failed", outcome.failures);
	std::fflush(stdout);
}

} // namespace peers
