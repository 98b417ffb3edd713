// SPDX-License-Identifier: BSD-2-Clause
/*
 * TCP Fast Open listeners whose server speaks first.  What comes in a SYN is not judged yet, so
 * nothing of it may reach the server, and nothing of the server's the client, before there is a
 * header; who tries it falls back to plain TCP, as RFC 7413 has it.
 */
#include "support/lab_world.h"
#include "support/raw_world.h"

namespace live
{

class LabFastOpen : public Lab
{
protected:
	static constexpr int times = 4;
	static constexpr const char *banner = "220 welcome\r\n";

	/* A SYN with a valid cookie that carries `early`; the rest comes as the answer asks for it. */
	static void open_with(LabWorld &w, Station &station, const std::string &early,
			      const std::string &rest);
	void
	run(const std::function<std::pair<std::string, std::string>(const LabWorld &)> &cut_up);
};
TP_INSTANTIATE_LAB(LabFastOpen, true);

static std::string cookie_option(const std::string &cookie)
{
	return option::mss(1460) + "\x22" + (char)(2 + cookie.size()) + cookie +
	       option::nop((2 - cookie.size() % 4) & 3);
}

/* The SYN again, without cookie and data, where it is not answered: RFC 7413, section 4.2.1. */
static std::optional<Segment> answer_to(RawClient &client, Segment syn)
{
	auto is_answer = [](const Segment &s) { return s.has(flag::syn); };
	auto answer = client.expect(is_answer, 500ms);

	if (answer)
		return answer;
	syn.options = option::mss(1460);
	syn.payload.clear();
	client.send(syn);
	return client.expect(is_answer, 2s);
}

void LabFastOpen::open_with(LabWorld &w, Station &station, const std::string &early,
			    const std::string &rest)
{
	std::string host = station.client(w.ipv6), cookie;
	size_t before = w.server->count();

	{ /* whoever asks gets one, from TCP; an engine may give none, which ends Fast Open */
		RawClient asking(station, w.plain, { .host = host });
		Segment syn = asking.syn_segment();

		syn.options = cookie_option("");
		auto answer = asking.syn(syn);
		ASSERT_TRUE(answer && answer->option(34)) << "no cookie" << station.log();
		cookie = *answer->option(34);
	}
	RawClient client(station, w.service, { .host = host });
	Segment syn = client.syn_segment();
	syn.options = cookie_option(cookie);
	syn.payload = early;
	client.send(syn);
	auto answer = answer_to(client, syn);
	ASSERT_TRUE(answer) << station.log();
	size_t taken = answer->ack - syn.seq - 1;
	ASSERT_LE(taken, early.size()) << station.log();

	/* from here on as any client: what was not taken comes again, then the rest */
	std::string bytes = (early + rest).substr(taken);
	Segment ack = client.piece(taken, "");
	ack.ack = answer->seq + 1;
	ack.flags = flag::ack;
	client.send(ack);
	if (early.size() < w.header().size() || taken < early.size()) {
		auto data =
			client.expect([](const Segment &s) { return !s.payload.empty(); }, 200ms);
		EXPECT_FALSE(data)
			<< "the server spoke to a client without a header: " << data->payload
			<< station.log();
		EXPECT_EQ(w.server->count(), before) << "accepted before the header";
	}
	for (int i = 0; i < 4; i++) { /* RFC 6298: again where nothing came of it */
		Segment data = client.piece(taken, bytes);

		data.ack = answer->seq + 1;
		if (!bytes.empty())
			client.send(data);
		if (client.expect(
			    [&](const Segment &s) {
				    return s.payload.find(banner) != std::string::npos;
			    },
			    700ms))
			break;
	}
	w.expect_session(before, w.origin(), "hello", station.log());
	/* resets of its own numbers */
	Segment end = client.piece(early.size() + rest.size(), "");
	end.flags = flag::rst;
	client.send(end);
}

void LabFastOpen::run(
	const std::function<std::pair<std::string, std::string>(const LabWorld &)> &cut_up)
{
	lab([&](LabWorld &w) {
		/* 0x400: for each listener, as if it had asked for it */
		set_sysctl("net.ipv4.tcp_fastopen", "1027");
		Neighbour proxy(w, "eth0", 1);
		auto [early, rest] = cut_up(w);

		w.start(w.at(1, 1), { .server = { .banner = banner } });
		for (int i = 0; i < times && !testing::Test::HasFailure(); i++)
			open_with(w, *proxy.station, early, rest);
		w.expect_no_name_but({ w.ipv6 ? "2001:db8::9" : "203.0.113.9" });
	});
}

TEST_P(LabFastOpen, half_a_header_in_the_syn_is_served)
{
	run([](const LabWorld &w) {
		return std::make_pair(w.header().substr(0, 20), w.header().substr(20) + "hello");
	});
}

TEST_P(LabFastOpen, cookie_without_data_is_served)
{
	run([](const LabWorld &w) { return std::make_pair("", w.header() + "hello"); });
}

TEST_P(LabFastOpen, whole_header_in_the_syn_is_served)
{
	run([](const LabWorld &w) { return std::make_pair(w.header(), "hello"); });
}

TEST_P(LabFastOpen, header_and_data_in_the_syn_are_served)
{
	run([](const LabWorld &w) { return std::make_pair(w.header() + "hello", ""); });
}

/* No header at all: refused, whatever of it was in the SYN. */
TEST_P(LabFastOpen, data_without_header_in_the_syn_is_refused)
{
	lab([&](LabWorld &w) {
		set_sysctl("net.ipv4.tcp_fastopen", "1031"); /* ... and without a cookie */
		Neighbour proxy(w, "eth0", 1);

		w.start(w.at(1, 1), { .server = { .banner = banner } });
		proxy.station->resolve(w.at(1, 1));
		for (int i = 0; i < times; i++) {
			RawClient client(*proxy.station, w.service, { .host = w.at(1, 2) });
			Segment syn = client.syn_segment();

			syn.payload = "GET / HTTP/1.0\r\n\r\n";
			client.send(syn);
			auto answer = answer_to(client, syn);
			ASSERT_TRUE(answer) << client.wire().log();
			Segment data = client.piece(answer->ack - syn.seq - 1, syn.payload);
			data.ack = answer->seq + 1;
			client.send(data);
			auto spoken = client.expect(
				[](const Segment &s) { return !s.payload.empty(); }, 200ms);
			EXPECT_FALSE(spoken) << spoken->payload << client.wire().log();
		}
		EXPECT_EQ(w.server->count(), 0u) << w.counted();
	});
}

} // namespace live
