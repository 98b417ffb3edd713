// SPDX-License-Identifier: BSD-2-Clause
/*
 * Connections whose destination is changed on their way to the socket on this very host:
 * REDIRECT, DNAT to another of its addresses, TPROXY.  A program at tc sees what the client
 * wrote, the socket what became of it.
 */
#include <bpf/bpf.h>
#include <unistd.h>

#include "bpf/abi.h"
#include "support/lab_world.h"

namespace live
{

class LabNat : public Lab
{
protected:
	struct Place {
		Host far;

		explicit Place(LabWorld &w)
		{
			cable(w.host, "eth0", far, "eth0");
			w.host.address("eth0", 1, 1);
			far.address("eth0", 1, 2);
			far.route(5, 1, 1);
		}
	};

	static void serve(LabWorld &w, const Host &from, const Endpoint &to)
	{
		std::string bytes = w.header() + "hello";
		const std::vector<std::vector<std::string>> ways = {
			{ bytes },
			{ w.header(), "hello" },
		};

		for (const auto &parts : ways) {
			size_t index = w.server->count();
			Client client = from.connect(to, {}, 3s);
			std::string why = " in " + std::to_string(parts.size()) + " parts";

			ASSERT_EQ(client.error(), 0) << why << w.counted();
			client.send(parts, 50ms);
			w.expect_session(index, w.origin(), "hello", why);
			EXPECT_EQ(client.receive(5, 2s).bytes, "hello") << why;
		}
		serve_pieces(w, from, to);
	}
	/*
	 * What the stream engine's agent puts together and sends in has the socket's addresses, which conntrack
	 * knows as those of another connection: docs/LIMITS.md.  The connection then ends at its time, and
	 * never has it another name than its own.
	 */
	static void serve_pieces(LabWorld &w, const Host &from, const Endpoint &to)
	{
		std::string bytes = w.header() + "hello";

		for (const auto &parts : { cut(bytes, { 9 }), cut(bytes, { 9, 30 }) }) {
			uint64_t late = w.agent->counters()["timeout"];
			Client client = from.connect(to, {}, 3s);

			ASSERT_EQ(client.error(), 0) << w.counted();
			client.send(parts, 50ms);
			Received got = client.receive(5, scaled(10s));
			if (got.bytes == "hello")
				continue;
			EXPECT_EQ(got.bytes, "");
			EXPECT_TRUE(w.agent->counts("timeout", late + 1)) << w.counted();
		}
		w.expect_no_name_but({ w.ipv6 ? "2001:db8::9" : "203.0.113.9" });
	}
	static std::string prerouting(const std::string &rule)
	{
		return "table inet nat {\n chain in {\n"
		       "  type nat hook prerouting priority -100\n  " +
		       rule + "\n }\n}\n";
	}
};
TP_INSTANTIATE_LAB(LabNat, true);

TEST_P(LabNat, redirected_port_is_served)
{
	lab([](LabWorld &w) {
		Place place(w);

		w.host.nft(prerouting("tcp dport 80 redirect to :8080"));
		w.start(w.at(1, 1), { .server = { .echo = true } });
		serve(w, place.far, endpoint(w.at(1, 1), 80));
		serve(w, place.far, w.service); /* who comes straight is served, too */
	});
}

TEST_P(LabNat, dnat_to_another_address_of_the_host_is_served)
{
	lab([](LabWorld &w) {
		Place place(w);
		std::string to = w.at(6, 1);

		w.host.address("lo", 6, 1);
		w.host.nft(prerouting(std::string(w.ipv6 ? "ip6" : "ip") + " daddr " + w.at(5, 1) +
				      " tcp dport 8080 dnat " + (w.ipv6 ? "ip6" : "ip") + " to " +
				      (w.ipv6 ? "[" + to + "]" : to) + ":8080"));
		w.start(to, { .server = { .echo = true } });
		serve(w, place.far, endpoint(w.at(5, 1), 8080));
	});
}

/* Entries of tp_wires. */
static size_t wires(const LabWorld &w)
{
	int map = bpf_obj_get((w.agent->pin_dir() + "/tp_wires").c_str());
	tp_flow key = {}, next = {};
	size_t count = 0;

	for (; !bpf_map_get_next_key(map, count ? &key : nullptr, &next); count++)
		key = next;
	close(map);
	return count;
}

/* Neither a connection that was served, nor one that never got a socket. */
TEST_P(LabNat, redirected_connections_leave_nothing)
{
	if (GetParam().engine != "translate" && GetParam().engine != "auto")
		return;
	lab([](LabWorld &w) {
		Place place(w);
		Endpoint to = endpoint(w.at(1, 1), 80);

		w.host.nft(prerouting("tcp dport 80 redirect to :8080"));
		w.start(w.at(1, 1), { .server = { .echo = true } });
		{
			Client served = place.far.connect(to, {}, 3s);

			ASSERT_EQ(served.error(), 0);
			served.send({ w.header() + "hello" }, 0ms);
			EXPECT_EQ(served.receive(5, 2s).bytes, "hello");
			EXPECT_EQ(wires(w), 2u);
		}
		EXPECT_TRUE(eventually([&] { return wires(w) == 0; }, scaled(2s)));
		Client silent = place.far.connect(to, {}, 3s);
		ASSERT_EQ(silent.error(), 0);
		EXPECT_EQ(wires(w), 2u);
		EXPECT_TRUE(eventually([&] { return w.agent->counters()["timeout"] == 1u; },
				       scaled(10s)))
			<< w.counted();
		EXPECT_TRUE(eventually([&] { return wires(w) == 0; }, scaled(10s)));
	});
}

/* The port that is redirected is the one of a service as well. */
TEST_P(LabNat, connections_redirected_away_from_a_service_are_left_alone)
{
	lab([](LabWorld &w) {
		Place place(w);

		w.host.nft(prerouting("tcp dport 8080 redirect to :8081"));
		w.start(w.at(1, 1), { .server = { .echo = true } });
		Client client = place.far.connect(w.service, {}, 3s);
		std::string bytes = w.header() + "hello";

		ASSERT_EQ(client.error(), 0);
		client.send(bytes);
		/* what meets the plain server is its own business: all of it, its peer's name */
		EXPECT_EQ(client.receive(bytes.size(), 2s).bytes, bytes) << w.counted();
		EXPECT_EQ(w.plain_server->wait_bytes(0, bytes.size(), 1s).accepted.host(),
			  w.at(1, 2));
		EXPECT_EQ(w.server->count(), 0u);
		w.expect_untouched();
	});
}

/*
 * A transparent proxy's listener, on port 8080: connections to addresses that are not this
 * host's, and keep them.  So the service is the port that the client has asked for.
 */
class LabTproxy : public LabNat
{
protected:
	static void transparent(LabWorld &w, uint16_t port)
	{
		Place place(w);
		std::string listen = w.ipv6 ? "::" : "0.0.0.0";

		w.host.ip("rule add fwmark 1 lookup 100\n"
			  "route add local 0.0.0.0/0 dev lo table 100\n");
		w.host.ipv6("rule add fwmark 1 lookup 100\n"
			    "route add local ::/0 dev lo table 100\n");
		w.host.nft("table inet t {\n chain in {\n"
			   "  type filter hook prerouting priority -150\n"
			   "  socket transparent 1 meta mark set 1 accept\n  " +
			   std::string(w.ipv6 ? "ip6" : "ip") + " daddr " + network(5, w.ipv6) +
			   " tcp dport " + std::to_string(port) + " tproxy " +
			   (w.ipv6 ? "ip6" : "ip") + " to :8080 meta mark set 1 accept\n }\n}\n");
		w.start(listen, { .server = { .echo = true, .listen = { .transparent = true } },
				  .listen = endpoint(listen, port).text() });
		serve(w, place.far, endpoint(w.at(5, 7), port));
	}
};
TP_INSTANTIATE_LAB(LabTproxy, true);

TEST_P(LabTproxy, another_port_is_served)
{
	lab([](LabWorld &w) { transparent(w, 80); });
}

TEST_P(LabTproxy, port_of_the_service_is_served)
{
	lab([](LabWorld &w) { transparent(w, 8080); });
}

} // namespace live
