// SPDX-License-Identifier: BSD-2-Clause
/* The translate engine's place: devices without a link header, VLANs, namespaces; its end. */
#include <nlohmann/json.hpp>

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <thread>

#include "bpf/abi.h"
#include "support/translate.h"

namespace live
{

class TranslateDevice : public Translate
{
};
TP_INSTANTIATE_RAW(TranslateDevice);

/* ---- without a link header ------------------------------------------------------------ */

/* A tun device in this namespace; the test is what is behind it. */
class Tun
{
public:
	Tun() : device_(open("/dev/net/tun", O_RDWR | O_CLOEXEC))
	{
		ifreq request = {};

		request.ifr_flags = IFF_TUN | IFF_NO_PI;
		std::strcpy(request.ifr_name, "tptun0");
		if (!device_ || ioctl(device_.fd(), TUNSETIFF, &request))
			throw std::runtime_error("make tun device");
		ip_batch("link set tptun0 up\n"
			 "addr add 10.77.0.1/24 dev tptun0\n"
			 "addr add fd77:77::1/64 dev tptun0 nodad\n");
	}

	void send(const Segment &s) const
	{
		std::string packet = packet_of(s);

		ASSERT_EQ(write(device_.fd(), packet.data(), packet.size()),
			  (ssize_t)packet.size());
	}

