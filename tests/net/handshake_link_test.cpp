// SPDX-License-Identifier: BSD-2-Clause
/* The handshake engine's place: interfaces, network namespaces, VLANs, other programs. */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <net/if.h>

#include <stdexcept>
#include <thread>

#include "support/lab.h"
#include "support/raw_world.h"

namespace live
{

class HandshakeLink : public Raw
{
};
TP_INSTANTIATE_RAW(HandshakeLink);

/* ---- other programs on the interface ------------------------------------------- */

/* A program at tcx that counts packets and lets them pass to the next one. */
class Counter
{
public:
	Counter(const std::string &interface, bool ingress)
	{
		constexpr auto tcx_ingress = (bpf_attach_type)46, tcx_egress = (bpf_attach_type)47;

		map_ = bpf_map_create(BPF_MAP_TYPE_ARRAY, "packets", 4, 8, 1, nullptr);
		/* NOLINTBEGIN(misc-redundant-expression): some flags are 0 */
		const bpf_insn code[] = {
			{ BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0 }, /* key 0 */
			{ BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0 },
			{ BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4 },
			{ BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_ },
			{ 0, 0, 0, 0, 0 },
			{ BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem },
			{ BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, 0 },
			{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1 },
			{ BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1, 0, BPF_ADD },
			{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, -1 }, /* TCX_NEXT */
			{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
		};
		/* NOLINTEND(misc-redundant-expression) */
		int program = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "count", "GPL", code,
					    sizeof(code) / sizeof(*code), nullptr);
		link_ = bpf_link_create(program, (int)if_nametoindex(interface.c_str()),
					ingress ? tcx_ingress : tcx_egress, nullptr);
		close(program);
		if (map_ < 0 || link_ < 0)
			throw std::runtime_error("attach counter: " + interface);
	}
	~Counter()
	{
		close(link_);
		close(map_);
	}
	Counter(const Counter &) = delete;
	Counter &operator=(const Counter &) = delete;

	uint64_t packets() const
	{
		uint32_t key = 0;
		uint64_t value = 0;

		EXPECT_EQ(bpf_map_lookup_elem(map_, &key, &value), 0);
		return value;
	}

private:
	int map_ = -1, link_ = -1;
};

static void serve_plain(RawWorld &w)
{
	RawClient client(w.wire, w.plain);
	size_t index = w.plain_server->count();

	ASSERT_TRUE(client.open()) << w.wire.log();
	client.data("hello");
	EXPECT_EQ(w.plain_server->wait_bytes(index, 5, 2s).bytes, "hello") << w.wire.log();
}

TEST_P(HandshakeLink, other_programs_see_their_packets)
{
	raw({ .start_agent = false }, [](RawWorld &w) {
		Counter before_in(w.wire.interface(), true), before_out(w.wire.interface(), false);

		w.start_agent(raw_engine());
		Counter in(w.wire.interface(), true), out(w.wire.interface(), false);
		Counter *counters[] = { &before_in, &before_out, &in, &out };
		uint64_t seen[4];

		auto note = [&] {
			for (int i = 0; i < 4; i++)
				seen[i] = counters[i]->packets();
		};
		note();
		serve_plain(w);
		EXPECT_GE(before_in.packets() - seen[0], 3u); /* SYN, ACK, data */
		EXPECT_GE(in.packets() - seen[2], 3u) << "not seen behind the engine";
		EXPECT_GE(out.packets() - seen[3], 2u); /* SYN-ACK, ACK */
		/* what is sent in the service's name passes the egress programs as well */
		note();
		w.expect_served();
		EXPECT_GE(before_in.packets() - seen[0], 3u);
		EXPECT_GE(out.packets() - seen[3], 2u);
		/* and on an established connection the engine is as if it were not there */
		RawClient client(w.wire, w.service);
		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(1) + "hello");
		ASSERT_TRUE(client.expect_ack(client.next())) << w.wire.log();
		note();
		for (int i = 0; i < 10; i++)
			client.data("x");
		w.expect_session(1, w.origin(), "helloxxxxxxxxxx");
		for (int i : { 0, 2 }) {
			uint64_t packets = counters[i]->packets() - seen[i];

			EXPECT_GE(packets, 10u);
			EXPECT_LE(packets, 14u); /* a stray packet of the interface's own */
		}
	});
}

/* ---- interfaces ------------------------------------------------------------------- */

