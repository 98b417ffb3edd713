// SPDX-License-Identifier: BSD-2-Clause
/*
 * The translate engine where netfilter on this host redirects connections: which flow on the wire is which socket's.
 * The agent stands still where it would sweep what the programs themselves are to let go.
 */
#include <bpf/bpf.h>
#include <signal.h>

#include <thread>
#include <utility>
#include <vector>

#include "bpf/abi.h"
#include "support/maps.h"
#include "support/translate.h"

namespace live
{

class TranslateWires : public Translate
{
protected:
	/* Port 80 of the wire is this port of the host. */
	static void redirect_to(uint16_t port)
	{
		nft("table inet t { }\n"
		    "delete table inet t\n"
		    "table inet t {\n"
		    "  chain pre { type nat hook prerouting priority -100;\n"
		    "    tcp dport 80 redirect to :" +
		    std::to_string(port) +
		    "; }\n"
		    "}\n");
	}
	static Endpoint redirected(const RawWorld &w) { return endpoint(w.service.host(), 80); }
	static size_t wires(const RawWorld &w) { return w.agent->entries("tp_wires"); }

	static Socket pinned(const RawWorld &w, const std::string &map)
	{
		Socket fd(bpf_obj_get((w.agent->pin_dir() + "/" + map).c_str()));

		if (!fd)
			give_up("open map: " + map);
		return fd;
	}

