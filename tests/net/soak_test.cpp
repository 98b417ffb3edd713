// SPDX-License-Identifier: BSD-2-Clause
/*
 * Many connections of every kind at once: sizes, versions, families, pieces, half-closes,
 * resets, no header at all.  Every byte and every origin is checked.  tools/soak makes it
 * larger.
 */
#include <algorithm>
#include <atomic>
#include <fstream>
#include <mutex>
#include <random>
#include <thread>

#include <nlohmann/json.hpp>

#include "support/live.h"
#include "support/maps.h"
#include "support/thread.h"
#include "support/witness.h"

namespace live
{

namespace
{

constexpr uint16_t service_port = 8080;

using Random = std::mt19937_64;

unsigned below(Random &random, unsigned limit)
{
	return (unsigned)(random() % limit);
}

struct Announced {
	std::string bytes;
	std::string origin; /* as a dual-stack listener sees it */
};

Announced make_header(Random &random)
{
	Announced out;
	bool ipv6 = below(random, 2);
	uint16_t port = (uint16_t)(1 + below(random, 65535));
	std::string host = ipv6 ? "2001:db8::" + std::to_string(1 + below(random, 9999)) :
				  "203.0.113." + std::to_string(below(random, 256));
	std::string to = ipv6 ? "2001:db8::1" : "198.51.100.1";

	out.origin = endpoint(ipv6 ? host : "::ffff:" + host, port).text();
	if (below(random, 2)) {
		out.bytes = v1_header(host, port, to, 443);
		return out;
	}
	V2 h;
	h.source = host;
	h.source_port = port;
	h.destination = to;
	h.destination_port = 443;
	if (below(random, 3) == 0)
		h.tlvs = { { 0x02, "example.org" },
			   { 0xf1, std::string(below(random, 900), 't') } };
	h.checksum = below(random, 2);
	out.bytes = h.bytes();
	return out;
}

std::string make_payload(Random &random)
{
	static const unsigned limits[] = { 1, 16, 512, 2000, 8000, 65000 };
	std::string payload(below(random, limits[below(random, 6)]), '\0');

	if (below(random, 400) == 0)
		payload.resize(1 << 20);
	for (size_t i = 0; i + 8 <= payload.size(); i += 8) {
		uint64_t word = random();

		memcpy(&payload[i], &word, 8);
	}
	return payload;
}

std::string source_of(Random &random, bool ipv6)
{
	char text[32];

	if (ipv6)
		snprintf(text, sizeof(text), "fd00::%x", 2 + below(random, 14));
	else
		snprintf(text, sizeof(text), "127.0.%u.%u", below(random, 4),
			 2 + below(random, 250));
	return text;
}

/* Sends it in one to three pieces. */
bool send_in_pieces(Random &random, const Client &client, const std::string &bytes)
{
	std::vector<size_t> cuts;

	if (bytes.size() > 3 && below(random, 4) == 0)
		for (unsigned n = 1 + below(random, 2); n > 0; n--)
			cuts.push_back(1 + below(random, (unsigned)std::min<size_t>(
								 bytes.size() - 1, 300)));
	std::sort(cuts.begin(), cuts.end());
	cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
	return client.send(cut(bytes, cuts), 1ms);
}

struct Tally {
	std::atomic<uint64_t> begun = 0, whole = 0, garbage = 0, broken = 0, slow = 0;
	Clock::time_point start = Clock::now();
	std::mutex mutex;
	std::vector<std::string> wrong;

	void report(const std::string &what)
	{
		std::lock_guard lock(mutex);

		if (wrong.size() < 20)
			wrong.push_back("after " + std::to_string(since(start).count()) +
					" ms: " + what);
	}
};

/* A whole one: every byte arrives, from the origin that was announced. */
void visit_whole(Random &random, const Client &client, Tally &tally)
{
	Announced header = make_header(random);
	std::string payload = make_payload(random);
	std::string expected = header.origin + " " + std::to_string(payload.size()) + " " +
			       std::to_string(hash_more(empty_hash, payload)) + "\n";

	if (!send_in_pieces(random, client, header.bytes + payload)) {
		tally.report("send failed: " + std::string(strerror(errno)));
		return;
	}
	client.finish();
	Received answer = client.receive_all(20s);
	if (client.age() > 150ms)
		tally.slow++;
	if (answer.bytes != expected || answer.end != End::eof)
		tally.report("expected " + expected + "received " + answer.bytes + " end " +
			     std::to_string((int)answer.end) + ", from " +
			     name_of(client.fd()).text());
	else
		tally.whole++;
}

void visit(Random &random, const Endpoint &to_ipv4, const Endpoint &to_ipv6, Tally &tally)
{
	bool ipv6 = below(random, 2);
	Client client(ipv6 ? to_ipv6 : to_ipv4, source_of(random, ipv6), 20s);
	unsigned kind = below(random, 100);

	tally.begun++;
	if (client.error()) {
		tally.report("connect failed: " + std::string(strerror(client.error())));
	} else if (kind < 88) {
		visit_whole(random, client, tally);
	} else if (kind < 91) { /* no header */
		tally.garbage++;
		(void)client.send("GET / HTTP/1.0\r\n\r\n");
		Received answer = client.receive_all(20s);
		if (answer.end != End::reset || !answer.bytes.empty())
			tally.report("garbage was answered: " + answer.bytes);
	} else if (kind < 94) { /* ends inside the header */
		tally.broken++;
		std::string bytes = make_header(random).bytes;
		(void)client.send(bytes.substr(0, 1 + below(random, (unsigned)bytes.size() - 1)));
		if (below(random, 2))
			client.reset();
	} else if (kind < 96) { /* says nothing */
		tally.broken++;
		if (below(random, 2))
			client.reset();
	} else { /* reset in the middle of its payload */
		tally.broken++;
		(void)client.send(make_header(random).bytes + make_payload(random));
		client.reset();
	}
}

/* The number behind a word in a file of /proc: KiB where this test asks. */
long number_in(const std::string &path, const std::string &name)
{
	std::ifstream file("/proc/" + path);

	for (std::string word; file >> word;)
		if (word == name) {
			long number = 0;

			file >> number;
			return number;
		}
	return -1;
}

/* Resident memory of a process, KiB. */
long resident(pid_t pid)
{
	return number_in(std::to_string(pid) + "/status", "VmRSS:");
}

/*
 * The longest time for which the machine, a virtual one perhaps, stood still: what a thread of
 * real-time priority overslept.  Timeouts that have passed in it are nobody's fault.
 */
class StandstillWatch
{
public:
	StandstillWatch() : thread_([this](std::stop_token stop) { watch(stop); }) {}

