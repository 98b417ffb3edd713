// SPDX-License-Identifier: BSD-2-Clause
#include "site.h"

#include <arpa/inet.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "tools/bench/hooks.h"
#include "tools/bench/wire.h"

namespace scale
{

using bench::Board;
using bench::CellResult;
using bench::Child;
using bench::Error;
using bench::Fd;
using bench::Result;
using bench::Status;
using bench::success;

static constexpr uint64_t patience = 120'000'000'000; /* ns that a command may take */
static constexpr uint16_t service_port = 8080;
static constexpr uint16_t first_other_service = 2000;
static constexpr uint32_t default_connections = 240000;

static const bench::Cell connections = { "connections", bench::Work::connections, 1 };

static double seconds_since(uint64_t start)
{
	return (double)(bench::now_ns() - start) / 1e9;
}

/* Only the first service is used. It has two ports: one is measured, one has held connections. */
static std::vector<std::string> services(const bench::Ground &ground, uint32_t count)
{
	std::vector<std::string> list = { fmt::format("{}:{}-{}", ground.server_address(),
						      service_port, held_port) };

	for (uint32_t n = 1; n < count; n++)
		list.push_back(
			fmt::format("{}:{}", ground.server_address(), first_other_service + n));
	return list;
}

/*
 * Networks all over the address space. One in four is a /24, the others are single addresses, and
 * none has the address of a measured connection.
 */
static std::string networks(uint32_t count)
{
	uint32_t origin = ntohl(bench::endpoint(bench::origin_address, 0).sin_addr.s_addr);
	std::set<std::string> list;
	std::string text;

	for (uint32_t n = 1; list.size() < count; n++) {
		uint32_t address = n * 2654435761U, first = address >> 24;

		if (first == 0 || first == 127 || first >= 224 || (address ^ origin) < 256)
			continue;
		uint32_t network = n % 4 ? address : address & ~255U;
		list.insert(fmt::format("{}.{}.{}.{}/{}", network >> 24, network >> 16 & 255,
					network >> 8 & 255, network & 255, n % 4 ? 32 : 24));
	}
	for (const std::string &network : list)
		text += network + "\n";
	return text;
}

Result<Site> Site::make(const Options &options, const bench::Place &all, bench::SharedBoard &board,
			unsigned number, const Spec &spec)
{
	Result<bench::Place> place = all.part(fmt::format("{:03}", number));
	Result<bench::Ground> ground =
		bench::Ground::make(bench::Topology::loopback, options.bench.congestion_control);

	if (!place || !ground)
		return place ? ground.error() : place.error();
	Site site(spec, std::move(*place), std::move(*ground));
	Status done = site.has_agent() ? site.start_agent(options) : success();
	if (done)
		done = site.fill(options, board);
	if (done)
		return site;
	(void)bool(site.end()); /* only the first error is reported */
	return done.error();
}

Status Site::start_agent(const Options &options)
{
	std::vector<std::string> arguments = { options.bench.truepeer,
					       "run",
					       "--engine",
					       bench::name_of(spec_.variant),
					       "--trust",
					       ground_.network(),
					       "--cgroup",
					       place_.server_cgroup(),
					       "--pin-dir",
					       place_.pin_dir() };
	Result<Fd> output = bench::memory_file("");
	uint64_t start = bench::now_ns();

	if (!output)
		return output.error();
	for (const std::string &service : services(ground_, spec_.services()))
		arguments.insert(arguments.end(), { "--listen", service });
	if (spec_.held() >= default_connections)
		arguments.insert(arguments.end(),
				 { "--max-connections", std::to_string(spec_.held() + 1000) });
	Result<Child> child =
		spec_.variant == Variant::hooks ?
			bench::start_hooks(place_, ground_, *output) :
			Child::execute(arguments, ground_.server(), -1, output->get());
	Result<bench::Agent> agent = bench::Agent::started(std::move(child), std::move(*output));
	if (!agent)
		return agent.error();
	agent_ = std::move(*agent);
	start_seconds_ = seconds_since(start);
	return success();
}

/* Runs the command with this standard input, and returns its output. */
Result<std::string> Site::command(const std::vector<std::string> &arguments,
				  const std::string &input) const
{
	Result<Fd> in = bench::memory_file(input), out = bench::memory_file("");

	if (!in || !out)
		return in ? out.error() : in.error();
	Result<Child> child = Child::execute(arguments, ground_.server(), in->get(), out->get());
	if (!child)
		return child.error();
	if (child->wait(patience) != 0)
		return bench::failed("run truepeer", bench::content_of(*out));
	return bench::content_of(*out);
}

Status Site::deny(const Options &options) const
{
	Result<std::string> done = command({ options.bench.truepeer, "deny", "add", "--file", "-",
					     "--pin-dir", place_.pin_dir() },
					   networks(spec_.denied()));

	return done ? success() : Status(done.error());
}

/* Checks that truepeer serves all of the held connections. */
Status Site::check_live(const Options &options) const
{
	Result<std::string> text = command(
		{ options.bench.truepeer, "status", "--json", "--pin-dir", place_.pin_dir() }, "");

	if (!text)
		return text.error();
	std::string line = fmt::format("\"connections\":{},", spec_.held());
	if (text->find(line) == std::string::npos)
		return bench::failed("hold connections",
				     "`truepeer status` shows another number of them");
	return success();
}

Status Site::fill(const Options &options, bench::SharedBoard &board)
{
	uint64_t start = bench::now_ns();
	Result<Held> held = Held::start(board, place_, ground_, spec_.variant, options.bench.header,
					spec_.held());
	Status done = success();

	if (!held)
		return held.error();
	held_ = std::move(*held);
	if (is_served() && spec_.held())
		done = check_live(options);
	if (done && is_served() && spec_.denied())
		done = deny(options);
	fill_seconds_ = seconds_since(start);
	return done;
}

Result<CellResult> Site::measure(const Options &options, bench::SharedBoard &shared,
				 unsigned round) const
{
	Board &board = shared.fresh();
	bench::Job job = {
		connections,          spec_.variant,
		service_port,         service_port,
		service_port,         options.bench.pin,
		options.bench.header, fmt::format("127.0.{}.{}", 1 + round / 250, 1 + round % 250)
	};
	Result<Child> server = bench::start_server(board, place_, ground_, job);

	if (!server)
		return server.error();
	std::vector<pid_t> processes = { server->pid() };
	if (has_agent())
		processes.push_back(agent_.pid());
	return bench::run_client(options.bench, place_, ground_, board, job, processes);
}

Status Site::end()
{
	held_.end();
	/* after 240,000 connections, an agent has taken more than ten seconds */
	if (agent_.pid() > 0)
		return agent_.stop(place_, 60);
	return place_.clear_pins();
}

} // namespace scale
