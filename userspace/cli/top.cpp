// SPDX-License-Identifier: BSD-2-Clause
/* truepeer top: how much of everything happens now. */
#include <algorithm>
#include <chrono>
#include <thread>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "cli/commands.h"
#include "cli/rates.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace tp
{

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

namespace
{

constexpr const char *bold = "\x1b[1m", *red = "\x1b[31m", *plain = "\x1b[0m";

std::string rate_text(const Json &rate)
{
	double value = rate.get<double>();

	return value >= 100 || value == 0 ? fmt::format("{:.0f}", value) :
					    fmt::format("{:.1f}", value);
}

std::string wait_text(const Json &waits, const char *quantile)
{
	if (!waits.contains(quantile))
		return "-";
	double seconds = waits[quantile];

	return seconds < 1 ? fmt::format("{:.1f} ms", seconds * 1e3) :
			     fmt::format("{:.2f} s", seconds);
}

Row row_of(const std::string &name, const Json &rates)
{
	const Json &waits = rates["header_wait_seconds"];

	return { name,
		 rate_text(rates["begun"]),
		 rate_text(rates["accepted"]),
		 rate_text(rates["passed"]),
		 rate_text(rates["refused"]),
		 rates["pending"].dump(),
		 wait_text(waits, "p50"),
		 wait_text(waits, "p99") };
}

/* The services, the busiest first, and only as many as there is room for. */
std::string services_table(const Json &out, size_t most)
{
	std::vector<Row> rows = { { "SERVICE", "BEGUN/S", "ACCEPTED/S", "PASSED/S", "REFUSED/S",
				    "WAITING", "HEADER P50", "P99" } };
	std::vector<const Json *> services;

	for (const Json &service : out["services"])
		services.push_back(&service);
	std::stable_sort(services.begin(), services.end(), [](const Json *a, const Json *b) {
		return (*a)["begun"].get<double>() > (*b)["begun"].get<double>();
	});
	for (const Json *service : services)
		if (rows.size() <= most)
			rows.push_back(row_of((*service)["listen"], *service));
	std::string table = format_table(rows);
	if (services.size() > most)
		table += fmt::format("and {} more\n", services.size() - most);
	return table;
}

/* The rates of each outcome and reason, the most frequent first. */
std::string kinds_table(const char *heading, const Json &rates)
{
	std::vector<std::pair<std::string, double>> kinds;
	std::vector<Row> rows = { { heading, "PER SECOND" } };

	for (const auto &[name, rate] : rates.items())
		kinds.emplace_back(name, rate.get<double>());
	std::stable_sort(kinds.begin(), kinds.end(),
			 [](const auto &a, const auto &b) { return a.second > b.second; });
	for (const auto &[name, rate] : kinds)
		rows.push_back({ name, rate_text(rate) });
	return kinds.empty() ? "" : "\n" + format_table(rows);
}

/* Colours the headings of tables, and lines that say that something is wrong. */
std::string colour(const std::string &text)
{
	std::string out;

	for (size_t at = 0; at < text.size();) {
		size_t end = text.find('\n', at);
		std::string line = text.substr(at, end - at);
		bool heading = line.starts_with("SERVICE") || line.ends_with("PER SECOND");
		bool wrong = line.find("agent stopped") != line.npos;

		out += heading ? bold + line + plain : wrong ? red + line + plain : line;
		out += '\n';
		at = end + 1;
	}
	return out;
}

std::string to_text(const Json &out, bool is_screen, size_t rows)
{
	const Json &total = out["total"];
	std::string text = fmt::format(
		"{}  agent {}  over {:.1f} s{}\nconnections: {} live, {} waiting; {} begun/s, {} "
		"accepted/s, {} refused/s\n\n",
		out["time"].get<std::string>().substr(0, 19), out["agent"].get<std::string>(),
		out["seconds"].get<double>(), is_screen ? "  (q ends)" : "",
		out["connections"].dump(), total["pending"].dump(), rate_text(total["begun"]),
		rate_text(total["accepted"]), rate_text(total["refused"]));

	/* half of a screen is for what happens of each kind */
	text += services_table(out, is_screen ? std::max<size_t>(rows / 2, 5) - 4 : SIZE_MAX);
	text += kinds_table("OUTCOME", total["outcomes"]);
	text += kinds_table("SPOKEN WITHOUT A HEADER", total["no_header"]);
	text += kinds_table("LEFT BY THE HANDSHAKE ENGINE", total["left_by_handshake"]);
	text += kinds_table("COUNTER", total["counters"]);
	return text;
}

std::string frame(const Json &out, const ViewOptions &options, const Terminal &terminal)
{
	if (options.json)
		return out.dump() + "\n";
	if (out.contains("error"))
		return out["error"].get<std::string>() + "\n";
	std::string text = to_text(out, terminal.is_screen(), terminal.size().rows);
	if (!terminal.is_screen())
		text += "\n";
	return wants_colours() ? colour(text) : text;
}

Status show_once(const ViewOptions &options, std::chrono::duration<double> interval)
{
	CountSample before = TP_TRY(read_counts(options.pin_dir));

	std::this_thread::sleep_for(interval);
	CountSample after = TP_TRY(read_counts(options.pin_dir));
	Json out = rates_between(before, after);
	std::string text = options.json ? out.dump() + "\n" : to_text(out, false, 0);
	fmt::print("{}", wants_colours() && !options.json ? colour(text) : text);
	return flush_output();
}

/* Goes on while there is no agent, and when the next one starts. */
Status show_live(const ViewOptions &options, Clock::duration interval)
{
	CountSample before = TP_TRY(read_counts(options.pin_dir));
	Terminal terminal = TP_TRY(Terminal::open(!options.json));
	Json out = { { "error", "counting ..." } };
	Clock::time_point next = Clock::now() + interval;

	if (terminal.is_screen())
		TP_TRY(terminal.show(frame(out, options, terminal)));
	for (;;) {
		Terminal::Event event = terminal.wait(next);

		if (event == Terminal::Event::end)
			return success();
		if (event == Terminal::Event::time) {
			Result<CountSample> after = read_counts(options.pin_dir);

			next = std::max(next + interval, Clock::now());
			out = after ? rates_between(before, *after) :
				      Json{ { "error", after.error().text() } };
			before = after ? *after : CountSample{};
		} else if (!terminal.is_screen()) {
			continue;
		}
		if (!terminal.show(frame(out, options, terminal)))
			return success(); /* nobody reads any more */
	}
}

} // namespace

Status show_top(const ViewOptions &options, const TopOptions &how)
{
	std::chrono::duration<double> interval(how.interval);

	return how.once ? show_once(options, interval) :
			  show_live(options, std::chrono::duration_cast<Clock::duration>(interval));
}

} // namespace tp
