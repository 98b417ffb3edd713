// SPDX-License-Identifier: BSD-2-Clause
#include "report.h"

#include <unistd.h>

#include <fmt/format.h>

namespace scale
{

using bench::Spread;
using bench::spread_of;

static constexpr const char *metrics[] = { "connection-rate", "first-byte-p50", "cpu" };

static bool is_same(const Spec &spec, const Spec &other)
{
	return spec.dimension == other.dimension && spec.variant == other.variant &&
	       spec.level == other.level;
}

/* The sample of another site of the same group in the same round; nullptr if that failed. */
static const Sample *find(const Outcome &outcome, const Sample &sample, const Spec &wanted)
{
	for (const Sample &other : outcome.samples)
		if (other.group == sample.group && other.round == sample.round &&
		    is_same(other.spec, wanted))
			return &other;
	return nullptr;
}

static Spec with(Spec spec, Variant variant, uint32_t level)
{
	spec.variant = variant;
	spec.level = level;
	return spec;
}

static Figure figure_of(const Outcome &outcome, const Spec &spec, const char *metric)
{
	/* plain TCP has no services and denied networks, so one site of it serves all levels */
	uint32_t plain_level = spec.dimension == Dimension::live ? spec.level : 1;
	std::vector<double> absolutes, to_one, to_plain;

	for (const Sample &sample : outcome.samples) {
		if (sample.beside || !is_same(sample.spec, spec))
			continue;
		double value = sample.values.at(metric);
		const Sample *one = find(outcome, sample, with(spec, spec.variant, 1));
		const Sample *plain =
			find(outcome, sample, with(spec, Variant::plain, plain_level));

		absolutes.push_back(value);
		if (one)
			to_one.push_back(value / one->values.at(metric));
		if (plain)
			to_plain.push_back(value / plain->values.at(metric));
	}
	return { spread_of(absolutes), spread_of(to_one), spread_of(to_plain) };
}

static std::vector<double> ratios_to_one(const Outcome &outcome, const Fact &fact)
{
	std::vector<double> ratios;

	for (const Fact &one : outcome.facts) {
		if (one.group != fact.group ||
		    !is_same(one.spec, with(fact.spec, fact.spec.variant, 1)))
			continue;
		double middle = spread_of(one.program_ns).median;
		for (double ns : fact.program_ns)
			if (middle > 0)
				ratios.push_back(ns / middle);
	}
	return ratios;
}

static Row row_of(const Outcome &outcome, const Spec &spec)
{
	std::vector<double> program_ns, program_to_one;
	Row row = { spec, {}, {}, {}, nullptr };

	for (const char *metric : metrics)
		row.figures[metric] = figure_of(outcome, spec, metric);
	for (const Fact &fact : outcome.facts) {
		if (fact.beside || !is_same(fact.spec, spec))
			continue;
		std::vector<double> ratios = ratios_to_one(outcome, fact);

		row.fact = &fact;
		program_ns.insert(program_ns.end(), fact.program_ns.begin(), fact.program_ns.end());
		program_to_one.insert(program_to_one.end(), ratios.begin(), ratios.end());
	}
	row.program_ns = spread_of(program_ns);
	row.program_to_one = spread_of(program_to_one);
	return row;
}

std::vector<Row> rows_of(const Options &options, const Outcome &outcome)
{
	std::vector<Variant> variants = options.engines;
	std::vector<Row> rows;

	variants.insert(variants.begin(), Variant::plain);
	for (const auto &[dimension, levels] : options.levels)
		for (Variant variant : variants)
			for (uint32_t level : levels)
				if (variant != Variant::plain || level == 1 ||
				    dimension == Dimension::live)
					rows.push_back(
						row_of(outcome, { dimension, variant, level }));
	return rows;
}

/* ---- tables ------------------------------------------------------------------ */

static std::string with_commas(uint64_t number)
{
	std::string text = std::to_string(number);

	for (int at = (int)text.size() - 3; at > 0; at -= 3)
		text.insert((size_t)at, ",");
	return text;
}

static std::string absolute(const Spread &spread, int digits)
{
	if (!spread.count)
		return "-";
	return digits ? fmt::format("{:.{}f}", spread.median, digits) :
			with_commas((uint64_t)spread.median);
}

static std::string ratio(const Spread &spread)
{
	if (!spread.count)
		return "-";
	return fmt::format("{:.2f} [{:.2f} {:.2f}]", spread.median, spread.low, spread.high);
}

static std::string mebibytes(uint64_t bytes)
{
	return fmt::format("{:.1f}", (double)bytes / (1 << 20));
}

static std::string cost_line(const Row &row)
{
	const Figure &rate = row.figures.at("connection-rate");
	const Figure &first_byte = row.figures.at("first-byte-p50");
	const Figure &cpu = row.figures.at("cpu");
	bool one = row.spec.level == 1, plain = row.spec.variant == Variant::plain;
	std::string line =
		fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} |",
			    bench::name_of(row.spec.variant), with_commas(row.spec.level),
			    absolute(rate.absolute, 0), one ? "1" : ratio(rate.to_one),
			    plain ? "1" : ratio(rate.to_plain), absolute(first_byte.absolute, 1),
			    one ? "1" : ratio(first_byte.to_one), one ? "1" : ratio(cpu.to_one));

	if (plain || !row.fact)
		return line + " | |";
	return line + fmt::format(" {:.2f} | {} |", row.program_ns.median / 1e3,
				  one ? "1" : ratio(row.program_to_one));
}

