// SPDX-License-Identifier: BSD-2-Clause
#include "chart.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "tools/bench/command.h"
#include "tools/bench/svg.h"

namespace scale
{

namespace
{

constexpr double width = 1024, margin = 16, label_width = 44, panel_gap = 26;
constexpr double head_height = 104, panel_height = 190, panel_foot = 78, foot_height = 30;

const char *color_of(Variant variant)
{
	return variant == Variant::plain     ? "#9aa3ad" :
	       variant == Variant::handshake ? "#1f6fb4" :
					       "#b07aa1";
}

/* A quantity of a row that has a panel. */
struct Quantity {
	const char *title;
	bool has_plain;
	bench::Spread (*of)(const Row &row);
};

const Quantity quantities[] = {
	{ "connections per second, in thousands", true,
	  [](const Row &row) {
		  bench::Spread spread = row.figures.at("connection-rate").absolute;

		  return bench::Spread{ spread.count, spread.low / 1e3, spread.median / 1e3,
					spread.high / 1e3 };
	  } },
	{ "time of truepeer's programs, us per connection", false,
	  [](const Row &row) {
		  return bench::Spread{ row.program_ns.count, row.program_ns.low / 1e3,
					row.program_ns.median / 1e3, row.program_ns.high / 1e3 };
	  } },
};

std::string short_number(uint32_t number)
{
	return number >= 10000 ? fmt::format("{}k", number / 1000) : std::to_string(number);
}

class Chart : private bench::Svg
{
public:
	Chart(const Options &options, const std::vector<Row> &rows) : options_(options), rows_(rows)
	{
	}
	std::string draw();

private:
	const Row *find(Dimension dimension, Variant variant, uint32_t level) const;
	double top_of(const Quantity &quantity) const;
	void legend();
	void axis(const Quantity &quantity, double left, double right, double bottom);
	void panel(const Quantity &quantity, Dimension dimension, double left, double bottom);
	void bar(const Quantity &quantity, const Row &row, double left, double bar_width,
		 double bottom);
	double panel_width() const
	{
		double all = width - 2 * margin - label_width;

		return all / (double)options_.levels.size() - panel_gap;
	}

	const Options &options_;
	const std::vector<Row> &rows_;
	double axis_ = 1;
};

const Row *Chart::find(Dimension dimension, Variant variant, uint32_t level) const
{
	if (variant == Variant::plain && dimension != Dimension::live)
		level = 1;
	for (const Row &row : rows_)
		if (row.spec.dimension == dimension && row.spec.variant == variant &&
		    row.spec.level == level)
			return &row;
	return nullptr;
}

/* All panels of a row have the same axis, with whole numbers at its four ticks. */
double Chart::top_of(const Quantity &quantity) const
{
	double most = 1;

	for (const Row &row : rows_)
		if (quantity.has_plain || row.spec.variant != Variant::plain)
			most = std::max(most, quantity.of(row).high);
	return std::ceil(most / 4) * 4;
}

void Chart::legend()
{
	double x = margin, y = 72;

	text(margin, 28, "title", "What a connection costs as things grow");
	text(margin, 48, "small",
	     fmt::format("loopback, medians of {} interleaved rounds with quartiles; the programs' "
			 "time is from the kernel's statistics, less what these cost",
			 options_.bench.rounds));
	for (const auto &[variant, label] :
	     { std::pair(Variant::plain, "plain TCP"),
	       std::pair(Variant::handshake, "truepeer, handshake engine"),
	       std::pair(Variant::translate, "truepeer, translate engine") }) {
		out(R"(<rect x="{:.1f}" y="{:.1f}" width="13" height="13" fill="{}"/>)", x, y - 11,
		    color_of(variant));
		text(x + 19, y, "label", label);
		x += 60 + 6.4 * (double)std::string(label).size();
	}
}

void Chart::axis(const Quantity &quantity, double left, double right, double bottom)
{
	text(margin, bottom - panel_height - 12, "panel", quantity.title);
	for (int tick = 0; tick <= 4; tick++) {
		double y = bottom - panel_height * tick / 4, value = axis_ * tick / 4;

		out(R"(<line x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}" class="grid"/>)", left,
		    right, y, y);
		text(left - 8, y + 4, "tick end", fmt::format("{:.0f}", value));
	}
}

void Chart::bar(const Quantity &quantity, const Row &row, double left, double bar_width,
		double bottom)
{
	bench::Spread spread = quantity.of(row);
	auto y_of = [&](double value) { return bottom - panel_height * value / axis_; };
	double middle = left + bar_width / 2;

	if (!spread.count)
		return;
	out(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}"/>)", left,
	    y_of(spread.median), bar_width, bottom - y_of(spread.median),
	    color_of(row.spec.variant));
	out(R"(<path d="M{0:.1f} {1:.1f}V{2:.1f}" class="whisker"/>)", middle, y_of(spread.low),
	    y_of(spread.high));
	text(middle, y_of(spread.high) - 4, "value", fmt::format("{:.1f}", spread.median));
}