	long longest_ms() const { return longest_ms_; }

private:
	void watch(const std::stop_token &stop)
	{
		sched_param most = { .sched_priority = 1 };

		pthread_setschedparam(pthread_self(), SCHED_FIFO, &most);
		while (!stop.stop_requested()) {
			Clock::time_point start = Clock::now();

			std::this_thread::sleep_for(20ms);
			longest_ms_ = std::max(longest_ms_.load(), since(start).count() - 20);
		}
	}

	std::atomic<long> longest_ms_ = 0;
	Thread thread_;
};

} // namespace

class Soak : public testing::TestWithParam<std::string>
{
};
INSTANTIATE_TEST_SUITE_P(Live, Soak, testing::ValuesIn(engines()),
			 [](const auto &row) { return row.param; });

TEST_P(Soak, every_byte_and_every_origin_is_right)
{
	long count = number_from_environment("TP_SOAK_CONNECTIONS", 12000);
	long seconds_at_least = number_from_environment("TP_SOAK_SECONDS", 40);
	long clients = number_from_environment("TP_SOAK_CLIENTS", 8);
	long seed = number_from_environment("TP_SOAK_SEED", (long)std::random_device()());

	if (!kernel_has(GetParam()))
		GTEST_SKIP() << "the engine needs Linux 6.9";
	auto inside = [&](Sandbox &box) {
		Endpoint any = endpoint("::", service_port);
		AgentOptions options = { .engine = GetParam(), .listen = { any.text() } };
		Tally tally;

		options.trust = { "127.0.0.0/8", "fd00::/64" };
		Agent agent(box, options);
		uint64_t before = agent.map_memory();
		long agent_before = resident(agent.process().pid());
		long slab_before = number_in("meminfo", "SUnreclaim:");
		Clock::time_point start = Clock::now();
		StandstillWatch standstill;
		{
			Witness server(any);
			std::vector<Thread> threads;

			for (long n = 0; n < clients; n++)
				threads.emplace_back([&, n] {
					Random random((uint64_t)(seed * clients + n));

					for (long i = 0; i < count / clients; i++) {
						visit(random, endpoint(server_ipv4, service_port),
						      endpoint(server_ipv6, service_port), tally);
						std::this_thread::sleep_until(
							start + seconds_at_least * clients *
									1000ms * i / count);
					}
				});
			for (Thread &thread : threads)
				thread.join();
			std::this_thread::sleep_for(200ms);
			server.stop();
			EXPECT_EQ(server.strangers(), std::vector<std::string>());
		}
		double seconds = (double)since(start).count() / 1000;
		EXPECT_EQ(tally.wrong, std::vector<std::string>())
			<< "TP_SOAK_SEED=" << seed << ", the machine stood still for up to "
			<< standstill.longest_ms() << " ms\n"
			<< nlohmann::json(agent.counters()).dump();
		expect_empty_maps(agent, 15s);
		EXPECT_TRUE(eventually([&] { return agent.total() == tally.begun; }, 15s))
			<< tally.begun << " begun, counted " << agent.total();
		EXPECT_EQ(agent.counters()["no_header"], tally.garbage);
		/* the kernel frees after a grace period */
		EXPECT_TRUE(eventually([&] { return agent.map_memory() <= before + 65536; }, 15s))
			<< agent.map_memory() - before << " bytes more in maps";
		EXPECT_LT(resident(agent.process().pid()) - agent_before, 16384) << "KiB";
		auto slab = [&] { return number_in("meminfo", "SUnreclaim:") - slab_before; };
		if (count >= 1000000) { /* 70 bytes of each; the whole machine's, so not for few */
			EXPECT_TRUE(
				eventually([&] { return slab() < 65536; }, 120s)) /* TIME_WAIT */
				<< slab() << " KiB more in slabs";
		}
		printf("%s: %llu connections in %.0f s: %llu whole (%llu took over 150 ms), %llu "
		       "without a header, %llu broken off; slabs %+ld KiB; longest standstill "
		       "of the machine %ld ms; seed %ld\n",
		       GetParam().c_str(), (unsigned long long)tally.begun.load(), seconds,
		       (unsigned long long)tally.whole.load(),
		       (unsigned long long)tally.slow.load(),
		       (unsigned long long)tally.garbage.load(),
		       (unsigned long long)tally.broken.load(), slab(), standstill.longest_ms(),
		       seed);
		std::fflush(stdout);
		expect_clean_stop(agent);
	};

	in_sandbox(inside, std::chrono::seconds(60 + seconds_at_least + count / 100));
}

} // namespace live