/* Lists maps that are at least 64 KiB larger than with 1, as in "tp_translations 29.3". */
static std::string grown_maps(const Memory &memory, const Memory &one)
{
	std::string text;

	for (const auto &[name, bytes] : memory.maps) {
		auto before = one.maps.find(name);
		uint64_t less = before == one.maps.end() ? 0 : before->second;

		if (bytes >= less + 65536)
			text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name,
					    mebibytes(bytes - less));
	}
	return text;
}

static std::string memory_line(const Row &row, const Row &one)
{
	const Fact &fact = *row.fact;

	return fmt::format("| {} | {} | {} | {} | {} | {:.1f} % | {:.2f} | {:.2f} |",
			   bench::name_of(row.spec.variant), with_commas(row.spec.level),
			   mebibytes(fact.memory.all_maps()),
			   grown_maps(fact.memory, one.fact->memory), mebibytes(fact.memory.agent),
			   fact.idle_cpu * 100, fact.start_seconds, fact.fill_seconds);
}

static void print_costs(Dimension dimension, const std::vector<Row> &rows)
{
	fmt::print("\n| | {} | connections per second | to 1 | to plain | first byte, us | to 1 | "
		   "CPU to 1 | programs, us per connection | to 1 |\n"
		   "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
		   label_of(dimension));
	for (const Row &row : rows)
		if (row.spec.dimension == dimension)
			fmt::print("{}\n", cost_line(row));
}

static void print_memory(Dimension dimension, const std::vector<Row> &rows)
{
	const Row *one = nullptr;

	fmt::print("\n| | {} | maps, MiB | of these more than with 1 | agent, MiB | agent idle | "
		   "ready after, s | filled after, s |\n"
		   "| --- | --- | --- | --- | --- | --- | --- | --- |\n",
		   label_of(dimension));
	for (const Row &row : rows) {
		if (row.spec.dimension != dimension || !bench::sends_header(row.spec.variant))
			continue;
		if (row.spec.level == 1)
			one = &row;
		if (row.fact && one && one->fact)
			fmt::print("{}\n", memory_line(row, *one));
	}
}

void print_tables(const Options &options, const Outcome &outcome, const std::vector<Row> &rows)
{
	fmt::print("Linux {}, {}, {} CPUs, headers {}, medians of {} rounds with quartiles, load "
		   "average before {:.1f}\n",
		   bench::kernel_release(), bench::cpu_model(), sysconf(_SC_NPROCESSORS_ONLN),
		   bench::name_of(options.bench.header), options.bench.rounds, outcome.load);
	for (const auto &[dimension, levels] : options.levels) {
		print_costs(dimension, rows);
		print_memory(dimension, rows);
	}
	fmt::print("\n");
	for (const std::string &text : outcome.unavailable)
		fmt::print("unavailable: {}\n", text);
	for (const std::string &text : outcome.failures)
		fmt::print("failed: {}\n", text);
	std::fflush(stdout);
}

} // namespace scale
