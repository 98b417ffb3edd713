// SPDX-License-Identifier: BSD-2-Clause
#include "chart.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "command.h"
#include "svg.h"

namespace bench
{

namespace
{

constexpr double bar_height = 13, bar_gap = 2, group_gap = 14;
constexpr double width = 1024, label_width = 210, value_width = 44, panel_gap = 18;
constexpr double head_height = 114, panel_head = 30, section_height = 26, foot_height = 66;
/* what is longer is cut off; the median is written beside it anyway */
constexpr double widest_axis = 2.5, widest_whisker = 1.5;

const char *color_of(Variant variant)
{
	switch (variant) {
	case Variant::deferred:
		return "#c9c2a5";
	case Variant::hooks:
		return "#a08f55";
	case Variant::userspace:
		return "#9aa3ad";
	case Variant::handshake:
		return "#1f6fb4";
	case Variant::sender:
		return "#3a8f5a";
	case Variant::translate:
		return "#b07aa1";
	default:
		return "#444444";
	}
}

const char *description_of(Variant variant)
{
	switch (variant) {
	case Variant::deferred:
		return "no header, TCP_DEFER_ACCEPT";
	case Variant::hooks:
		return "no header, programs that do nothing";
	case Variant::userspace:
		return "the server reads the header itself";
	case Variant::handshake:
		return "truepeer, handshake engine";
	case Variant::sender:
		return "truepeer, sender engine";
	case Variant::translate:
		return "truepeer, translate engine";
	default:
		return "";
	}
}

class Chart : private Svg
{
public:
	Chart(const Options &options, const std::vector<Line> &lines);
	std::string draw();

private:
	double group_height() const
	{
		return (double)variants_.size() * (bar_height + bar_gap) + group_gap;
	}
	double x_of(double left, double ratio) const
	{
		return left +
		       std::min(ratio, axis_) / axis_ * (panel_width() - value_width - panel_gap);
	}
	const Line *find(const Metric &metric, Topology topology, Variant variant) const;
	void head();
	void axis(double left, double top, double bottom, Topology topology);
	double section(double y, bool higher_is_better, const char *title);
	void group(double y, const Metric &metric);
	void bar(double left, double y, const Line &line);
	double panel_width() const { return (width - label_width) / (double)topologies_.size(); }
	double left_of(size_t panel) const { return label_width + (double)panel * panel_width(); }