	/* The next TCP segment with these flags. */
	std::optional<Segment> receive(uint16_t flags, Ms timeout = 2s) const
	{
		auto start = Clock::now();

		while (since(start) < timeout) {
			pollfd poll_device = { device_.fd(), POLLIN, 0 };
			char packet[65536];

			if (poll(&poll_device, 1, 50) <= 0)
				continue;
			ssize_t size = read(device_.fd(), packet, sizeof(packet));
			auto s = segment_of({ packet, (size_t)std::max<ssize_t>(size, 0) });
			if (s && s->has(flags))
				return s;
		}
		return {};
	}

private:
	Socket device_;
};

TEST_P(TranslateDevice, serves_on_a_device_without_a_link_header)
{
	RawOptions options = { .start_agent = false };

	translated(options, [](RawWorld &w) {
		Tun tun;
		std::string own = w.ipv6 ? "fd77:77::1" : "10.77.0.1";
		std::string peer = w.ipv6 ? "fd77:77::9" : "10.77.0.9";
		Endpoint service = endpoint(own, 8080);
		Socket listener = listen_on(service);
		AgentOptions a;

		a.engine = "translate";
		a.listen = { service.text() };
		a.trust = { peer };
		w.agent = std::make_unique<Agent>(w.box, a);
		for (size_t alone : { 0, 1 }) {
			Segment s;

			s.source = peer;
			s.source_port = (uint16_t)(40000 + alone);
			s.destination = own;
			s.destination_port = 8080;
			s.flags = flag::syn;
			s.seq = 1000;
			s.options = option::mss(1400);
			tun.send(s);
			auto answer = tun.receive(flag::syn | flag::ack);
			ASSERT_TRUE(answer);
			s.options.clear();
			s.flags = flag::ack;
			s.seq++;
			s.ack = answer->seq + 1;
			tun.send(s);
			EXPECT_FALSE(polls_readable(listener.fd(), 50ms)) << "before its header";
			s.flags = flag::ack | flag::psh;
			s.payload = w.header(2);
			if (!alone)
				s.payload += "hello";
			tun.send(s);
			s.seq += s.length();
			auto ack = tun.receive(flag::ack);
			ASSERT_TRUE(ack);
			EXPECT_EQ(ack->ack, s.seq);
			ASSERT_TRUE(polls_readable(listener.fd(), 2s));
			if (alone) {
				s.payload = "hello";
				tun.send(s);
				s.seq += s.length();
			}
			Accepted accepted = accept_from(listener);
			EXPECT_EQ(accepted.address.text(), w.origin());
			EXPECT_EQ(receive_exactly(accepted.socket.fd(), 5), "hello");
			s.flags = flag::rst;
			s.payload.clear();
			tun.send(s);
		}
	});
}

/* ---- two interfaces, one packet --------------------------------------------------------- */

/* What leaves by a VLAN passes its device's programs, too: once is enough. */
TEST_P(TranslateDevice, translates_once_on_a_vlan_and_its_device)
{
	translated([](RawWorld &w) {
		std::string host = w.wire.client(w.ipv6, 60);
		std::string gateway = w.ipv6 ? "fe80::2" : w.wire.gateway(w.ipv6);
		Finished ip = run({ "ip", "link", "add", "link", w.wire.interface(), "name",
				    "tp1.5", "type", "vlan", "id", "5" });

		if (ip.code)
			GTEST_SKIP() << "the kernel has no VLANs: " << ip.err;
		ip_batch("link set tp1.5 up\n"
			 "neigh add " +
			 gateway +
			 " lladdr 02:00:00:00:00:02 nud permanent dev tp1.5\n"
			 "route add " +
			 host + " via " + gateway + " dev tp1.5 onlink\n");
		std::this_thread::sleep_for(1s); /* the programs come to the new interface */
		RawClient client(w.wire, w.service, { .host = host });
		auto send = [&](Segment s) {
			s.vlan = 5;
			client.send(s);
		};
		Segment syn = client.syn_segment();
		syn.vlan = 5;
		ASSERT_TRUE(client.syn(syn)) << w.wire.log();
		std::string header = w.header(1), stream = header + "hello";
		for (auto [from, size] : { std::pair<size_t, size_t>(0, 9),
					   { 9, header.size() - 9 },
					   { header.size(), 5 } }) {
			send(client.piece(from, stream.substr(from, size)));
			client.skip((uint32_t)size);
			auto ack = client.expect_ack(client.next());
			ASSERT_TRUE(ack) << w.wire.log();
			EXPECT_EQ(ack->ack, client.next()) << w.wire.log();
			EXPECT_EQ(ack->vlan, 5);
		}
		w.expect_session(0, w.origin(), "hello");
		send(client.segment(flag::ack | flag::fin));
		client.skip(1);
		ASSERT_TRUE(w.server->wait_done(1)) << w.wire.log();
	});
}

/* ---- namespaces --------------------------------------------------------------------------- */

TEST_P(TranslateDevice, serves_another_namespace)
{
	RawOptions options = { .start_agent = false };

	translated(options, [](RawWorld &w) {
		Netns container;
		RawWire wire(3, container.fd());
		AgentOptions a;
		Endpoint service = endpoint(wire.server(w.ipv6), 8080);
		Socket listener;

		a.engine = "translate";
		a.listen = { service.text() };
		a.trust = { wire.clients(w.ipv6) };
		a.more = { "--netns", container.path() };
		w.agent = std::make_unique<Agent>(w.box, a);
		Thread([&] {
			if (setns(container.fd(), CLONE_NEWNET) == 0)
				listener = listen_on(service);
		}).join();
		ASSERT_TRUE(listener);
		RawClient client(wire, service);
		ASSERT_TRUE(client.open()) << wire.log();
		EXPECT_FALSE(polls_readable(listener.fd(), 50ms)) << "before its header";
		client.data(w.header(2) + "hello");
		ASSERT_TRUE(client.expect_ack(client.next())) << wire.log();
		ASSERT_TRUE(polls_readable(listener.fd(), 2s)) << wire.log();
		Accepted accepted = accept_from(listener);
		EXPECT_EQ(accepted.address.text(), w.origin());
		EXPECT_EQ(receive_exactly(accepted.socket.fd(), 5), "hello");
		EXPECT_EQ(w.engine_of(client), "translate");
	});
}

/* ---- the end -------------------------------------------------------------------------------- */

/* Its programs stay for a live connection; unload says so, and takes them away behind it. */
TEST_P(TranslateDevice, a_live_connection_outlives_the_agent)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(2) + "hello");
		ASSERT_TRUE(client.expect_ack(client.next())) << w.wire.log();
		w.expect_session(0, w.origin(), "hello");
		BpfIds ids = w.agent->ids();
		EXPECT_EQ(w.agent->stop(), 0) << w.agent->process().err();
		client.data(" again");
		auto ack = client.expect_ack(client.next());
		ASSERT_TRUE(ack) << w.wire.log();
		EXPECT_EQ(ack->ack, client.next());
		w.expect_session(0, w.origin(), "hello again");
		Finished busy = w.agent->command({ "unload" });
		EXPECT_EQ(busy.code, 1);
		EXPECT_NE(busy.err.find("1 live connection"), std::string::npos) << busy.err;
		client.finish();
		ASSERT_TRUE(w.server->wait_done(1)) << w.wire.log();
		auto fin = client.expect([](const Segment &s) { return s.has(flag::fin); });
		ASSERT_TRUE(fin) << w.wire.log();
		Segment last = client.segment(flag::ack);
		last.ack = fin->seq + 1;
		client.send(last);
		EXPECT_TRUE(eventually([&] { return w.agent->command({ "unload" }).code == 0; }));
		EXPECT_EQ(left_over(ids), std::vector<std::string>());
		w.start_agent("translate"); /* for what is checked behind each test */
	});
}

