// SPDX-License-Identifier: BSD-2-Clause
#include "cell.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include <fmt/core.h>

#include "agent.h"
#include "client.h"
#include "hooks.h"
#include "server.h"

namespace bench
{

namespace
{

/* The address of HAProxy's client, which differs from HAProxy's own. */
constexpr const char *haproxy_client = "127.0.0.9";
constexpr uint64_t second = 1'000'000'000;
constexpr uint64_t warm_up = second / 10;

/* Starts `truepeer run` for one cell, or the programs that do nothing. */
Result<Agent> start_agent(const Options &options, const Place &place, const Ground &ground,
			  const Job &job)
{
	std::string service = fmt::format("{}:{}", ground.server_address(), job.service_port);
	Result<Fd> output = memory_file("");

	if (!output)
		return output.error();
	Result<Child> child =
		job.variant == Variant::hooks ?
			start_hooks(place, ground, *output) :
			Child::execute({ options.truepeer, "run", "--engine", name_of(job.variant),
					 "--listen", service, "--trust", ground.network(),
					 "--cgroup", place.agent_cgroup(job.variant), "--pin-dir",
					 place.pin_dir() },
				       ground.server(), -1, output->get());
	return Agent::started(std::move(child), std::move(*output));
}

/* Starts HAProxy in front of the server; the client connects to HAProxy. */
Result<Child> start_haproxy(const Place &place, const Ground &ground, const Job &job)
{
	Result<Fd> config =
		memory_file(fmt::format("global\n nbthread 1\n"
					"defaults\n mode tcp\n timeout connect 5s\n timeout client "
					"20s\n timeout server 20s\n"
					"listen l\n bind {0}:{1}\n server s {0}:{2}{3}\n",
					ground.server_address(), job.client_port, job.port,
					!sends_header(job.variant) ? "" :
					job.header == Header::v1   ? " send-proxy" :
								     " send-proxy-v2"));

	if (!config)
		return config.error();
	Result<Child> child = Child::start([&] {
		std::string path = fmt::format("/proc/self/fd/{}", config->get());

		fcntl(config->get(), F_SETFD, 0);
		if (!enter_cgroup(place.client_cgroup()) || setns(ground.server(), CLONE_NEWNET))
			return;
		execlp("haproxy", "haproxy", "-q", "-db", "-f", path.c_str(), nullptr);
	});
	if (!child)
		return child.error();
	auto listens = [&] { return bench::listens(child->pid(), job.client_port); };
	if (!eventually([&] { return listens() || !child->running(); }, 10 * second) || !listens())
		return Error{ tp::ErrorCode::incompatible, "start", "haproxy", "it does not listen",
			      "tools/deps installs it" };
	return child;
}

/* ---- measuring ------------------------------------------------------------- */

struct Snapshot {
	uint64_t time, done, bytes, packets;
	CpuTimes cpu;
	ProgramTimes programs;
};

uint64_t packets_in(pid_t process, const std::string &interface)
{
	std::ifstream file(fmt::format("/proc/{}/net/dev", process));
	std::string line, name;

	while (std::getline(file, line)) {
		std::istringstream fields(line);
		uint64_t bytes = 0, packets = 0;

		if (fields >> name >> bytes >> packets && name == interface + ":")
			return packets;
	}
	return 0;
}

double percentile(std::vector<uint32_t> &samples, double part)
{
	if (samples.empty())
		return 0;
	auto at = samples.begin() + (ptrdiff_t)(part * (double)(samples.size() - 1));

	std::nth_element(samples.begin(), at, samples.end());
	return *at;
}

class Measurement
{
public:
	Measurement(const Board &board, const Cell &cell, std::vector<pid_t> processes)
	    : board_(board), cell_(cell), processes_(std::move(processes))
	{
	}

	/* Whether all of the client's connections have begun to transfer. */
	bool started() const
	{
		if (cell_.work == Work::connections || cell_.work == Work::round_trips)
			return board_.done > 0;
		for (unsigned i = 0; i < cell_.streams; i++)
			if (!board_.slots[i].bytes)
				return false;
		return true;
	}

	/* processes: server, client and, where there is one, the agent */
	Snapshot look(const Ground &ground) const
	{
		Snapshot now = {};

		if (processes_.size() > 2)
			now.programs = program_times(processes_[2]);
		now.packets = packets_in(processes_[0], ground.interface());
		now.cpu = cpu_times(processes_);
		now.bytes = board_.bytes();
		now.done = board_.done.load(std::memory_order_acquire);
		now.time = now_ns();
		return now;
	}

	bool is_ahead_of(const Snapshot &then) const
	{
		return board_.done != then.done || board_.bytes() != then.bytes;
	}

