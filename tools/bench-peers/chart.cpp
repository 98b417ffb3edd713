// SPDX-License-Identifier: BSD-2-Clause
#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "../bench/svg.h"
#include "report.h"

namespace peers
{

namespace
{

constexpr double bar_height = 12, bar_gap = 2, group_gap = 12;
constexpr double width = 900, label_width = 158, panel_gap = 26, value_width = 36;
constexpr double head_height = 92, panel_head = 40, foot_height = 38;

/*
 * Variants of the same kind share a bar and its colour. If a server has two of them, the bar shows
 * the one that gives the server the client's name.
 */
struct Bar {
	const char *style;
	const char *label;
	std::vector<Variant> variants; /* the bar shows the first one that was measured */
};

const std::vector<Bar> bars = {
	{ "handshake", "truepeer, handshake engine", { Variant::handshake } },
	{ "translate", "truepeer, translate engine", { Variant::translate } },
	{ "inside",
	  "read by nginx, findhit-proxywrap, go-proxyproto",
	  { Variant::realip, Variant::proxywrap, Variant::go_proxyproto } },
	{ "stream", "nginx's stream module in front", { Variant::nginx_stream } },
	{ "haproxy", "HAProxy in front", { Variant::haproxy } },
};

struct Panel {
	const char *title;
	Kind kind;
};

constexpr Panel panels[] = { { "requests per second (more is better)", Kind::rate },
			     { "CPU time per connection (less is better)", Kind::cpu } };
constexpr unsigned charted_load = 1;

/* The label's one or two lines. */
std::pair<std::string, std::string> label_of(Server server)
{
	std::string title = title_of(server);
	size_t comma = title.find(", ");

	if (comma == std::string::npos)
		return { title, "" };
	return { title.substr(0, comma), title.substr(comma + 2) };
}

class Chart : private bench::Svg
{
public:
	Chart(const Outcome &outcome, const std::vector<Line> &lines);
	std::string draw();

private:
	double panel_width() const { return (width - label_width) / std::size(panels); }
	double x_of(size_t panel, double ratio) const
	{
		return label_width + (double)panel * panel_width() +
		       ratio / axis_[panel] * (panel_width() - panel_gap - value_width);
	}
	const Line *line_of(Server server, const Bar &bar, Kind kind) const;
	size_t bars_of(Server server) const;
	void head();
	void axis(size_t panel, double top, double bottom);
	double group(Server server, double y);
	void styles(double height);

