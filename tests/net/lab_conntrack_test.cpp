// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hosts that track connections strictly: what does not begin with a SYN that they have seen is
 * dropped.  `auto` finds an engine that works there, and says why it is not the usual one.
 */
#include <nlohmann/json.hpp>

#include "support/lab_world.h"
#include "support/raw_world.h"

namespace live
{

class LabConntrack : public Lab
{
protected:
	struct Place {
		Host far;

		Place(LabWorld &w, const std::string &rules)
		{
			cable(w.host, "eth0", far, "eth0");
			w.host.address("eth0", 1, 1);
			far.address("eth0", 1, 2);
			w.host.nft("table inet filter {\n chain in {\n"
				   "  type filter hook input priority 0\n" +
				   rules + " }\n}\n");
		}
	};

	static uint64_t events_of_acceptance(const LabWorld &w)
	{
		uint64_t n = 0;

		for (const auto &[outcome, count] : w.agent->event_counts())
			n += outcome.rfind("accepted", 0) == 0 ? count : 0;
		return n;
	}
	/* Clients that get nothing must not be told of as accepted. */
	static void expect_honest_events(LabWorld &w)
	{
		EXPECT_TRUE(eventually([&] { return events_of_acceptance(w) == w.server->count(); },
				       1s))
			<< events_of_acceptance(w) << " events for " << w.server->count()
			<< " sockets, " << w.counted();
	}
	static void serve(LabWorld &w, const Place &place, const std::string &rest)
	{
		size_t index = w.server->count();
		std::string bytes = w.header() + rest;
		Client client = place.far.connect(w.service, {}, 3s);

		EXPECT_EQ(client.error(), 0) << w.counted();
		client.send(cut(bytes, { 9 }));
		w.expect_session(index, w.origin(), rest);
		EXPECT_EQ(client.receive(rest.size(), 2s).bytes, rest);
	}
	bool is_auto() const { return GetParam().engine == "auto"; }
};
TP_INSTANTIATE_LAB(LabConntrack, true);

static const std::string invalid_is_dropped = "  ct state invalid drop\n";
static const std::string new_must_be_syn =
	"  tcp flags & (fin | syn | rst | ack) != syn ct state new drop\n";

TEST_P(LabConntrack, loose_lets_every_engine_serve)
{
	lab([](LabWorld &w) {
		Place place(w, invalid_is_dropped);

		w.start(w.at(1, 1), { .server = { .echo = true } });
		serve(w, place, std::string(5000, 'x'));
		expect_honest_events(w);
	});
}

TEST_P(LabConntrack, strict_is_served_or_refused_at_the_start)
{
	lab([this](LabWorld &w) {
		Place place(w, invalid_is_dropped + new_must_be_syn);

		set_sysctl("net.netfilter.nf_conntrack_tcp_loose", "0");
		if (w.engine == "handshake") {
			/* what has been asked for by name cannot work: it says so or it works */
			LabOptions options{ .server = { .echo = true } };

			try {
				w.start(w.at(1, 1), options);
			} catch (const std::runtime_error &e) {
				EXPECT_NE(std::string(e.what()).find("nf_conntrack_tcp_loose"),
					  std::string::npos)
					<< e.what();
				return;
			}
			Client client = place.far.connect(w.service, {}, 1s);
			client.send(w.header() + "hello");
			client.receive(5, 1s);
			expect_honest_events(w);
			return;
		}
		w.start(w.at(1, 1), { .server = { .echo = true } });
		serve(w, place, std::string(5000, 'x'));
		expect_honest_events(w);
		std::string status = w.agent->command({ "status" }).out;
		if (is_auto()) {
			EXPECT_NE(status.find("nf_conntrack_tcp_loose"), std::string::npos)
				<< status;
		}
	});
}

/* A rule that no sysctl tells of. */
TEST_P(LabConntrack, rule_that_connections_begin_with_a_syn_is_kept_to)
{
	lab([](LabWorld &w) {
		Place place(w, new_must_be_syn);

		w.start(w.at(1, 1), { .server = { .echo = true } });
		Client client = place.far.connect(w.service, {}, 1s);
		client.send(w.header() + "hello");
		client.receive(5, 1s);
		expect_honest_events(w);
		if (w.engine != "handshake" && w.engine != "auto")
			w.expect_session(0, w.origin(), "hello");
	});
}

/* Switched while the agent runs: it must not stay with what has stopped working. */
TEST_P(LabConntrack, strict_from_now_on_is_noticed)
{
	lab([this](LabWorld &w) {
		Place place(w, invalid_is_dropped);

		w.start(w.at(1, 1), { .server = { .echo = true } });
		serve(w, place, "before");
		set_sysctl("net.netfilter.nf_conntrack_tcp_loose", "0");
		if (is_auto()) {
			serve(w, place, "after"); /* each SYN asks */
			std::string status = w.agent->command({ "status" }).out;
			EXPECT_NE(status.find("nf_conntrack_tcp_loose"), std::string::npos)
				<< status;
		}
		expect_honest_events(w);
	});
}

} // namespace live