	Values values(const Snapshot &begin, const Snapshot &end) const;

private:
	const Board &board_;
	const Cell &cell_;
	std::vector<pid_t> processes_;
};

Values Measurement::values(const Snapshot &begin, const Snapshot &end) const
{
	double time = (double)(end.time - begin.time), done = (double)(end.done - begin.done);
	auto each = [&](uint64_t CpuTimes::*part) {
		return (double)(end.cpu.*part - begin.cpu.*part) / done / 1e3;
	};

	if (cell_.work == Work::upload || cell_.work == Work::download)
		return { { cell_.name, (double)(end.bytes - begin.bytes) * 8 / time } };
	std::vector<uint32_t> latencies(board_.samples + std::min<size_t>(begin.done, max_samples),
					board_.samples + std::min<size_t>(end.done, max_samples));

	if (cell_.work == Work::round_trips)
		return { { "round-trip-p50", percentile(latencies, 0.5) / 1e3 },
			 { "round-trip-p99", percentile(latencies, 0.99) / 1e3 } };
	return { { "connection-rate", done * 1e9 / time },
		 { "first-byte-p50", percentile(latencies, 0.5) / 1e3 },
		 { "cpu", each(&CpuTimes::processes) + each(&CpuTimes::softirqs) },
		 { "cpu-processes", each(&CpuTimes::processes) },
		 { "cpu-machine", each(&CpuTimes::machine) } };
}

ProgramTimes difference(const ProgramTimes &begin, const ProgramTimes &end)
{
	ProgramTimes result;

	for (const auto &[name, time] : end) {
		auto before = begin.find(name);
		ProgramTime zero, start = before == begin.end() ? zero : before->second;

		result[name] = { time.runs - start.runs, time.ns - start.ns };
	}
	return result;
}

/* Measures while everything runs. */
Result<CellResult> measure(const Options &options, const Ground &ground, Board &board,
			   Child &client, const Measurement &measurement)
{
	auto trouble = [&] { return board.failed || !client.running(); };

	eventually([&] { return measurement.started() || trouble(); }, 10 * second);
	if (!measurement.started() && !trouble())
		return failed("run client", "nothing came through within 10 seconds");
	if (!trouble())
		sleep_ns(std::min(warm_up, (uint64_t)(options.seconds * 5e8)));
	Snapshot begin = measurement.look(ground);
	sleep_ns((uint64_t)(options.seconds * 1e9));
	/* on a machine that does other work, nothing may have come through yet */
	eventually([&] { return measurement.is_ahead_of(begin) || trouble(); }, 10 * second);
	Snapshot end = measurement.look(ground);
	bool broken = trouble();

	board.stop = true;
	if (!client.wait(10 * second) && !board.failed)
		board.fail("client", "it does not end");
	if (board.failed)
		return failed("run client", board.failure);
	if (broken || interrupted())
		return failed("run client", "it has died");
	if (end.done == begin.done && end.bytes == begin.bytes)
		return failed("run client", "nothing came through in the measured time");
	return CellResult{ measurement.values(begin, end), board.again,
			   difference(begin.programs, end.programs), end.done - begin.done,
			   end.packets - begin.packets };
}

} // namespace

Result<Child> start_server(Board &board, const Place &place, const Ground &ground, const Job &job)
{
	Result<Child> server = Child::start([&] { serve(board, place, ground, job); });

	if (!server)
		return server.error();
	auto settled = [&] { return board.serving || board.failed || !server->running(); };
	eventually(settled, 10 * second);
	if (!board.serving || board.failed)
		return failed("start server", board.failed ? board.failure : "it does not listen");
	return server;
}

Result<CellResult> run_client(const Options &options, const Place &place, const Ground &ground,
			      Board &board, const Job &job, std::vector<pid_t> processes)
{
	Result<Child> client = Child::start([&] { load(board, place, ground, job); });

	if (!client)
		return client.error();
	processes.insert(processes.begin() + 1, client->pid());
	return measure(options, ground, board, *client, Measurement(board, job.cell, processes));
}

Result<CellResult> run_cell(const Options &options, const Place &place, Ground &ground,
			    SharedBoard &shared, const Cell &cell, Variant variant)
{
	Board &board = shared.fresh();
	uint16_t port = ground.fresh_port();
	bool with_haproxy = ground.topology() == Topology::haproxy;
	Job job = { cell,
		    variant,
		    port,
		    (uint16_t)(cell.other_port ? port + 1 : port),
		    (uint16_t)(cell.other_port || with_haproxy ? port + 1 : port),
		    options.pin,
		    options.header,
		    with_haproxy ? haproxy_client : "" };
	Agent agent;
	Child haproxy;

	Result<Child> server = start_server(board, place, ground, job);
	if (!server)
		return server.error();
	std::vector<pid_t> processes = { server->pid() };
	if (has_programs(variant)) {
		Result<Agent> started = start_agent(options, place, ground, job);

		if (!started) {
			(void)bool(place.clear_pins());
			return started.error();
		}
		agent = std::move(*started);
		processes.push_back(agent.pid());
	}
	if (with_haproxy) {
		Result<Child> started = start_haproxy(place, ground, job);

		if (!started) {
			if (has_programs(variant))
				(void)bool(agent.stop(place));
			return started.error();
		}
		haproxy = std::move(*started);
		processes.push_back(haproxy.pid());
	}
	Result<CellResult> result = run_client(options, place, ground, board, job, processes);
	/* all connections must have ended before the agent stops */
	haproxy.kill();
	server->kill();
	if (has_programs(variant)) {
		Status stopped = agent.stop(place);

		if (result && !stopped)
			return stopped.error();
	}
	return result;
}

} // namespace bench
