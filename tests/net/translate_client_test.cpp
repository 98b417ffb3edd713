// SPDX-License-Identifier: BSD-2-Clause
/*
 * The translate engine: what clients and listeners ask for that cannot be translated, and interfaces
 * that its programs are not on.
 */
#include <nlohmann/json.hpp>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <signal.h>
#include <unistd.h>

#include <deque>
#include <filesystem>
#include <optional>
#include <thread>

#include "support/translate.h"

namespace live
{

class TranslateClient : public Translate
{
};
TP_INSTANTIATE_RAW(TranslateClient);

TEST_P(TranslateClient, the_same_port_again_with_headers_of_other_lengths)
{
	RawOptions options = { .start_servers = false };

	translated(options, [](RawWorld &w) {
		Socket listener = listen_on(w.service);
		uint32_t isn = 1000;
		std::deque<RawClient> clients;

		for (size_t i = 0; i < 6; i++) {
			RawClient &client = clients.emplace_back(
				w.wire, w.service, RawClientOptions{ .port = 34000, .isn = isn });

			ASSERT_TRUE(client.open()) << i << w.wire.log();
			client.data(w.long_header(100 + 37 * (i % 4)) + "hello");
			ASSERT_TRUE(polls_readable(listener.fd(), 2s)) << i << w.wire.log();
			{
				Accepted a = accept_from(listener);

				EXPECT_EQ(a.address.text(), w.origin());
				EXPECT_EQ(receive_exactly(a.socket.fd(), 5), "hello");
				if (i % 2) { /* the client first: nothing stays at the server */
					client.finish();
					ASSERT_TRUE(client.expect_ack(client.next()))
						<< w.wire.log();
				}
			}
			auto fin = client.expect([](const Segment &s) { return s.has(flag::fin); });
			ASSERT_TRUE(fin) << w.wire.log();
			Segment end = client.segment(flag::ack | (i % 2 ? 0 : flag::fin));
			end.ack = fin->seq + 1;
			client.send(end);
			if (i % 2 == 0) {
				ASSERT_TRUE(client.expect_ack(client.next() + 1)) << w.wire.log();
			}
			client.forget();
			isn += 1000000;
			std::this_thread::sleep_for(5ms); /* a timestamp later */
		}
		EXPECT_TRUE(w.agent->counts("accepted_v2_proxy", 6));
	});
}

/* The programs stay for another connection; what ended on these ports must not change what begins there. */
TEST_P(TranslateClient, the_same_port_again_after_the_agent_has_stopped)
{
	RawOptions options = { .start_servers = false };

	translated(options, [](RawWorld &w) {
		const std::string plain(120, 'p');
		Socket listener = listen_on(w.service);
		std::optional<RawClient> held, next;

		held.emplace(w.wire, w.service);

		ASSERT_TRUE(held->open()) << w.wire.log();
		held->data(w.header(2) + "held");
		ASSERT_TRUE(polls_readable(listener.fd(), 2s)) << w.wire.log();
		std::optional<Accepted> live = accept_from(listener);
		RawClient first(w.wire, w.service, RawClientOptions{ .port = 34000, .isn = 1000 });
		ASSERT_TRUE(first.open()) << w.wire.log();
		first.data(w.header(2) + "hello");
		ASSERT_TRUE(polls_readable(listener.fd(), 2s)) << w.wire.log();
		EXPECT_EQ(receive_exactly(accept_from(listener).socket.fd(), 5), "hello");
		ASSERT_TRUE(first.end_behind_the_server()) << w.wire.log();
		first.forget();
		EXPECT_EQ(w.agent->stop(), 0) << w.agent->process().err();
		std::this_thread::sleep_for(5ms); /* a timestamp later */

		next.emplace(w.wire, w.service, RawClientOptions{ .port = 34000, .isn = 2000000 });
		ASSERT_TRUE(next->open()) << w.wire.log();
		next->data(plain);
		ASSERT_TRUE(polls_readable(listener.fd(), 2s)) << w.wire.log();
		{
			Accepted a = accept_from(listener);

			set_timeout(a.socket.fd(), 2s);
			EXPECT_EQ(receive_exactly(a.socket.fd(), plain.size()), plain)
				<< w.wire.log();
		}
		next.reset();
		held.reset();
		live.reset();
		EXPECT_TRUE(eventually([&] { return w.agent->command({ "unload" }).code == 0; }));
		w.start_agent("translate"); /* for what is checked behind each test */
	});
}

/* ---- listeners and clients ------------------------------------------------------------- */

static std::string mp_capable()
{
	return std::string("\x1e\x04\x01\x81", 4); /* version 1, of a SYN (RFC 8684) */
}

TEST_P(TranslateClient, takes_multipath_and_fast_open_out_of_a_syn)
{
	translated([](RawWorld &w) {
		for (const std::string &extra : { mp_capable(), std::string("\x22\x02\x01\x01", 4),
						  std::string("\xfe\x04\xf9\x89", 4) }) {
			RawClient client(w.wire, w.service);
			Segment syn = client.syn_segment();
			size_t before = w.server->count();

			syn.options += extra;
			syn.payload = w.header(2, 666) + "early"; /* to be sent again */
			auto answer = client.syn(syn);
			if (!answer) /* acknowledged with its data? */
				FAIL() << w.wire.log();
			EXPECT_FALSE(answer->option(30));
			EXPECT_FALSE(answer->option(34));
			client.ack();
			EXPECT_TRUE(client.silent()) << w.wire.log();
			client.data(w.header(2) + "hello");
			w.expect_session(before, w.origin(), "hello");
		}
		w.expect_only("accepted_v2_proxy", 3);
	});
}

/* ---- where the programs are not -------------------------------------------------------- */

/* An interface that they are not on: nothing gets through it. */
TEST_P(TranslateClient, nothing_passes_where_its_programs_are_not)
{
	RawOptions options = { .agent = { "--interface", "lo" } };

	translated(options, [](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(2) + "hello");
		client.send(client.piece(0, w.header(2) + "hello"));
		EXPECT_FALSE(eventually([&] { return w.server->count() > 0; }, 500ms));
	});
}