	const Outcome &outcome_;
	const std::vector<Line> &lines_;
	std::vector<Server> servers_;
	double axis_[std::size(panels)] = { 1, 1 };
};

Chart::Chart(const Outcome &outcome, const std::vector<Line> &lines)
    : outcome_(outcome), lines_(lines)
{
	for (Server server : all_servers) {
		if (bars_of(server) == 0)
			continue;
		servers_.push_back(server);
		for (const Bar &bar : bars)
			for (size_t panel = 0; panel < std::size(panels); panel++) {
				const Line *line = line_of(server, bar, panels[panel].kind);

				if (line)
					axis_[panel] = std::max(axis_[panel], line->ratio.high);
			}
	}
	for (double &axis : axis_)
		axis = std::ceil(axis * 4) / 4;
}

const Line *Chart::line_of(Server server, const Bar &bar, Kind kind) const
{
	for (Variant variant : bar.variants) {
		const Line *line = find(lines_, server, variant, kind, charted_load);

		if (line && line->ratio.count)
			return line;
	}
	return nullptr;
}

size_t Chart::bars_of(Server server) const
{
	return (size_t)std::count_if(bars.begin(), bars.end(), [&](const Bar &bar) {
		return line_of(server, bar, panels[0].kind);
	});
}

void Chart::head()
{
	double x = 16, y = 44;

	text(16, 28, "title",
	     "What the real client's name costs, beside the same server without it");
	for (const Bar &bar : bars) {
		double space = 36 + 6.5 * (double)std::string(bar.label).size();

		if (x + space > width) {
			x = 16;
			y += 20;
		}
		out(R"(<rect x="{:.1f}" y="{:.1f}" width="12" height="12" class="{}"/>)", x, y,
		    bar.style);
		text(x + 18, y + 10.5, "label", bar.label);
		x += space;
	}
}

void Chart::axis(size_t panel, double top, double bottom)
{
	int step = axis_[panel] > 3 ? 4 : axis_[panel] > 1.75 ? 2 : 1; /* quarters */

	text(x_of(panel, 0), top - 22, "panel", panels[panel].title);
	for (int quarter = 0; quarter <= (int)(axis_[panel] * 4 + 0.004); quarter += step) {
		double x = x_of(panel, quarter / 4.0);
		bool one = quarter == 4;

		out(R"(<line x1="{0:.1f}" x2="{0:.1f}" y1="{1:.1f}" y2="{2:.1f}" class="{3}"/>)", x,
		    top - 2, bottom - group_gap / 2, one ? "one" : "grid");
		text(x, top - 6, one ? "tick strong" : "tick",
		     one ? "plain" : fmt::format("{:.{}f}", quarter / 4.0, step == 1 ? 2 : 1));
	}
}

/* Returns where the next group may begin. */
double Chart::group(Server server, double y)
{
	double height = (double)bars_of(server) * (bar_height + bar_gap);
	auto [first, second] = label_of(server);

	text(label_width - 10, y + height / 2 + (second.empty() ? 4 : -2), "name", first);
	if (!second.empty())
		text(label_width - 10, y + height / 2 + 11, "small end", second);
	for (const Bar &bar : bars) {
		if (!line_of(server, bar, panels[0].kind))
			continue;
		for (size_t panel = 0; panel < std::size(panels); panel++) {
			const Line *line = line_of(server, bar, panels[panel].kind);
			double left = x_of(panel, 0), end = x_of(panel, line->ratio.median);
			double low = x_of(panel, line->ratio.low),
			       high = x_of(panel, line->ratio.high);

			out(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{}" class="{}"/>)",
			    left, y, end - left, bar_height, bar.style);
			out(R"(<path d="M{:.1f} {:.1f}H{:.1f}" class="whisker"/>)", low,
			    y + bar_height / 2, high);
			text(std::max({ high, end, x_of(panel, 1) }) + 5, y + 10, "value",
			     fmt::format("{:.2f}", line->ratio.median));
		}
		y += bar_height + bar_gap;
	}
	return y + group_gap;
}

/* The chart has a background of its own, which follows the reader's choice of light or dark. */
void Chart::styles(double height)
{
	out(R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0:.0f} {1:.0f}" width="{0:.0f}" height="{1:.0f}">)",
	    width, height);
	out(R"(<style>
text {{ font-family: "DejaVu Sans", Verdana, Helvetica, Arial, sans-serif; font-size: 12px; fill: #24292f; }}
.title {{ font-size: 17px; font-weight: bold; }}
.panel {{ font-size: 13px; font-weight: bold; }}
.name {{ font-weight: bold; text-anchor: end; }}
.small {{ font-size: 10.5px; fill: #656d76; }}
.value {{ font-size: 11px; }}
.end {{ text-anchor: end; }}
.tick {{ font-size: 11px; fill: #656d76; text-anchor: middle; }}
.strong {{ font-weight: bold; fill: #24292f; }}
.back {{ fill: #ffffff; }}
.grid {{ stroke: #d8dee4; stroke-width: 1; }}
.one {{ stroke: #24292f; stroke-width: 1.5; }}
.whisker {{ stroke: #24292f; stroke-width: 1; fill: none; opacity: 0.6; }}
.handshake {{ fill: #1f6fb4; }}
.translate {{ fill: #6aa9dc; }}
.inside {{ fill: #9aa3ad; }}
.stream {{ fill: #e39a4b; }}
.haproxy {{ fill: #c8692c; }}
@media (prefers-color-scheme: dark) {{
text, .strong {{ fill: #e6edf3; }}
.small, .tick {{ fill: #9198a1; }}
.back {{ fill: #0d1117; }}
.grid {{ stroke: #30363d; }}
.one, .whisker {{ stroke: #e6edf3; }}
}}
</style>
<rect width="100%" height="100%" class="back"/>)");
}

std::string Chart::draw()
{
	double top = head_height + panel_head, y = top;
	std::string groups, when;

	for (Server server : servers_)
		y = group(server, y);
	groups = std::exchange(body_, {});
	styles(y + foot_height);
	head();
	for (size_t panel = 0; panel < std::size(panels); panel++)
		axis(panel, top, y);
	body_ += groups;
	if (!outcome_.circumstances.empty()) {
		const Circumstances &now = outcome_.circumstances.begin()->second;

		when = fmt::format("one connection after another; medians of {} rounds, lines: "
				   "quartiles; Linux {}, {}, {} CPUs, {}; tools/bench-peers",
				   now.rounds, now.kernel.substr(0, now.kernel.find('-')), now.cpu,
				   now.cpus, now.date.substr(0, 10));
	}
	text(16, y + foot_height - 14, "small", when);
	return body_ + "</svg>\n";
}

} // namespace

std::string chart(const Outcome &outcome, const std::vector<Line> &lines)
{
	return Chart(outcome, lines).draw();
}

} // namespace peers