	const Options &options_;
	const std::vector<Line> &lines_;
	std::vector<Variant> variants_; /* those with bars */
	std::vector<Topology> topologies_;
	std::vector<const Metric *> metrics_;
	double axis_ = 1.25;
};

Chart::Chart(const Options &options, const std::vector<Line> &lines)
    : options_(options), lines_(lines), topologies_(options.topologies)
{
	for (Variant variant : options.variants)
		if (variant != Variant::plain)
			variants_.push_back(variant);
	for (const Line &line : lines) {
		if (!line.metric->charted || line.variant == Variant::plain)
			continue;
		if (std::find(metrics_.begin(), metrics_.end(), line.metric) == metrics_.end())
			metrics_.push_back(line.metric);
		double needed = std::max(std::min(line.ratio.median, widest_axis),
					 std::min(line.ratio.high, widest_whisker));

		axis_ = std::max(axis_, std::ceil(needed * 4) / 4);
	}
}

const Line *Chart::find(const Metric &metric, Topology topology, Variant variant) const
{
	for (const Line &line : lines_)
		if (line.metric == &metric && line.topology == topology && line.variant == variant)
			return &line;
	return nullptr;
}

void Chart::head()
{
	double x = 16, y = 65;

	text(16, 30, "title", "Cost of the real client's address, as a ratio to plain TCP");
	text(16, 50, "small",
	     fmt::format("median of {} interleaved rounds, each ratio taken within its round; "
			 "whiskers: quartiles; 1.0 is the same server without any header",
			 options_.rounds));
	for (Variant variant : variants_) {
		std::string what = fmt::format("{}: {}", name_of(variant), description_of(variant));
		double space = 44 + 6.4 * (double)what.size();

		if (x + space > width) {
			x = 16;
			y += 18;
		}
		out(R"(<rect x="{:.1f}" y="{:.1f}" width="13" height="13" fill="{}"/>)", x, y,
		    color_of(variant));
		text(x + 19, y + 11, "label", what);
		x += space;
	}
}

void Chart::axis(double left, double top, double bottom, Topology topology)
{
	text(left, top - 12, "panel", name_of(topology));
	for (int quarter = 0; quarter <= (int)(axis_ * 4 + 0.004); quarter++) {
		double tick = quarter / 4.0;
		double x = x_of(left, tick);
		bool one = std::abs(tick - 1) < 0.001;

		if (!one)
			out(R"(<line x1="{0:.1f}" x2="{0:.1f}" y1="{1:.1f}" y2="{2:.1f}" class="grid"/>)",
			    x, top, bottom);
		if (axis_ <= 1.5 || std::fmod(tick + 0.001, 0.5) < 0.1)
			text(x, bottom + 16, one ? "tick strong" : "tick",
			     fmt::format("{:.{}f}", tick, axis_ <= 1.5 ? 2 : 1));
	}
}

void Chart::bar(double left, double y, const Line &line)
{
	double middle = y + bar_height / 2, end = x_of(left, line.ratio.median);

	if (!line.ratio.count) {
		text(left + 4, y + 10.5, "small", "unavailable");
		return;
	}
	out(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{}" fill="{}"/>)", left, y,
	    end - left, bar_height, color_of(line.variant));
	double low = x_of(left, line.ratio.low), high = x_of(left, line.ratio.high);
	/* a whisker that is cut off has no end stroke */
	out(R"(<path d="M{0:.1f} {2:.1f}H{1:.1f}M{0:.1f} {3:.1f}v6{4}" class="whisker"/>)", low,
	    high, middle, middle - 3,
	    line.ratio.high > axis_ ? "" : fmt::format("M{:.1f} {:.1f}v6", high, middle - 3));
	text(std::max(high, x_of(left, 1)) + 6, y + 10.5, "value",
	     fmt::format("{:.2f}", line.ratio.median));
}

void Chart::group(double y, const Metric &metric)
{
	double middle = y + (group_height() - group_gap) / 2 + 4;

	text(label_width - 12, middle, "label end", metric.label);
	for (size_t panel = 0; panel < topologies_.size(); panel++) {
		double top = y;

		for (Variant variant : variants_) {
			const Line *line = find(metric, topologies_[panel], variant);

			if (line)
				bar(left_of(panel), top, *line);
			top += bar_height + bar_gap;
		}
	}
}

/* Draws the metrics of one kind, and returns where the next section may begin. */
double Chart::section(double y, bool higher_is_better, const char *title)
{
	bool any = false;

	for (const Metric *metric : metrics_) {
		if (metric->higher_is_better != higher_is_better)
			continue;
		if (!any) {
			text(label_width - 12, y + 12, "section end", title);
			y += section_height;
		}
		any = true;
		group(y, *metric);
		y += group_height();
	}
	return y;
}

std::string Chart::draw()
{
	double top = head_height + panel_head, bottom;
	std::string bars;

	bottom = section(top + 4, true, "higher is better");
	bottom = section(bottom, false, "lower is better");
	bars = std::exchange(body_, {});
	out(R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0:.0f} {1:.0f}" width="{0:.0f}" height="{1:.0f}">)",
	    width, bottom + foot_height);
	out(R"(<style>
text {{ font-family: "DejaVu Sans", Verdana, Helvetica, Arial, sans-serif; font-size: 12px; fill: #222; }}
.title {{ font-size: 17px; font-weight: bold; }}
.panel {{ font-size: 14px; font-weight: bold; }}
.small {{ font-size: 11px; fill: #666; }}
.section {{ font-size: 11px; font-style: italic; fill: #666; }}
.value {{ font-size: 11px; }}
.end {{ text-anchor: end; }}
.tick {{ font-size: 11px; fill: #666; text-anchor: middle; }}
.strong {{ font-weight: bold; fill: #222; }}
.grid {{ stroke: #e2e5e8; stroke-width: 1; }}
.one {{ stroke: #222; stroke-width: 1.5; }}
.whisker {{ stroke: #222; stroke-width: 1; fill: none; }}
</style>
<rect width="100%" height="100%" fill="#ffffff"/>)");
	head();
	for (size_t panel = 0; panel < topologies_.size(); panel++)
		axis(left_of(panel), top, bottom, topologies_[panel]);
	body_ += bars;
	for (size_t panel = 0; panel < topologies_.size(); panel++)
		out(R"(<line x1="{0:.1f}" x2="{0:.1f}" y1="{1:.1f}" y2="{2:.1f}" class="one"/>)",
		    x_of(left_of(panel), 1), top, bottom);
	text(16, bottom + foot_height - 14, "small",
	     fmt::format("Linux {}, {}, {}", kernel_release(), cpu_model(),
			 date_now().substr(0, 10)));
	return body_ + "</svg>\n";
}

} // namespace

Status write_chart(const std::string &path, const Options &options, const std::vector<Line> &lines)
{
	return write_text(path, Chart(options, lines).draw());
}

} // namespace bench
