// SPDX-License-Identifier: BSD-2-Clause
/*
 * A neighbour that writes a trusted proxy's address into its frames.  With plain TCP the answer
 * goes where routing leads, to the proxy, and the spoofer does not learn the number that its
 * next segment would have to acknowledge.  No engine may make that easier.
 *
 *	hub (one Ethernet, network 1): host eth0, proxy, spoofer
 *	host eth1 (network 2) ---- spoofer on another interface
 *	host br0 (network 3) ---- container with NET_RAW
 */
#include <sched.h>

#include <random>
#include <thread>

#include "support/lab_world.h"

namespace live
{

class LabSpoof : public Lab
{
protected:
	struct Place {
		Host hub, proxy_host, near, other, container;
		std::unique_ptr<Station> proxy, near_spoofer, other_spoofer, container_spoofer;

		explicit Place(LabWorld &w)
		{
			auto both = [](int net, int host) {
				return std::vector<std::string>{ address(net, host, false),
								 address(net, host, true) };
			};

			join(hub, "hub", { &w.host, &proxy_host, &near }, "eth0");
			cable(w.host, "eth1", other, "eth0");
			join(w.host, "br0", { &container }, "eth0");
			w.host.address("eth0", 1, 1);
			w.host.address("eth1", 2, 1);
			w.host.address("br0", 3, 1);
			w.host.forward();
			w.host.loose();
			for (const char *device : { "eth0", "eth1", "br0" })
				w.host.sysctl(std::string("net.ipv4.conf.") + device + ".rp_filter",
					      "0");
			proxy = std::make_unique<Station>(proxy_host, "eth0", 2, both(1, 2));
			near_spoofer = std::make_unique<Station>(near, "eth0", 66, both(1, 66));
			other_spoofer = std::make_unique<Station>(other, "eth0", 67, both(2, 67));
			container_spoofer =
				std::make_unique<Station>(container, "eth0", 68, both(3, 68));
		}
	};

	/* Only the proxy's network is trusted. */
	static LabOptions trusting(const LabWorld &w)
	{
		return { .trust = { w.at(1, 2) + (w.ipv6 ? "/128" : "/32") } };
	}

