// SPDX-License-Identifier: BSD-2-Clause
/*
 * Measures how long it takes to ask for the real peer by getsockopt() and by the library, and what
 * --getsockopt costs getsockopt() calls on other sockets: without truepeer, outside the cgroup that
 * it answers, and inside it.  Run it as root, by `make lookups`.
 *
 * Rounds without and with an agent take turns, and each figure is the median of its rounds.
 */
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <truepeer/sockopt.h>
#include <truepeer/truepeer.h>

#include "tools/bench/place.h"

namespace
{

using bench::Child;
using bench::Error;
using bench::Fd;
using bench::Place;
using bench::Result;
using bench::Status;
using bench::success;
using bench::system_error;

constexpr uint16_t service_port = 8080, other_port = 8081;
constexpr size_t header_size = 536;
constexpr int most_threads = 2;

struct Pair {
	Fd listener, client, server;
};

/* The connections that are asked about. */
struct Asked {
	Pair service[most_threads]; /* a connection of the service for each thread */
	Pair below, beside; /* connections of no service: inside and outside the answered cgroup */
	truepeer_handle *handle = nullptr;
	uint64_t cookies[most_threads] = {};
};
Asked asked;

/* ---- connections ------------------------------------------------------------------ */

Result<Pair> connect_to(uint16_t port, const std::string &first)
{
	sockaddr_in address = {};
	int yes = 1;
	Pair pair;

	address.sin_family = AF_INET;
	address.sin_port = htons(port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	pair.listener = Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	pair.client = Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	setsockopt(pair.listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(pair.listener.get(), (sockaddr *)&address, sizeof(address)) ||
	    listen(pair.listener.get(), 8) ||
	    connect(pair.client.get(), (sockaddr *)&address, sizeof(address)) ||
	    send(pair.client.get(), first.data(), first.size(), 0) != (ssize_t)first.size())
		return system_error("connect", fmt::format("to port {}", port));
	pair.server = Fd(accept4(pair.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
	if (!pair.server)
		return system_error("accept", fmt::format("on port {}", port));
	return pair;
}

/* A header of version 2 for TCP over IPv4, filled up by one TLV. */
std::string header()
{
	std::string bytes("\r\n\r\n\0\r\nQUIT\n\x21\x11", 14);
	size_t value = header_size - 16 - 12 - 3;

	bytes += { (char)((header_size - 16) >> 8), (char)(header_size - 16) };
	bytes += std::string("\xcb\0\x71\x09\xc6\x33\x64\x01\x10\x92\x01\xbb", 12);
	bytes += { '\xe1', (char)(value >> 8), (char)value };
	return bytes + std::string(value, 'x');
}

/* ---- benchmarks --------------------------------------------------------------------- */

template <typename Call> void measure(benchmark::State &state, Call call)
{
	static constexpr size_t samples = 20000;
	std::vector<uint64_t> times;

	for (auto _ : state)
		if (!call())
			state.SkipWithError("not answered");
	if (state.thread_index() != 0)
		return;
	for (size_t i = 0; i < samples; i++) {
		uint64_t before = bench::now_ns();

		call();
		times.push_back(bench::now_ns() - before);
	}
	std::nth_element(times.begin(), times.begin() + samples * 99 / 100, times.end());
	state.counters["p99"] = (double)times[samples * 99 / 100];
}

bool get(int fd, int level, int name, socklen_t room)
{
	char buffer[4096];

	return getsockopt(fd, level, name, buffer, &room) == 0;
}

truepeer_peer empty_peer()
{
	truepeer_peer peer;

	peer.size = sizeof(peer);
	return peer;
}

void add_option(const std::string &name, const Fd &fd, int level, int option, socklen_t room)
{
	benchmark::RegisterBenchmark(name.c_str(), [&fd, level, option, room](auto &state) {
		measure(state, [&] { return get(fd.get(), level, option, room); });
	});
}

void add_others(const std::string &where, const Fd &fd)
{
	add_option(where + "/SO_ERROR", fd, SOL_SOCKET, SO_ERROR, 4);
	add_option(where + "/TCP_NODELAY", fd, IPPROTO_TCP, TCP_NODELAY, 4);
	add_option(where + "/TCP_INFO", fd, IPPROTO_TCP, TCP_INFO, 248);
}

void add_lookups(int threads)
{
	std::string name = fmt::format("with/{} thread{}: ", threads, threads > 1 ? "s" : "");
	auto add = [&](const char *what, auto call) {
		benchmark::RegisterBenchmark(
			(name + what).c_str(),
			[call](auto &state) {
				measure(state, [&] { return call(state.thread_index()); });
			})
			->Threads(threads)
			->UseRealTime();
	};
	auto option = [&](const char *what, int number, socklen_t room) {
		add(what, [number, room](int thread) {
			return get(asked.service[thread].server.get(), SOL_TRUEPEER, number, room);
		});
	};

	option("getsockopt, origin", TRUEPEER_ORIGIN, 16);
	option("getsockopt, info", TRUEPEER_INFO, TRUEPEER_INFO_SIZE);
	option("getsockopt, header of 536", TRUEPEER_HEADER, 1024);
	add("library, by cookie", [](int thread) {
		truepeer_peer peer = empty_peer();

		return truepeer_lookup_cookie(asked.handle, asked.cookies[thread], &peer) ==
		       TRUEPEER_OK;
	});
	add("library, by descriptor", [](int thread) {
		truepeer_peer peer = empty_peer();

		return truepeer_lookup_fd(asked.handle, asked.service[thread].server.get(),
					  &peer) == TRUEPEER_OK;
	});
	add("library, header of 536", [](int thread) {
		char buffer[16384];
		size_t size = sizeof(buffer);

		return truepeer_get_header(asked.handle, asked.cookies[thread], buffer, &size) ==
		       TRUEPEER_OK;
	});
}

/* Collects the figures of all rounds and prints their medians at the end. */
class Collector : public benchmark::BenchmarkReporter
{
public:
	bool ReportContext(const Context & /*context*/) override { return true; }
	void ReportRuns(const std::vector<Run> &runs) override
	{
		for (const Run &run : runs) {
			std::string name = run.run_name.function_name;

			if (run.error_occurred)
				fmt::print("{}: {}\n", name, run.error_message);
			if (!times_.count(name))
				names_.push_back(name);
			/* the elapsed time divided by the number of calls of all threads */
			times_[name].push_back(run.GetAdjustedRealTime());
			p99_[name].push_back(run.counters.at("p99").value);
		}
	}
	void print()
	{
		fmt::print("{:<48}{:>10}{:>12}{:>10}\n", "median of the rounds", "ns", "a second",
			   "p99, ns");
		for (const std::string &name : names_) {
			double ns = median(times_[name]);

			fmt::print("{:<48}{:>10.0f}{:>12.0f}{:>10.0f}\n", name, ns, 1e9 / ns,
				   median(p99_[name]));
		}
	}

private:
	static double median(std::vector<double> &all)
	{
		std::sort(all.begin(), all.end());
		return all[all.size() / 2];
	}

	std::vector<std::string> names_;
	std::map<std::string, std::vector<double>> times_, p99_;
};

/* ---- rounds ---------------------------------------------------------------------- */

Result<Child> start_agent(const Place &place, const std::string &truepeer, const Fd &output)
{
	std::string all = place.agent_cgroup(bench::Variant::sender);
	Result<Child> agent = Child::execute(
		{ truepeer, "run", "--listen", fmt::format("127.0.0.1:{}", service_port), "--trust",
		  "127.0.0.0/8", "--cgroup", all, "--getsockopt=" + place.server_cgroup(),
		  "--pin-dir", place.pin_dir() },
		-1, -1, output.get());

	if (agent &&
	    !bench::eventually([&] { return bench::content_of(output).starts_with("ready"); },
			       20'000'000'000))
		return Error{ tp::ErrorCode::system, "start", truepeer, bench::content_of(output) };
	return agent;
}

/* Makes connections of the service, which end before the agent does. */
Status open_services(const Place &place)
{
	for (int i = 0; i < most_threads; i++) {
		socklen_t size = sizeof(asked.cookies[i]);

		asked.service[i] = {};
		Result<Pair> pair = connect_to(service_port, header() + "hello");
		if (!pair)
			return pair.error();
		asked.service[i] = std::move(*pair);
		asked.service[i].listener = {};
		if (getsockopt(asked.service[i].server.get(), SOL_SOCKET, SO_COOKIE,
			       &asked.cookies[i], &size))
			return system_error("ask for", "SO_COOKIE");
	}
	if (truepeer_open(place.pin_dir().c_str(), &asked.handle))
		return system_error("open", place.pin_dir());
	return success();
}

Status run_round(const Place &place, const std::string &truepeer, Collector &collector)
{
	Result<Fd> output = bench::memory_file("");

	if (!output)
		return output.error();
	benchmark::RunSpecifiedBenchmarks(&collector, "^without/");
	Result<Child> agent = start_agent(place, truepeer, *output);
	if (!agent)
		return agent.error();
	Status done = open_services(place);
	if (!done)
		return done;
	benchmark::RunSpecifiedBenchmarks(&collector, "^(with|below|beside)/");
	truepeer_close(asked.handle);
	for (Pair &pair : asked.service)
		pair = {};
	agent->signal(SIGTERM);
	if (agent->wait(20'000'000'000) != 0)
		return Error{ tp::ErrorCode::system, "stop", truepeer, bench::content_of(*output) };
	return success();
}

Status run_all(const std::string &truepeer, int rounds)
{
	Result<Place> place = Place::make();

	if (!place)
		return place.error();
	Result<bench::Ground> ground = bench::Ground::make(bench::Topology::loopback, "reno");
	if (!ground)
		return ground.error();
	if (setns(ground->server(), CLONE_NEWNET))
		return system_error("enter", "network namespace");
	Status done = bench::enter_cgroup(place->client_cgroup());
	if (!done)
		return done;
	Result<Pair> beside = connect_to(other_port, "x");
	done = bench::enter_cgroup(place->server_cgroup());
	if (!done)
		return done;
	Result<Pair> below = connect_to(other_port + 1, "x");
	if (!beside || !below)
		return beside ? below.error() : beside.error();
	asked.beside = std::move(*beside);
	asked.below = std::move(*below);
	add_others("without", asked.below.server);
	add_others("beside", asked.beside.server);
	add_others("below", asked.below.server);
	for (int threads : { 1, 2 })
		add_lookups(threads);
	Collector collector;
	for (int i = 0; i < rounds && done && !bench::interrupted(); i++)
		done = run_round(*place, truepeer, collector);
	if (done)
		collector.print();
	/* this process must leave the cgroup, which is removed next */
	(void)bool(bench::enter_cgroup(place->agent_cgroup(bench::Variant::sender) + "/.."));
	return done;
}

} // namespace

int main(int argc, char **argv)
{
	benchmark::Initialize(&argc, argv);
	if (argc != 3) {
		fmt::print(stderr, "usage: lookups TRUEPEER ROUNDS [--benchmark_...]\n");
		return 2;
	}
	bench::catch_signals();
	Status done = run_all(argv[1], std::atoi(argv[2]));
	if (!done)
		fmt::print(stderr, "lookups: {}\n", done.error().text());
	return done ? 0 : 1;
}
