// SPDX-License-Identifier: BSD-2-Clause
#include "stand.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "client.h"

namespace peers
{

using bench::Board;

namespace
{

constexpr uint64_t second = 1'000'000'000;
constexpr uint64_t warm_up = second / 20;
constexpr uint16_t public_port = 8080, inner_port = 8081;
/* the CPUs that --pin uses */
constexpr unsigned host_cpu = 0, client_cpu = 1;
/* The load balancer has many addresses, so that no run meets an earlier run's TIME_WAIT sockets. */
constexpr unsigned sources = 128;

std::string source_address(unsigned n)
{
	return fmt::format("10.77.0.{}", 2 + n % sources);
}

Status add_sources(const bench::Ground &ground)
{
	std::string lines;

	for (unsigned n = 1; n < sources; n++)
		lines += fmt::format("address add {}/24 dev tp1\n", source_address(n));
	return bench::run_ip(ground.client(), lines);
}

struct Snapshot {
	uint64_t time, done;
	bench::CpuTimes cpu;
};

Snapshot look(const Board &board, const std::vector<pid_t> &processes)
{
	Snapshot now = {};

	now.cpu = bench::cpu_times(processes);
	now.done = board.done.load(std::memory_order_acquire);
	now.time = bench::now_ns();
	return now;
}

double percentile(const std::vector<uint32_t> &sorted, double part)
{
	return sorted.empty() ? 0 : sorted[(size_t)(part * (double)(sorted.size() - 1))];
}

Values values_of(const Board &board, const Snapshot &begin, const Snapshot &end, Server server,
		 unsigned load)
{
	double done = (double)(end.done - begin.done);
	uint64_t cpu =
		end.cpu.processes - begin.cpu.processes + end.cpu.softirqs - begin.cpu.softirqs;
	std::vector<uint32_t> times(board.samples + std::min(begin.done, bench::max_samples),
				    board.samples + std::min(end.done, bench::max_samples));
	Values values;

	std::sort(times.begin(), times.end());
	for (const Metric &metric : metrics) {
		if (metric.load != load)
			continue;
		double &value = values[metric.name];

		switch (metric.kind) {
		case Kind::rate:
			value = done * requests_of(server) * 1e9 / (double)(end.time - begin.time);
			break;
		case Kind::first_byte:
			value = percentile(times, 0.5) / 1e3;
			break;
		case Kind::first_byte_late:
			value = percentile(times, 0.99) / 1e3;
			break;
		case Kind::cpu:
			value = (double)cpu / done / 1e3;
			break;
		}
	}
	return values;
}

} // namespace

/* Starts the program in the host's network namespace, and returns when it listens. */
Result<Child> Stand::launch(const Program &program, const std::string &cgroup, uint16_t port)
{
	Fd config = TP_TRY(bench::memory_file(program.config));
	Fd output = TP_TRY(bench::memory_file(""));
	std::string path = fmt::format("/proc/{}/fd/{}", getpid(), config.get());
	std::vector<std::string> command = program.command;

	std::replace(command.begin(), command.end(), std::string("CONFIG"), path);
	Child child = TP_TRY(Child::start([&] {
		std::vector<char *> list;

		for (std::string &argument : command)
			list.push_back(argument.data());
		list.push_back(nullptr);
		if (!bench::enter_cgroup(cgroup) || setns(ground_.server(), CLONE_NEWNET) ||
		    dup2(output.get(), 1) < 0 || dup2(output.get(), 2) < 0)
			return;
		if (options_->pin)
			bench::pin_to_cpu(host_cpu);
		execvp(list[0], list.data());
		dprintf(2, "%s: %s\n", list[0], std::strerror(errno));
		_exit(127);
	}));
	bench::eventually([&] { return bench::listens(child.pid(), port) || !child.running(); },
			  20 * second);
	if (!child.running() || !bench::listens(child.pid(), port))
		return bench::failed("start server",
				     command[0] + " does not listen: " + bench::content_of(output));
	files_.push_back(std::move(config));
	files_.push_back(std::move(output));
	return child;
}

Status Stand::start_agent()
{
	Fd output = TP_TRY(bench::memory_file(""));
	std::string service = fmt::format("{}:{}", ground_.server_address(), public_port);
	/* the sender engine must see the load balancer's own sockets */
	std::string cgroup = place_.agent_cgroup(
		variant_ == Variant::sender ? bench::Variant::sender : bench::Variant::plain);
	Result<Child> child = Child::execute(
		{ options_->truepeer, "run", "--engine", name_of(variant_), "--listen", service,
		  "--trust", ground_.network(), "--cgroup", cgroup, "--pin-dir", place_.pin_dir() },
		ground_.server(), -1, output.get());

	agent_ = TP_TRY(bench::Agent::started(std::move(child), std::move(output)));
	return success();
}

Status Stand::start(Servers &servers)
{
	std::string folder =
		fmt::format("{}/{}-{}", servers.folder(), name_of(server_), name_of(variant_));
	unsigned workers = options_->pin ? 1 : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	bool second_hop = is_second_hop(variant_);
	Site site = { ground_.server_address(),
		      public_port,
		      ground_.network(),
		      folder,
		      workers,
		      inner_port };
	Site inner = site;
	std::error_code error;

	std::filesystem::create_directories(folder, error);
	if (error)
		return system_error("make directory", folder, error.value());
	hop_cgroup_ = TP_TRY(place_.make_cgroup("hop"));
	if (second_hop) {
		inner.address = "127.0.0.1";
		inner.port = inner_port;
	}
	Program server = TP_TRY(servers.server(server_, variant_, inner));
	server_process_ = TP_TRY(launch(server, place_.server_cgroup(), inner.port));
	if (second_hop) {
		Program hop = TP_TRY(servers.hop(variant_, site));
		hop_process_ = TP_TRY(launch(hop, hop_cgroup_, public_port));
	}
	if (is_truepeer(variant_))
		return start_agent();
	return success();
}

Result<Stand> Stand::make(const Options &options, const bench::Place &place, Servers &servers,
			  Server server, Variant variant)
{
	std::string name = fmt::format("{}-{}", name_of(server), name_of(variant));
	bench::Place own = TP_TRY(place.part(name));
	/* every network namespace may use Reno */
	bench::Ground ground = TP_TRY(bench::Ground::make(bench::Topology::veth, "reno"));
	Stand stand(options, std::move(own), std::move(ground), server, variant);

	TP_TRY(add_sources(stand.ground_));
	TP_TRY(stand.start(servers));
	return stand;
}

Status Stand::stop()
{
	/* a server that SIGTERM ends waits for its workers */
	for (Child *child : { &hop_process_, &server_process_ })
		child->signal(SIGTERM);
	for (Child *child : { &hop_process_, &server_process_ })
		child->wait(second);
	place_.kill_all();
	hop_process_.kill();
	server_process_.kill();
	return agent_ ? agent_->stop(place_) : success();
}

/* The processes whose CPU time counts: the client, all in the cgroups, and the agent. */
std::vector<pid_t> Stand::processes(const Child &client) const
{
	std::vector<pid_t> found = { client.pid() };

	for (const std::string &cgroup : { place_.server_cgroup(), hop_cgroup_ }) {
		std::ifstream file(cgroup + "/cgroup.procs");
		pid_t pid;

		while (file >> pid)
			found.push_back(pid);
	}
	if (agent_)
		found.push_back(agent_->pid());
	return found;
}

Result<Values> Stand::measure(bench::SharedBoard &shared, unsigned in_flight, double seconds)
{
	Board &board = shared.fresh();
	Target target = {
		server_,  variant_, ground_.server_address(), public_port, source_address(runs_++),
		in_flight
	};
	Child client = TP_TRY(Child::start([&] {
		if (!bench::enter_cgroup(place_.client_cgroup()) ||
		    setns(ground_.client(), CLONE_NEWNET)) {
			board.fail("client", "cannot enter its cgroup and network namespace");
			return;
		}
		if (options_->pin)
			bench::pin_to_cpu(client_cpu);
		load(board, target);
	}));
	std::vector<pid_t> all = processes(client);
	auto trouble = [&] { return board.failed || !client.running(); };

	bench::eventually([&] { return board.done > 0 || trouble(); }, 10 * second);
	if (!trouble())
		bench::sleep_ns(std::min(warm_up, (uint64_t)(seconds * 2e8)));
	Snapshot begin = look(board, all);
	bench::sleep_ns((uint64_t)(seconds * 1e9));
	/* on a machine that does other work, nothing may have come through yet */
	bench::eventually([&] { return board.done != begin.done || trouble(); }, 10 * second);
	Snapshot end = look(board, all);
	bool broken = trouble();

	board.stop = true;
	if (!client.wait(10 * second) && !board.failed)
		board.fail("client", "it does not end");
	if (board.failed)
		return bench::failed("run client", board.failure);
	if (broken || bench::interrupted())
		return bench::failed("run client", "it has died");
	if (end.done == begin.done)
		return bench::failed("run client", "nothing came through in the measured time");
	return values_of(board, begin, end, server_, in_flight);
}

} // namespace peers