void Chart::panel(const Quantity &quantity, Dimension dimension, double left, double bottom)
{
	const std::vector<uint32_t> &levels = options_.levels.at(dimension);
	double group_width = panel_width() / (double)levels.size();
	std::vector<Variant> variants = options_.engines;

	if (quantity.has_plain)
		variants.insert(variants.begin(), Variant::plain);
	double bar_width = std::min(26.0, (group_width - 10) / (double)variants.size() - 2);
	for (uint32_t level : levels) {
		double x = left + (group_width - (bar_width + 2) * (double)variants.size()) / 2;

		for (Variant variant : variants) {
			const Row *row = find(dimension, variant, level);

			if (row)
				bar(quantity, *row, x, bar_width, bottom);
			x += bar_width + 2;
		}
		text(left + group_width / 2, bottom + 16, "tick", short_number(level));
		left += group_width;
	}
	text(left - panel_width() / 2, bottom + 34, "label middle", label_of(dimension));
}

std::string Chart::draw()
{
	double bottom = head_height, height;

	height = head_height + (panel_height + panel_foot) * (double)std::size(quantities) +
		 foot_height;
	out(R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0:.0f} {1:.0f}" width="{0:.0f}" height="{1:.0f}">)",
	    width, height);
	out(R"(<style>
text {{ font-family: "DejaVu Sans", Verdana, Helvetica, Arial, sans-serif; font-size: 12px; fill: #222; }}
.title {{ font-size: 17px; font-weight: bold; }}
.panel {{ font-size: 14px; font-weight: bold; }}
.small {{ font-size: 11px; fill: #666; }}
.value {{ font-size: 9.5px; text-anchor: middle; }}
.tick {{ font-size: 11px; fill: #666; text-anchor: middle; }}
.middle {{ text-anchor: middle; }}
.end {{ text-anchor: end; }}
.grid {{ stroke: #e2e5e8; stroke-width: 1; }}
.whisker {{ stroke: #222; stroke-width: 1; fill: none; }}
</style>
<rect width="100%" height="100%" fill="#ffffff"/>)");
	legend();
	for (const Quantity &quantity : quantities) {
		double left = margin + label_width;

		bottom += panel_height + 14;
		axis_ = top_of(quantity);
		axis(quantity, left, width - margin, bottom);
		for (const auto &[dimension, levels] : options_.levels) {
			panel(quantity, dimension, left + panel_gap / 2, bottom);
			left += panel_width() + panel_gap;
		}
		bottom += panel_foot - 14;
	}
	text(margin, height - 12, "small",
	     fmt::format("Linux {}, {}, {}", bench::kernel_release(), bench::cpu_model(),
			 bench::date_now().substr(0, 10)));
	return body_ + "</svg>\n";
}

} // namespace

bench::Status write_chart(const std::string &path, const Options &options,
			  const std::vector<Row> &rows)
{
	return bench::write_text(path, Chart(options, rows).draw());
}

} // namespace scale