	/* The only connection that has ended did so when nothing more can be said for it. */
	static void let_its_time_be_over(const RawWorld &w)
	{
		Socket queue = pinned(w, "tp_ended"), map = pinned(w, "tp_translations");
		tp_translation translation = {};
		tp_ended_entry ended = {};

		ASSERT_EQ(bpf_map_lookup_and_delete_elem(queue.fd(), nullptr, &ended), 0);
		ASSERT_EQ(bpf_map_lookup_elem(map.fd(), &ended.flow, &translation), 0);
		ASSERT_EQ(translation.state, TP_TRANSLATION_ENDED);
		ended.ended_ns -= TP_ENDED_NS;
		translation.ended_ns = ended.ended_ns;
		ASSERT_EQ(bpf_map_update_elem(map.fd(), &ended.flow, &translation, BPF_EXIST), 0);
		ASSERT_EQ(bpf_map_update_elem(queue.fd(), nullptr, &ended, BPF_ANY), 0);
	}
};
TP_INSTANTIATE_RAW(TranslateWires);

/* ---- what never is translated ----------------------------------------------------------- */

TEST_P(TranslateWires, nothing_is_kept_of_a_client_without_a_header)
{
	translated([](RawWorld &w) {
		Finished done =
			w.agent->command({ "policy", "set", w.wire.clients(w.ipv6), "use" });

		ASSERT_EQ(done.code, 0) << done.err;
		redirect_to(8080);
		w.agent->process().signal(SIGSTOP);
		RawClient client(w.wire, redirected(w));
		ASSERT_TRUE(client.open()) << w.wire.log();
		EXPECT_EQ(wires(w), 2u);
		client.data("GET / HTTP/1.0");
		w.expect_session(0, client.text(), "GET / HTTP/1.0");
		EXPECT_EQ(wires(w), 0u);
		w.agent->process().signal(SIGCONT);
	});
}

TEST_P(TranslateWires, nothing_is_kept_of_a_client_that_resets)
{
	translated([](RawWorld &w) {
		redirect_to(8080);
		w.agent->process().signal(SIGSTOP);
		RawClient client(w.wire, redirected(w));
		ASSERT_TRUE(client.open()) << w.wire.log();
		EXPECT_EQ(wires(w), 2u);
		client.send(client.segment(flag::rst | flag::ack));
		EXPECT_TRUE(eventually([&] { return wires(w) == 0; }));
		w.agent->process().signal(SIGCONT);
	});
}

/* The port's next connection comes straight to the service, while the first one's entry is there. */
TEST_P(TranslateWires, nothing_is_kept_of_a_client_that_begins_anew)
{
	translated([](RawWorld &w) {
		redirect_to(8080);
		w.agent->process().signal(SIGSTOP);
		RawClient first(w.wire, redirected(w), { .port = 34000 });
		ASSERT_TRUE(first.syn()) << w.wire.log();
		EXPECT_EQ(wires(w), 2u);
		/* TCP and connection tracking give it up */
		set_sysctl("net.netfilter.nf_conntrack_tcp_timeout_syn_recv", "1");
		first.send(first.syn_segment());
		Finished kill = run({ "ss", "-K", "-tn", "state", "syn-recv" });
		ASSERT_EQ(kill.code, 0) << kill.err;
		ASSERT_EQ(w.sockets(), 1u) << "the listener";
		std::this_thread::sleep_for(1100ms);
		RawClient next(w.wire, w.service, { .port = 34000 });
		ASSERT_TRUE(next.open()) << w.wire.log();
		EXPECT_EQ(wires(w), 0u);
		next.data(w.header(2) + "hello");
		w.expect_session(0, w.origin(), "hello");
		w.agent->process().signal(SIGCONT);
	});
}

/* ---- what is translated ------------------------------------------------------------------- */

/* A flow on the wire leads to another socket by the time its last connection, which the server ended, is forgotten. */
TEST_P(TranslateWires, end_of_a_connection_leaves_the_next_one_of_its_flow_alone)
{
	RawOptions options = { .start_servers = false, .start_agent = false };

	translated(options, [](RawWorld &w) {
		Socket service = listen_on(w.service), other = listen_on(w.plain);
		RawClient first(w.wire, redirected(w), { .port = 34000, .isn = 1000 });
		RawClient next(w.wire, redirected(w), { .port = 34000, .isn = 2000000 });

		w.start_agent("translate", { "--listen", w.plain.text() });
		redirect_to(8080);
		ASSERT_TRUE(first.open()) << w.wire.log();
		first.data(w.header(2) + "hello");
		ASSERT_TRUE(polls_readable(service.fd(), 2s)) << w.wire.log();
		EXPECT_EQ(receive_exactly(accept_from(service).socket.fd(), 5), "hello");
		ASSERT_TRUE(first.end_behind_the_server()) << w.wire.log();
		std::this_thread::sleep_for(5ms); /* a timestamp later */
		redirect_to(8081);
		ASSERT_TRUE(next.open()) << w.wire.log();
		next.data(w.header(1) + "hello");
		ASSERT_TRUE(polls_readable(other.fd(), 2s)) << w.wire.log();
		Accepted accepted = accept_from(other);
		EXPECT_EQ(accepted.address.text(), w.origin());
		EXPECT_EQ(w.agent->entries("tp_translations"), 2u);
		let_its_time_be_over(w);
		EXPECT_TRUE(eventually([&] { return w.agent->entries("tp_translations") == 1; }));
		next.data(" again");
		EXPECT_EQ(receive_exactly(accepted.socket.fd(), 11), "hello again") << w.wire.log();
		EXPECT_EQ(wires(w), 2u);
	});
}

/* The programs at tc do not know whose a segment is; the gate, behind netfilter, does. */
TEST_P(TranslateWires, nothing_untranslated_passes_whose_flow_tc_does_not_know)
{
	translated([](RawWorld &w) {
		Socket map = pinned(w, "tp_wires");
		std::vector<std::pair<tp_flow, tp_flow>> known;
		tp_flow key = {}, next = {}, value = {};

		redirect_to(8080);
		w.agent->process().signal(SIGSTOP);
		RawClient client(w.wire, redirected(w));
		std::string header = w.header(2);
		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(header + "hello");
		w.expect_session(0, w.origin(), "hello");
		for (; !bpf_map_get_next_key(map.fd(), known.empty() ? nullptr : &key, &next);
		     key = next) {
			ASSERT_EQ(bpf_map_lookup_elem(map.fd(), &next, &value), 0);
			known.emplace_back(next, value);
		}
		ASSERT_EQ(known.size(), 2u);
		clear_map(*w.agent, "tp_wires");
		client.send(client.piece(0, header + "hellowrong"));
		std::this_thread::sleep_for(50ms);
		EXPECT_EQ(w.server->sessions().at(0).bytes, "hello") << w.wire.log();
		for (const auto &[from, to] : known)
			ASSERT_EQ(bpf_map_update_elem(map.fd(), &from, &to, BPF_ANY), 0);
		client.data(" again");
		w.expect_session(0, w.origin(), "hello again");
		w.agent->process().signal(SIGCONT);
	});
}

} // namespace live
