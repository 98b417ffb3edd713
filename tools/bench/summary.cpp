// SPDX-License-Identifier: BSD-2-Clause
#include "summary.h"

#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "command.h"
#include "cpu.h"

namespace bench
{

using nlohmann::json;

static double quantile(const std::vector<double> &sorted, double part)
{
	double at = part * (double)(sorted.size() - 1);
	size_t below = (size_t)at, above = std::min(below + 1, sorted.size() - 1);

	return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

Spread spread_of(std::vector<double> values)
{
	if (values.empty())
		return {};
	std::sort(values.begin(), values.end());
	return { values.size(), quantile(values, 0.25), quantile(values, 0.5),
		 quantile(values, 0.75) };
}

/* round -> value */
static std::map<unsigned, double> rounds_of(const Outcome &outcome, const Metric &metric,
					    Topology topology, Variant variant)
{
	std::map<unsigned, double> values;

	for (const Sample &sample : outcome.samples) {
		if (sample.topology != topology || sample.variant != variant)
			continue;
		auto found = sample.values.find(metric.name);
		if (found != sample.values.end())
			values[sample.round] = found->second;
	}
	return values;
}

static Line make_line(const Outcome &outcome, const Metric &metric, Topology topology,
		      Variant variant)
{
	auto plain = rounds_of(outcome, metric, topology, Variant::plain);
	std::vector<double> absolutes, ratios;

	for (const auto &[round, value] : rounds_of(outcome, metric, topology, variant)) {
		auto base = plain.find(round);

		absolutes.push_back(value);
		if (base != plain.end() && base->second > 0)
			ratios.push_back(value / base->second);
	}
	return { &metric, topology, variant, spread_of(absolutes), spread_of(ratios) };
}

std::vector<Line> summarize(const Options &options, const Outcome &outcome)
{
	std::vector<Line> lines;

	for (Topology topology : options.topologies)
		for (const Metric &metric : outcome.metrics)
			for (Variant variant : options.variants)
				lines.push_back(make_line(outcome, metric, topology, variant));
	return lines;
}

/* ---- table ------------------------------------------------------------------- */

static std::string number_text(double value)
{
	return fmt::format("{:.{}f}", value, value >= 1000 ? 0 : value >= 100 ? 1 : 2);
}

static std::string line_text(const Line &line)
{
	std::string text;

	if (!line.absolute.count)
		return "-";
	text = number_text(line.absolute.median);
	if (line.variant != Variant::plain && line.ratio.count)
		text += fmt::format("  {:.2f}x [{:.2f} {:.2f}]", line.ratio.median, line.ratio.low,
				    line.ratio.high);
	return text;
}

static int width_of(Variant variant)
{
	return variant == Variant::plain ? 12 : 30;
}

static void print_costs(const Outcome &outcome)
{
	if (outcome.costs.empty())
		return;
	fmt::print("\nBPF programs, measured in a separate pass with the kernel's statistics on\n");
	fmt::print("{:10}{:11}{:24}{:16}{:>12}{:>10}{:>10}  {}\n", "where", "variant", "cell",
		   "program", "runs", "ns/run", "ns", "per");
	for (const ProgramCost &cost : outcome.costs)
		fmt::print("{:10}{:11}{:24}{:16}{:>12.2f}{:>10.0f}{:>10.0f}  {}\n",
			   name_of(cost.topology), name_of(cost.variant), cost.cell, cost.program,
			   cost.runs, cost.runs > 0 ? cost.ns / cost.runs : 0, cost.ns, cost.unit);
}

static void print_troubles(const char *what, const std::vector<Trouble> &troubles)
{
	for (const Trouble &trouble : troubles)
		fmt::print("{}: {}{}{} on {}: {}\n", what, name_of(trouble.variant),
			   trouble.cell.empty() ? "" : ", ", trouble.cell,
			   name_of(trouble.topology), trouble.text);
}

void print_table(const Options &options, const Outcome &outcome, const std::vector<Line> &lines)
{
	fmt::print("\nLinux {}, {}, {} CPUs, {}, headers {}, load average before {:.1f}\n",
		   kernel_release(), cpu_model(), sysconf(_SC_NPROCESSORS_ONLN),
		   options.congestion_control, name_of(options.header), outcome.load);
	fmt::print("medians of {} rounds; x is the ratio to plain in the same round, with "
		   "[quartiles]\n",
		   options.rounds);
	for (size_t i = 0; i < lines.size(); i++) {
		const Line &line = lines[i];

		if (i == 0 || line.topology != lines[i - 1].topology) {
			fmt::print("\n{:42}", name_of(line.topology));
			for (Variant variant : options.variants)
				fmt::print("{:<{}}", name_of(variant), width_of(variant));
			fmt::print("\n");
		}
		if (line.variant == options.variants.front())
			fmt::print("{:42}",
				   fmt::format("{}, {}", line.metric->label, line.metric->unit));
		fmt::print("{:<{}}", line_text(line), width_of(line.variant));
		if (line.variant == options.variants.back())
			fmt::print("\n");
	}
	print_costs(outcome);
	fmt::print("\n");
	print_troubles("unavailable", outcome.unavailable);
	print_troubles("failed", outcome.failures);
	if (outcome.again)
		fmt::print("note: {} blocking reads returned EAGAIN (docs/LIMITS.md) and were "
			   "repeated\n",
			   outcome.again);
	std::fflush(stdout);
}

/* ---- JSON -------------------------------------------------------------------- */

std::string kernel_release()
{
	utsname name = {};

	uname(&name);
	return name.release;
}

std::string cpu_model()
{
	std::ifstream file("/proc/cpuinfo");
	std::string line;

	while (std::getline(file, line))
		if (line.starts_with("model name") && line.find(": ") != std::string::npos)
			return line.substr(line.find(": ") + 2);
	return "unknown";
}

std::string date_now()
{
	char text[32];
	time_t now = time(nullptr);
	tm parts;

	gmtime_r(&now, &parts);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
	return text;
}

json to_json(const Spread &spread)
{
	if (!spread.count)
		return nullptr;
	return { { "rounds", spread.count },
		 { "median", spread.median },
		 { "quartiles", { spread.low, spread.high } } };
}

static json to_json(const std::vector<Trouble> &troubles)
{
	json list = json::array();

	for (const Trouble &trouble : troubles)
		list.push_back({ { "topology", name_of(trouble.topology) },
				 { "variant", name_of(trouble.variant) },
				 { "cell", trouble.cell },
				 { "message", trouble.text } });
	return list;
}

static json summary_json(const std::vector<Line> &lines)
{
	json list = json::array();

	for (const Line &line : lines)
		list.push_back({ { "topology", name_of(line.topology) },
				 { "metric", line.metric->name },
				 { "unit", line.metric->unit },
				 { "higher_is_better", line.metric->higher_is_better },
				 { "variant", name_of(line.variant) },
				 { "absolute", to_json(line.absolute) },
				 { "ratio_to_plain", to_json(line.ratio) } });
	return list;
}

static json rounds_json(const Outcome &outcome)
{
	json list = json::array();

	for (const Sample &sample : outcome.samples)
		list.push_back({ { "round", sample.round },
				 { "topology", name_of(sample.topology) },
				 { "cell", sample.cell },
				 { "variant", name_of(sample.variant) },
				 { "values", sample.values } });
	return list;
}

static json costs_json(const Outcome &outcome)
{
	json list = json::array();

	for (const ProgramCost &cost : outcome.costs)
		list.push_back({ { "topology", name_of(cost.topology) },
				 { "variant", name_of(cost.variant) },
				 { "cell", cost.cell },
				 { "program", cost.program },
				 { "per", cost.unit },
				 { "runs", cost.runs },
				 { "ns", cost.ns } });
	return list;
}

Status write_json(const std::string &path, const Options &options, const Outcome &outcome,
		  const std::vector<Line> &lines)
{
	json all = { { "date", date_now() },
		     { "kernel", kernel_release() },
		     { "cpu", cpu_model() },
		     { "cpus", sysconf(_SC_NPROCESSORS_ONLN) },
		     { "load_average_before", outcome.load },
		     { "irq_time_accounting", irq_time_is_separate() },
		     { "options",
		       { { "rounds", options.rounds },
			 { "seconds_per_cell", options.seconds },
			 { "only", options.only },
			 { "header", name_of(options.header) },
			 { "congestion_control", options.congestion_control },
			 { "pin", options.pin },
			 { "busy", options.busy } } },
		     { "summary", summary_json(lines) },
		     { "bpf_stats", costs_json(outcome) },
		     { "unavailable", to_json(outcome.unavailable) },
		     { "failures", to_json(outcome.failures) },
		     { "blocking_reads_with_eagain", outcome.again },
		     { "rounds", rounds_json(outcome) } };
	return write_text(path, all.dump(1, '\t') + '\n');
}

} // namespace bench