	/*
	 * `tries` connections from `source`: a SYN, and when an answer comes, or with a guess if
	 * none does, ACK and header.  Nothing may come of it, and no SYN-ACK may reach the spoofer.
	 */
	static void attack(LabWorld &w, Station &spoofer, const std::string &host_mac,
			   const std::string &source, long tries);
	static void expect_nothing_happened(LabWorld &w, const std::vector<Station *> &spoofers);
	static void expect_proxy_is_served(LabWorld &w, Place &place, uint16_t port = 63000);
};
TP_INSTANTIATE_LAB(LabSpoof, true);

static long tries()
{
	return number_from_environment("TP_SPOOF_TRIES", 60);
}

static size_t answers_to(Station &station)
{
	size_t n = 0;

	for (const Frame &frame : station.seen())
		n += frame.to == station.mac() && frame.segment.has(flag::syn | flag::ack);
	return n;
}

void LabSpoof::attack(LabWorld &w, Station &spoofer, const std::string &host_mac,
		      const std::string &source, long tries)
{
	std::mt19937 random(1);
	constexpr long batch = 50;

	spoofer.usual = { .to = host_mac };
	for (long done = 0; done < tries; done += batch) {
		std::vector<Segment> sent;

		for (long i = 0; i < std::min(batch, tries - done); i++) {
			Segment s;

			s.source = source;
			s.destination = w.service.host();
			s.source_port = (uint16_t)(1024 + (done + i) % 60000);
			s.destination_port = w.service.port();
			s.seq = (uint32_t)random();
			s.flags = flag::syn;
			s.options = option::mss(1460);
			spoofer.send(s);
			sent.push_back(s);
		}
		std::this_thread::sleep_for(20ms);
		for (Segment &s : sent) {
			auto answer = spoofer.receive(
				[&](const Segment &a) {
					return a.has(flag::syn | flag::ack) && a.ack == s.seq + 1;
				},
				0ms);

			s.options.clear();
			s.seq += 1;
			s.ack = answer ? answer->seq + 1 : (uint32_t)random();
			s.flags = flag::ack;
			spoofer.send(s);
			s.flags = flag::ack | flag::psh;
			s.payload = w.header(6666) + "evil";
			spoofer.send(s);
		}
	}
}

void LabSpoof::expect_nothing_happened(LabWorld &w, const std::vector<Station *> &spoofers)
{
	std::this_thread::sleep_for(150ms);
	EXPECT_EQ(w.server->count(), 0u) << w.counted();
	for (const auto &[name, value] : w.agent->counters())
		if (name.rfind("accepted", 0) == 0) {
			EXPECT_EQ(value, 0u) << name;
		}
	EXPECT_EQ(w.agent->live(), 0u);
	for (Station *spoofer : spoofers)
		EXPECT_EQ(answers_to(*spoofer), 0u) << "SYN-ACKs to the spoofer" << spoofer->log();
}

/* The real one is not kept from its work, and the way of a plain SYN-ACK is the same. */
void LabSpoof::expect_proxy_is_served(LabWorld &w, Place &place, uint16_t port)
{
	size_t index = w.server->count();
	RawClient client(*place.proxy, w.service, { .host = w.at(1, 2), .port = port });

	place.proxy->usual = {};
	ASSERT_TRUE(client.open()) << client.wire().log() << w.counted();
	client.data(w.header() + "hello");
	w.expect_session(index, w.origin(), "hello", client.wire().log());
}

TEST_P(LabSpoof, neighbour_on_the_same_ethernet_gets_no_name)
{
	lab([](LabWorld &w) {
		Place place(w);

		w.start(w.at(1, 1), trusting(w));
		place.proxy->resolve(w.at(1, 1));
		attack(w, *place.near_spoofer, w.host.mac("eth0"), w.at(1, 2), tries());
		expect_nothing_happened(w, { place.near_spoofer.get() });
		expect_proxy_is_served(w, place);
	});
}

TEST_P(LabSpoof, host_on_another_interface_gets_no_name)
{
	lab([](LabWorld &w) {
		Place place(w);

		w.start(w.at(1, 1), trusting(w));
		attack(w, *place.other_spoofer, w.host.mac("eth1"), w.at(1, 2), tries());
		expect_nothing_happened(w, { place.other_spoofer.get() });
		expect_proxy_is_served(w, place);
	});
}

TEST_P(LabSpoof, container_that_writes_its_own_frames_gets_no_name)
{
	lab([](LabWorld &w) {
		Place place(w);

		w.start(w.at(1, 1), trusting(w));
		attack(w, *place.container_spoofer, w.host.mac("br0"), w.at(1, 2), tries());
		expect_nothing_happened(w, { place.container_spoofer.get() });
		expect_proxy_is_served(w, place);
	});
}

/* Each CPU remembers for itself, and a packet is handled by the one that sends it. */
static void stay_on_one_cpu()
{
	cpu_set_t cpus;
	int cpu = sched_getcpu();

	CPU_ZERO(&cpus);
	CPU_SET(cpu < 0 ? 0 : cpu, &cpus);
	ASSERT_EQ(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
}

/*
 * An engine may remember the way to a proxy.  When it leads elsewhere, the next answer has to go there,
 * and not to whoever sends frames from where the proxy was.
 */
TEST_P(LabSpoof, answers_follow_a_route_that_has_changed)
{
	lab([](LabWorld &w) {
		Place place(w);
		std::string route = w.at(1, 2) + (w.ipv6 ? "/128" : "/32") + " via " + w.at(2, 67);
		Segment syn;

		stay_on_one_cpu();
		w.start(w.at(1, 1), trusting(w));
		place.proxy->resolve(w.at(1, 1));
		place.other_spoofer->resolve(w.at(2, 1));
		/* the handshake engine first leaves some to others, to learn what netfilter does */
		for (uint16_t port = 63000; port < 63004; port++)
			expect_proxy_is_served(w, place, port);
		w.host.ip("route add " + route);
		syn.source = w.at(1, 2);
		syn.destination = w.service.host();
		syn.source_port = 63004;
		syn.destination_port = w.service.port();
		syn.seq = 7;
		syn.flags = flag::syn;
		syn.options = option::mss(1460);
		place.proxy->usual = { .to = w.host.mac("eth0") };
		place.proxy->send(syn);
		EXPECT_TRUE(place.other_spoofer->receive(
			[&](const Segment &a) {
				return a.has(flag::syn | flag::ack) && a.ack == syn.seq + 1;
			},
			2000ms))
			<< place.proxy->log();
		w.host.ip("route del " + route);
		expect_proxy_is_served(w, place, 63005);
	});
}

/* Sees nothing at all, also not what is sent to the proxy: data behind guessed numbers. */
TEST_P(LabSpoof, blind_guesses_bring_nothing)
{
	lab([](LabWorld &w) {
		Place place(w);
		std::mt19937 random(2);

		w.start(w.at(1, 1), trusting(w));
		/* connections of the proxy that wait for their header, known but for the numbers */
		place.proxy->resolve(w.at(1, 1));
		RawClient client(*place.proxy, w.service, { .host = w.at(1, 2), .port = 5000 });
		ASSERT_TRUE(client.open()) << client.wire().log();
		place.other_spoofer->usual = { .to = w.host.mac("eth1") };
		for (long i = 0; i < tries(); i++) {
			Segment s = client.piece(0, w.header(6666) + "evil");

			s.options.clear();
			if (i % 3)
				s.ack = (uint32_t)random();
			if (i % 3 != 1)
				s.seq = (uint32_t)random();
			place.other_spoofer->send(s);
		}
		expect_nothing_happened(w, { place.other_spoofer.get() });
		client.data(w.header() + "hello");
		w.expect_session(0, w.origin(), "hello", client.wire().log());
		expect_proxy_is_served(w, place);
	});
}

/* What was heard of a connection, frame by frame, while it waits and when it has ended. */
TEST_P(LabSpoof, replay_of_a_recorded_connection_brings_nothing)
{
	lab([](LabWorld &w) {
		Place place(w);
		std::vector<Segment> recorded;
		Station *spoofers[] = { place.near_spoofer.get(), place.other_spoofer.get() };
		auto replay = [&] {
			for (Station *spoofer : spoofers) {
				bool near = spoofer == spoofers[0];

				spoofer->usual = { .to = w.host.mac(near ? "eth0" : "eth1") };
				for (long i = 0; i < tries() / 4 + 1; i++)
					for (const Segment &s : recorded)
						spoofer->send(s);
			}
			std::this_thread::sleep_for(100ms);
		};

		w.start(w.at(1, 1), trusting(w));
		place.proxy->resolve(w.at(1, 1));
		{
			RawClient client(*place.proxy, w.service,
					 { .host = w.at(1, 2), .port = 5000 });

			recorded.push_back(client.syn_segment());
			ASSERT_TRUE(client.syn(recorded[0])) << client.wire().log();
			recorded.push_back(client.segment(flag::ack));
			client.ack();
			recorded.push_back(client.piece(0, w.header(6666) + "evil"));
			client.data(w.header() + "hello");
			w.expect_session(0, w.origin(), "hello", client.wire().log());
			replay();
			client.data("world");
			w.expect_session(0, w.origin(), "helloworld", client.wire().log());
		} /* reset */
		ASSERT_TRUE(w.server->wait_done(1));
		replay();
		EXPECT_EQ(w.server->count(), 1u) << w.counted();
		EXPECT_EQ(w.agent->counters()["accepted_v2_proxy"], 1u) << w.counted();
		for (Station *spoofer : spoofers)
			EXPECT_EQ(answers_to(*spoofer), 0u) << spoofer->log();
		expect_proxy_is_served(w, place);
	});
}

/* Martians: nobody who is elsewhere can be this host. */
TEST_P(LabSpoof, own_addresses_from_outside_bring_nothing)
{
	lab([](LabWorld &w) {
		Place place(w);
		std::string loopback = w.ipv6 ? "::1" : "127.0.0.1";
		LabOptions options;

		options.trust = { w.ipv6 ? "::/0" : "0.0.0.0/0" };
		w.start(w.at(1, 1), options);
		for (const std::string &source : { loopback, w.at(1, 1), w.at(2, 1) }) {
			attack(w, *place.near_spoofer, w.host.mac("eth0"), source, 20);
			attack(w, *place.other_spoofer, w.host.mac("eth1"), source, 20);
		}
		expect_nothing_happened(w, { place.near_spoofer.get(), place.other_spoofer.get() });
		place.proxy->resolve(w.at(1, 1));
		expect_proxy_is_served(w, place);
	});
}

} // namespace live
