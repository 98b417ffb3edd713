// SPDX-License-Identifier: BSD-2-Clause
/* The SYN-ACK of the engine is the kernel's, whatever the host's and the listener's settings. */
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>

#include "support/syn.h"

namespace live
{

class HandshakeHost : public Raw
{
};
TP_INSTANTIATE_RAW(HandshakeHost);

TEST_P(HandshakeHost, settings_of_the_host_show_in_the_syn_ack)
{
	const std::vector<std::vector<std::string>> settings = {
		{ "net.ipv4.tcp_timestamps", "0", "2" },
		{ "net.ipv4.tcp_sack", "0" },
		{ "net.ipv4.tcp_window_scaling", "0" },
		{ "net.ipv4.tcp_ecn", "0", "1", "2" },
		{ "net.ipv4.tcp_reflect_tos", "1" },
		{ "net.ipv4.ip_default_ttl", "99" },
		{ "net.ipv4.ip_no_pmtu_disc", "1" },
		{ "net.ipv4.tcp_workaround_signed_windows", "1" },
		{ "net.ipv4.tcp_rmem", "4096 20000 6000000", "4096 131072 131072" },
		{ "net.ipv4.tcp_adv_win_scale", "3" },
		{ "net.ipv6.conf.tp1.hop_limit", "77" },
		{ "net.ipv6.auto_flowlabels", "0" },
		{ "net.ipv6.flowlabel_reflect", "2" },
	};
	std::vector<Syn> syns = usual_syns();

	syns.push_back({ "accurate ECN", with_flags(flag::ae | flag::ece | flag::cwr) });
	syns.push_back({ "TOS and flow label", [](Segment &s) {
				s.tos = 0xb8;
				s.flow_label = s.ipv6() ? 0x54321 : 0;
			} });
	raw([&](RawWorld &w) {
		for (const auto &setting : settings) {
			std::string path = setting[0], kept;

			std::replace(path.begin(), path.end(), '.', '/');
			kept = read_file("/proc/sys/" + path);
			for (size_t i = 1; i < setting.size(); i++) {
				set_sysctl(setting[0], setting[i]);
				/* new sockets: some settings are taken when they are made */
				w.server.reset();
				w.plain_server.reset();
				auto both = listeners(w, {});
				compare(w, syns, "and " + setting[0] + " = " + setting[i]);
			}
			set_sysctl(setting[0], kept);
		}
	});
}

TEST_P(HandshakeHost, options_of_the_listener_show_in_the_syn_ack)
{
	bool ipv6 = GetParam();
	struct Option {
		const char *name;
		int level, number;
		std::vector<int> values;
	};
	const std::vector<Option> table = {
		{ "SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, { 2048, 4096, 65536, 1000000 } },
		{ "SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, { 4096 } },
		{ "TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG, { 700, 1300 } },
		{ "TCP_WINDOW_CLAMP", IPPROTO_TCP, TCP_WINDOW_CLAMP, { 5000, 100000 } },
		{ "TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT, { 1 } },
		{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, { 1 } },
		{ "IP_TOS", IPPROTO_IP, IP_TOS, { 0x88, 0x03 } },
		{ "IP_TTL", IPPROTO_IP, IP_TTL, { 33 } },
		{ "IP_MTU_DISCOVER",
		  IPPROTO_IP,
		  IP_MTU_DISCOVER,
		  { IP_PMTUDISC_DONT, IP_PMTUDISC_DO, IP_PMTUDISC_PROBE } },
		{ "IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS, { 0x88, 0x03 } },
		{ "IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, { 33 } },
		{ "IPV6_AUTOFLOWLABEL", IPPROTO_IPV6, 70, { 0, 1 } },
	};

	raw({ .start_servers = false }, [&](RawWorld &w) {
		for (const Option &option : table) {
			if (option.level == IPPROTO_IPV6 && !ipv6)
				continue;
			for (int value : option.values) {
				auto set = [&](int fd) {
					set_option(fd, option.level, option.number, value);
				};
				std::string what = std::string("and ") + option.name + " " +
						   std::to_string(value);

				{
					auto both = listeners(w, { .before = set });
					compare(w, usual_syns(), what + " before listen()");
				}
				auto both = listeners(w, { .after = set });
				compare(w, usual_syns(), what + " after listen()");
			}
		}
		auto any = listeners(w, { .address = ipv6 ? "::" : "0.0.0.0" });
		compare(w, usual_syns(), "and a listener on any address");
	});
}

/* IPv4 clients of an IPv6 listener. */
TEST_P(HandshakeHost, listener_for_both_families_answers_ipv4_as_the_kernel)
{
	raw({ .start_servers = false }, [&](RawWorld &w) {
		auto both =
			listeners(w, { .address = "::", .before = [](int fd) {
					      set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
					      set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, 0x20);
					      set_option(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 21);
					      set_option(fd, IPPROTO_IP, IP_TOS, 0x40);
					      set_option(fd, IPPROTO_IP, IP_TTL, 22);
				      } });

		compare(w, usual_syns());
	});
}

TEST_P(HandshakeHost, route_and_interface_show_in_the_syn_ack)
{
	raw([&](RawWorld &w) {
		std::string route = "route change " + w.wire.clients(w.ipv6) + " via " +
				    w.wire.gateway(w.ipv6) + " dev " + w.wire.interface();
		std::vector<Syn> syns = usual_syns();

		for (const std::string metric :
		     { "advmss 1200", "window 4000", "initrwnd 4", "initrwnd 40", "mtu 1300",
		       "mtu lock 1300", "hoplimit 12", "features ecn" }) {
			ip_batch(route + " " + metric + "\n");
			/* the agent hears of it a moment later */
			EXPECT_TRUE(eventually([&] { return agree(w, syns[0]); }));
			for (const char *ecn : { "2", "0" }) {
				set_sysctl("net.ipv4.tcp_ecn", ecn);
				compare(w, syns, "and a route with " + metric + ", tcp_ecn " + ecn);
			}
			set_sysctl("net.ipv4.tcp_ecn", "2");
		}
		ip_batch(route + "\n");
		EXPECT_TRUE(eventually([&] { return agree(w, syns[0]); }));
		for (const char *mtu : { "1300", "1400", "9000" }) {
			ip_batch("link set " + w.wire.interface() + " mtu " + mtu + "\n");
			compare(w, syns, std::string("and an MTU of ") + mtu);
		}
	});
}

} // namespace live
