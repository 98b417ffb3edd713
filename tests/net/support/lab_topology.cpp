// SPDX-License-Identifier: BSD-2-Clause
#include "lab_topology.h"

#include <cstring>

#include "lo.h"

namespace live
{

/* ---- the networks -------------------------------------------------------------------- */

void Site::serve_at(int network, int number)
{
	for (bool ipv6 : { false, true })
		listen[ipv6] = address(network, number, ipv6);
}

void Site::connect_to(int network, int number)
{
	for (bool ipv6 : { false, true })
		to[ipv6] = address(network, number, ipv6);
}

static void loopback(Site &s)
{
	s.listen[0] = server_ipv4;
	s.listen[1] = server_ipv6;
	s.from[0] = proxy_ipv4;
	s.from[1] = proxy_ipv6;
	s.trust = { trusted_ipv4, trusted_ipv6 };
}

void build_veth(Site &s)
{
	Host &client = s.add();

	cable(s.host, "eth0", client, "eth0");
	s.host.address("eth0", 1, 1);
	client.address("eth0", 1, 2);
	s.client = &client;
	s.serve_at(1, 1);
}

Host &build_router(Site &s)
{
	Host &between = s.add(), &client = s.add();

	cable(s.host, "eth0", between, "eth0");
	cable(between, "eth1", client, "eth0");
	s.host.address("eth0", 2, 2);
	between.address("eth0", 2, 1);
	between.address("eth1", 1, 1);
	client.address("eth0", 1, 2);
	between.forward();
	s.host.route(1, 2, 1);
	client.route(2, 1, 1);
	s.client = &client;
	s.serve_at(2, 2);
	return between;
}

/* Who serves, who connects and a third on a bridge that is none of them. */
static void three_on_an_ethernet(Site &s)
{
	Host &hub = s.add(), &client = s.add(), &third = s.add();

	join(hub, "hub", { &s.host, &client, &third }, "eth0");
	s.host.address("eth0", 1, 1);
	client.address("eth0", 1, 2);
	third.address("eth0", 1, 3);
	s.client = &client;
	s.serve_at(1, 1);
}

/* As a host of containers or machines has it: the address is the bridge's. */
static void bridge_on_the_host(Site &s)
{
	Host &client = s.add(), &second = s.add();

	join(s.host, "br0", { &client, &second }, "eth0");
	s.host.address("br0", 1, 1);
	client.address("eth0", 1, 2);
	s.client = &client;
	s.serve_at(1, 1);
}

/* The client's side of two routers: it sends by a, and what is for it comes by b. */
static void behind_two_routers(Site &s, Host &a, Host &b, Host &client)
{
	client.loose();
	cable(a, "eth1", client, "eth0");
	cable(b, "eth1", client, "eth1");
	a.address("eth1", 1, 1);
	b.address("eth1", 4, 1);
	client.address("eth0", 1, 2);
	client.address("eth1", 4, 2);
	a.forward();
	b.forward();
	client.route(2, 1, 1);
	b.route(1, 4, 2);
	s.client = &client;
}

/*
 * The SYN comes by router a, the way back is router b's; on interfaces of their own:
 *
 *	client (1,2) ---- (1,1) a (2,1) ---- (2,2) eth0 host eth1 (3,2) ---- (3,1) b (4,1) ---- client
 */
static void two_routers(Site &s)
{
	Host &a = s.add(), &b = s.add(), &client = s.add();

	s.host.loose();
	cable(s.host, "eth0", a, "eth0");
	cable(s.host, "eth1", b, "eth0");
	behind_two_routers(s, a, b, client);
	s.host.address("eth0", 2, 2);
	s.host.address("eth1", 3, 2);
	a.address("eth0", 2, 1);
	b.address("eth0", 3, 1);
	s.host.route(1, 3, 1);
	s.serve_at(2, 2);
}

/* ... and with both routers on one Ethernet, so that only the next hop differs. */
static void two_routers_on_one_ethernet(Site &s)
{
	Host &hub = s.add(), &a = s.add(), &b = s.add(), &client = s.add();

	join(hub, "hub", { &s.host, &a, &b }, "eth0");
	behind_two_routers(s, a, b, client);
	s.host.address("eth0", 2, 2);
	a.address("eth0", 2, 1);
	b.address("eth0", 2, 9);
	s.host.route(1, 2, 9);
	s.serve_at(2, 2);
}

/*
 * A load balancer sends the SYN on as it is; the host, which has the address at its loopback
 * interface, answers the client itself.  All on one Ethernet.
 */
static void direct_server_return(Site &s)
{
	Host &hub = s.add(), &director = s.add(), &client = s.add();

	join(hub, "hub", { &s.host, &director, &client }, "eth0");
	s.host.address("eth0", 1, 1);
	s.host.address("lo", 5, 1);
	director.address("eth0", 1, 9);
	client.address("eth0", 1, 2);
	director.forward();
	for (const Host *who : { (const Host *)&director, (const Host *)&client, &s.host }) {
		who->sysctl("net.ipv4.conf.eth0.send_redirects", "0");
		who->sysctl("net.ipv4.conf.eth0.rp_filter", "0");
		who->sysctl("net.ipv4.conf.eth0.accept_redirects", "0");
		who->sysctl("net.ipv6.conf.eth0.accept_redirects", "0");
	}
	director.route(5, 1, 1);
	client.route(5, 1, 9);
	s.client = &client;
	s.serve_at(5, 1);
}

static void macvlan(Site &s)
{
	Host &client = s.add();

	cable(s.host, "eth0", client, "eth0");
	s.host.ip("link add mv0 link eth0 type macvlan mode bridge\n"
		  "link set mv0 addrgenmode none up\n");
	/* or eth0 answers ARP for mv0's address, with its own */
	s.host.sysctl("net.ipv4.conf.eth0.arp_ignore", "1");
	s.host.address("mv0", 1, 1);
	client.address("eth0", 1, 2);
	s.client = &client;
	s.serve_at(1, 1);
}

void on_top(Site &s, const std::string &how)
{
	Host &client = s.add();
	const Host *ends[] = { &s.host, &client };

	cable(s.host, "eth0", client, "eth0");
	for (int i : { 0, 1 }) {
		std::string command = how;

		ends[i]->address("eth0", 1, i + 1);
		for (auto [mark, host] :
		     { std::pair("%LOCAL", i + 1), std::pair("%REMOTE", 2 - i) })
			for (size_t at; (at = command.find(mark)) != std::string::npos;)
				command.replace(at, strlen(mark), address(1, host, false));
		ends[i]->ip("link add top0 " + command + "\nlink set top0 addrgenmode none up\n");
		ends[i]->address("top0", 2, i + 1);
	}
	s.client = &client;
	s.serve_at(2, 1);
}

static void vlan(Site &s)
{
	on_top(s, "link eth0 type vlan id 5");
}

static void vxlan(Site &s)
{
	on_top(s, "type vxlan id 7 dstport 4789 local %LOCAL remote %REMOTE");
}

static void vrf(Site &s)
{
	Host &client = s.add();

	s.host.sysctl("net.ipv4.tcp_l3mdev_accept", "1");
	s.host.ip("link add red type vrf table 10\nlink set red up\n");
	cable(s.host, "eth0", client, "eth0");
	s.host.ip("link set eth0 master red\n");
	s.host.address("eth0", 1, 1);
	client.address("eth0", 1, 2);
	s.client = &client;
	s.listen[0] = "0.0.0.0"; /* to a VRF's address only who is in it can bind */
	s.listen[1] = "::";
	s.connect_to(1, 1);
}

/* The way back stands in a table that a rule for this source address names. */
static void policy_routing(Site &s)
{
	build_router(s);
	for (bool ipv6 : { false, true }) {
		std::string commands = "route del " + network(1, ipv6) + "\nroute add " +
				       network(1, ipv6) + " via " + address(2, 1, ipv6) +
				       " table 100\nrule add from " + address(2, 2, ipv6) +
				       " lookup 100\n";

		ipv6 ? s.host.ipv6(commands) : s.host.ip(commands);
	}
}

const std::vector<Topology> &topologies()
{
	static const std::vector<Topology> all = [] {
		std::vector<Topology> list = {
			{ "loopback", Way::local, loopback },
			{ "veth pair", Way::straight, build_veth },
			{ "router between", Way::straight, [](Site &s) { build_router(s); } },
			{ "three on an Ethernet", Way::straight, three_on_an_ethernet },
			/* a bridge brings hooks of netfilter with it, where the kernel has br_netfilter */
			{ "bridge and its ports", Way::any, bridge_on_the_host },
			{ "two routers", Way::crooked, two_routers },
			{ "two routers, one Ethernet", Way::any, two_routers_on_one_ethernet },
			{ "direct server return", Way::any, direct_server_return },
			{ "policy routing", Way::any, policy_routing },
			{ "VRF", Way::any, vrf, "type vrf table 10" },
			{ "macvlan", Way::straight, macvlan, "link probe1 type macvlan" },
			{ "VLAN", Way::straight, vlan, "link probe1 type vlan id 5" },
			{ "vxlan", Way::straight, vxlan, "type vxlan id 7 dstport 4789" },
		};

		for (const Topology &more : tunnel_topologies())
			list.push_back(more);
		for (const Topology &more : host_topologies())
			list.push_back(more);
		return list;
	}();
	return all;
}

} // namespace live
