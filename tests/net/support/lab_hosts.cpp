// SPDX-License-Identifier: BSD-2-Clause
/* Containers, and what network cards do. */
#include "lab_topology.h"

namespace live
{

/* ---- containers ------------------------------------------------------------------------ */

static void translate_destination(const Host &where, int network, int number)
{
	std::string rules = "table inet nat {\n chain in {\n"
			    "  type nat hook prerouting priority -100\n";

	for (bool ipv6 : { false, true }) {
		std::string to = address(network, number, ipv6);

		rules += std::string("  meta nfproto ") + (ipv6 ? "ipv6" : "ipv4") +
			 " fib daddr type local tcp dport 8080 dnat " + (ipv6 ? "ip6" : "ip") +
			 " to " + (ipv6 ? "[" + to + "]" : to) + ":8080\n";
	}
	where.nft(rules + " }\n}\n");
}

/* The agent is in the container, the port is published by the host before it. */
static void inside_a_container(Site &s)
{
	Host &outer = build_router(s);

	translate_destination(outer, 2, 2);
	s.connect_to(1, 1);
}

static void inside_a_container_behind_masquerade(Site &s)
{
	Host &outer = build_router(s);

	translate_destination(outer, 2, 2);
	outer.nft("table inet out {\n chain out {\n"
		  "  type nat hook postrouting priority 100\n  masquerade\n }\n}\n");
	s.connect_to(1, 1);
	for (bool ipv6 : { false, true })
		s.peer[ipv6] = address(2, 1, ipv6);
}

/* client (1,2) ---- (1,1) host br0 (3,1) ---- (3,2) container, which serves */
static void forwarded(Site &s)
{
	Host &client = s.add(), &container = s.add();

	cable(s.host, "eth0", client, "eth0");
	join(s.host, "br0", { &container }, "eth0");
	s.host.address("eth0", 1, 1);
	s.host.address("br0", 3, 1);
	s.host.forward();
	client.address("eth0", 1, 2);
	container.address("eth0", 3, 2);
	client.route(3, 1, 1);
	container.route(1, 3, 1);
	s.client = &client;
	s.server = &container;
	s.serve_at(3, 2);
}

static void published(Site &s)
{
	forwarded(s);
	translate_destination(s.host, 3, 2);
	s.connect_to(1, 1);
}

/* ---- network cards ---------------------------------------------------------------------- */

static void with_offloads(Site &s, const Offloads &how)
{
	build_veth(s);
	s.host.offloads("eth0", how);
	s.client->offloads("eth0", how);
}

static void without_offloads(Site &s)
{
	with_offloads(s, { false, false, false, false });
}

static void with_gro(Site &s)
{
	with_offloads(s, { true, true, true, true });
}

/* Segments are put together again, and nobody has verified their sums. */
static void gro_of_wire_segments(Site &s)
{
	with_offloads(s, { false, false, false, true });
}

static void jumbo(Site &s)
{
	build_veth(s);
	for (const Host *end : { &s.host, s.client })
		end->ip("link set eth0 mtu 9000\n");
}

static void big_tcp(Site &s)
{
	build_veth(s);
	for (const Host *end : { &s.host, s.client }) {
		end->ip("link set eth0 gso_max_size 185000 gro_max_size 185000\n");
		end->offloads("eth0", { .gro = true });
	}
	s.chunk = 200000;
}

std::vector<Topology> host_topologies()
{
	return {
		{ "inside a container", Way::straight, inside_a_container },
		{ "inside, masquerade", Way::straight, inside_a_container_behind_masquerade },
		{ "forwarded to another", Way::left_alone, forwarded },
		{ "published port", Way::left_alone, published },
		{ "no offloads", Way::straight, without_offloads },
		{ "all offloads", Way::straight, with_gro },
		{ "GRO, sums not verified", Way::straight, gro_of_wire_segments },
		{ "jumbo frames", Way::straight, jumbo },
		{ "BIG TCP", Way::straight, big_tcp },
	};
}

} // namespace live