TEST_P(HandshakeLink, interface_that_comes_later_is_served)
{
	raw([](RawWorld &w) {
		RawWire later(2);
		Endpoint service = endpoint(w.wire.server(w.ipv6), 8080);
		std::this_thread::sleep_for(1s);
		/* the server's address is the first wire's, the client a proxy that it trusts */
		ip_batch("route replace " + w.wire.client(w.ipv6, 50) + " via " +
			 later.gateway(w.ipv6) + " dev " + later.interface() + "\n");
		RawClient client(later, service, { .host = w.wire.client(w.ipv6, 50) });

		ASSERT_TRUE(client.open()) << later.log();
		client.data(w.header(2) + "hello");
		w.expect_session(0, w.origin(), "hello");
		EXPECT_EQ(w.engine_of(client), "handshake");
		w.expect_served("handshake");
	});
}

TEST_P(HandshakeLink, interface_that_is_not_named_is_served_by_translate)
{
	raw({ .start_agent = false }, [](RawWorld &w) {
		RawWire other(2);

		w.start_agent("auto", { "--interface", w.wire.interface() });
		w.expect_served("handshake");
		ip_batch("route replace " + w.wire.client(w.ipv6, 50) + " via " +
			 other.gateway(w.ipv6) + " dev " + other.interface() + "\n");
		RawClient client(other, w.service, { .host = w.wire.client(w.ipv6, 50) });
		ASSERT_TRUE(client.open()) << other.log();
		client.data(w.header(2) + "hello");
		w.expect_session(1, w.origin(), "hello");
		EXPECT_EQ(w.engine_of(client), "translate");
	});
}

TEST_P(HandshakeLink, interface_that_does_not_exist_is_named)
{
	raw({ .start_agent = false }, [](RawWorld &w) {
		try {
			w.start_agent("handshake", { "--interface", "nosuch0" });
			ADD_FAILURE() << "started";
		} catch (const std::runtime_error &e) {
			EXPECT_NE(std::string(e.what()).find("nosuch0"), std::string::npos)
				<< e.what();
		}
		w.agent.reset();
	});
}

/* ---- network namespaces ------------------------------------------------------------ */

TEST_P(HandshakeLink, server_in_another_namespace_is_served)
{
	raw({ .start_agent = false }, [](RawWorld &w) {
		Netns container;
		RawWire wire(3, container.fd());
		AgentOptions options;
		Endpoint service = endpoint(wire.server(w.ipv6), 8080);

		options.engine = raw_engine();
		options.listen = { service.text() };
		options.trust = { wire.clients(w.ipv6) };
		options.more = { "--netns", container.path() };
		w.agent = std::make_unique<Agent>(w.box, options);
		Socket listener;
		{
			Guest there(container.fd());

			listener = listen_on(service);
		}
		for (int version : { 1, 2 }) {
			RawClient client(wire, service);

			ASSERT_TRUE(client.open()) << wire.log();
			EXPECT_FALSE(polls_readable(listener.fd(), 50ms)) << "before its header";
			client.data(w.header(version) + "hello");
			ASSERT_TRUE(polls_readable(listener.fd(), scaled(2s))) << wire.log();
			Accepted a = accept_from(listener);
			EXPECT_EQ(a.address.text(), w.origin());
			EXPECT_EQ(receive_exactly(a.socket.fd(), 5), "hello");
			EXPECT_EQ(w.engine_of(client), "handshake");
		}
	});
}

/* ---- VLANs ------------------------------------------------------------------------- */

/* Frames with a tag belong to the VLAN's interface, where there is one. */
TEST_P(HandshakeLink, tagged_frames_belong_to_the_vlans_interface)
{
	raw([](RawWorld &w) {
		std::string host = w.wire.client(w.ipv6, 60);
		Finished ip = run({ "ip", "link", "add", "link", w.wire.interface(), "name",
				    "tp1.5", "type", "vlan", "id", "5" });
		RawClient client(w.wire, w.service, { .host = host });
		Segment syn = client.syn_segment();

		syn.vlan = 5;
		if (ip.code) { /* the kernel has no VLANs: the tagged frame is nobody's */
			client.send(syn);
			EXPECT_TRUE(client.silent(300ms)) << w.wire.log();
			EXPECT_EQ(w.agent->total(), 0u);
			return;
		}
		/* a gateway that no other interface has a route to */
		std::string gateway = w.ipv6 ? "fe80::2" : w.wire.gateway(w.ipv6);
		ip_batch("link set tp1.5 up\n"
			 "neigh add " +
			 gateway +
			 " lladdr 02:00:00:00:00:02 nud permanent dev tp1.5\n"
			 "route add " +
			 host + " via " + gateway + " dev tp1.5 onlink\n");
		std::this_thread::sleep_for(1s);
		auto answer = client.syn(syn);
		ASSERT_TRUE(answer) << w.wire.log();
		EXPECT_EQ(answer->vlan, 5);
		Segment s = client.segment(flag::ack | flag::psh, w.header(1) + "hello");
		s.vlan = 5;
		client.send(s);
		w.expect_session(0, w.origin(), "hello");
		EXPECT_EQ(w.engine_of(client), "handshake");
	});
}

} // namespace live