/* Somebody detaches the links, or, below Linux 6.6, deletes the qdisc. */
static void take_programs_off(const RawWorld &w)
{
	size_t links = 0;

	for (const auto &entry : std::filesystem::directory_iterator(w.agent->pin_dir()))
		if (entry.path().filename().string().rfind("link_translate_in", 0) == 0) {
			int link = bpf_obj_get(entry.path().c_str());

			ASSERT_GE(link, 0);
			EXPECT_EQ(bpf_link_detach(link), 0);
			close(link);
			links++;
		}
	if (links)
		return;
	bpf_tc_hook hook = {};
	hook.sz = sizeof(hook);
	hook.ifindex = (int)if_nametoindex(w.wire.interface().c_str());
	hook.attach_point = (bpf_tc_attach_point)(BPF_TC_INGRESS | BPF_TC_EGRESS);
	EXPECT_EQ(bpf_tc_hook_destroy(&hook), 0);
}

/* They are taken away under a live connection: its bytes must not get to wrong places. */
TEST_P(TranslateClient, a_live_connection_gets_nothing_untranslated)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(2) + "hello");
		w.expect_session(0, w.origin(), "hello");
		w.agent->process().signal(SIGSTOP); /* so that it does not see to it */
		take_programs_off(w);
		client.forget();
		client.data("wrong");
		client.send(client.piece(0, w.header(2) + "hellowrong"));
		EXPECT_FALSE(client.expect_ack(client.next(), 500ms)) << w.wire.log();
		EXPECT_EQ(w.server->sessions()[0].bytes, "hello");
		/* the agent puts them back, and the connection goes on */
		w.agent->process().signal(SIGCONT);
		EXPECT_TRUE(eventually([&] {
			return w.agent->json({ "status" }).value("tc_programs_put_back", 0) > 0;
		}));
		client.send(client.piece(w.header(2).size() + 5, "wrong"));
		w.expect_session(0, w.origin(), "hellowrong");
		RawClient fresh(w.wire, w.service);
		ASSERT_TRUE(fresh.open()) << w.wire.log();
		fresh.data(w.header(2) + "hello");
		w.expect_session(1, w.origin(), "hello");
	});
}

} // namespace live