/* Or it ends the connection, which the client is told. */
TEST_P(TranslateDevice, unload_resets_what_still_needs_programs)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(2) + "hello");
		w.expect_session(0, w.origin(), "hello");
		BpfIds ids = w.agent->ids();
		EXPECT_EQ(w.agent->stop(), 0) << w.agent->process().err();
		Finished busy = w.agent->command({ "unload" });
		EXPECT_EQ(busy.code, 1);
		EXPECT_NE(busy.err.find("--reset"), std::string::npos) << busy.err;
		client.forget();
		Finished done = w.agent->command({ "unload", "--reset" });
		EXPECT_EQ(done.code, 0) << done.err;
		auto reset = client.expect_reset();
		ASSERT_TRUE(reset) << w.wire.log();
		EXPECT_EQ(reset->seq, client.expected());
		EXPECT_EQ(left_over(ids), std::vector<std::string>());
		w.start_agent("translate"); /* for what is checked behind each test */
	});
}

static size_t translations(const RawWorld &w)
{
	int map = bpf_obj_get((w.agent->pin_dir() + "/tp_translations").c_str());
	tp_flow key = {}, next = {};
	size_t count = 0;

	for (bool first = true; !bpf_map_get_next_key(map, first ? nullptr : &key, &next);
	     first = false) {
		key = next;
		count++;
	}
	close(map);
	return count;
}

/* An entry goes with its socket when the client has the last word, and else is kept. */
TEST_P(TranslateDevice, keeps_an_entry_as_long_as_tcp_may_speak)
{
	RawOptions options = { .start_servers = false };

	translated(options, [](RawWorld &w) {
		Socket listener = listen_on(w.service);

		for (bool server_first : { false, true }) {
			RawClient client(w.wire, w.service);

			ASSERT_TRUE(client.open()) << w.wire.log();
			EXPECT_EQ(translations(w), 0u) << "without a socket";
			client.data(w.header(1) + "hello");
			ASSERT_TRUE(polls_readable(listener.fd(), 2s)) << w.wire.log();
			{
				Accepted a = accept_from(listener);

				EXPECT_EQ(receive_exactly(a.socket.fd(), 5), "hello");
				EXPECT_EQ(translations(w), 1u);
				if (!server_first) {
					client.finish();
					ASSERT_TRUE(client.expect_ack(client.next()));
				}
			}
			auto fin = client.expect([](const Segment &s) { return s.has(flag::fin); });
			ASSERT_TRUE(fin) << w.wire.log();
			Segment end = client.segment(flag::ack | (server_first ? flag::fin : 0));
			end.ack = fin->seq + 1;
			client.send(end);
			EXPECT_TRUE(eventually([&] { return w.sockets() == 1u + server_first; }));
			EXPECT_EQ(translations(w), (size_t)server_first);
		}
	});
}

} // namespace live
