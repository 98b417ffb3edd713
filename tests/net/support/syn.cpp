// SPDX-License-Identifier: BSD-2-Clause
#include "syn.h"

#include <deque>
#include <stdexcept>

namespace live
{

/* All that must be equal, as text. */
static std::string essence(const std::optional<Segment> &answer, uint32_t client_isn)
{
	if (!answer)
		return "silence";
	Segment s = *answer;
	/* timestamps: only the value is the server's own */
	if (s.timestamps())
		s.options.replace(s.options.find("\x08\x0a") + 2, 4, 4, '\0');
	return describe(s, s.seq, client_isn) + " urgent " + std::to_string(s.urgent) + " hops " +
	       std::to_string(s.ttl) + " tos " + std::to_string(s.tos) +
	       (s.dont_fragment ? " DF" : "") + (s.flow_label ? " flow label" : "") +
	       " IP options of " + std::to_string(s.ip_options.size()) + " vlan " +
	       std::to_string(s.vlan);
}

std::function<void(Segment &)> with(const std::string &options)
{
	return [=](Segment &s) { s.options = options; };
}

std::function<void(Segment &)> with_flags(uint16_t flags)
{
	return [=](Segment &s) { s.flags |= flags; };
}

void compare(RawWorld &w, const std::vector<Syn> &syns, const std::string &what, Ms patience)
{
	struct Ports {
		RawClient plain, service;
		Segment syn = {};

		explicit Ports(RawWorld &w) : plain(w.wire, w.plain), service(w.wire, w.service) {}
	};
	std::deque<Ports> pairs;
	auto any = [](const Segment &) { return true; };

	for (const Syn &syn : syns) {
		Ports &p = pairs.emplace_back(w);

		p.syn = p.plain.syn_segment();
		syn.change(p.syn);
		/* every second one as from a host whose network card writes the checksum */
		RawWire::How how;
		if (pairs.size() % 2 && !p.syn.bad_checksum)
			how.checksum = Checksum::partial;
		w.wire.send(p.syn, how);
		p.syn.source_port = p.service.port();
		p.syn.destination_port = w.service.port();
		w.wire.send(p.syn, how);
	}
	for (size_t i = 0; i < syns.size(); i++) {
		Ports &p = pairs[i];
		/* the kernel's silence is as good an answer; then the patience is over */
		auto plain = p.plain.expect(any, patience);
		auto service = p.service.expect(any, plain ? 1s : 50ms);

		EXPECT_EQ(essence(service, p.syn.seq), essence(plain, p.syn.seq))
			<< "SYN with " << syns[i].name << " " << what;
		for (RawClient *client : { &p.plain, &p.service }) {
			Segment reset = client->segment(flag::rst); /* nothing stays behind */

			reset.seq = p.syn.seq + 1;
			client->send(reset);
		}
	}
}

bool agree(RawWorld &w, const Syn &syn)
{
	RawClient plain(w.wire, w.plain), service(w.wire, w.service);
	Segment s = plain.syn_segment();

	syn.change(s);
	w.wire.send(s);
	s.source_port = service.port();
	s.destination_port = w.service.port();
	w.wire.send(s);
	auto any = [](const Segment &) { return true; };
	std::string first = essence(plain.expect(any, 1s), s.seq);
	std::string second = essence(service.expect(any, 1s), s.seq);
	for (RawClient *client : { &plain, &service }) {
		Segment reset = client->segment(flag::rst);

		reset.seq = s.seq + 1;
		client->send(reset);
	}
	return first == second;
}

std::vector<Syn> usual_syns()
{
	using namespace option;
	return {
		{ "all options", [](Segment &) {} },
		{ "no options", with("") },
		{ "MSS and scale", with(mss(1400) + nop() + scale(9)) },
		{ "MSS and timestamps", with(mss(1460) + nop(2) + timestamps(77)) },
		{ "ECN", with_flags(flag::ece | flag::cwr) },
	};
}

std::vector<Socket> listeners(const RawWorld &w, const ListenersOf &how)
{
	std::vector<Socket> result;

	for (uint16_t port : { 8080, 8081 }) {
		Endpoint local =
			endpoint(how.address.empty() ? w.service.host() : how.address, port);
		Socket s(socket(local.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));

		set_option(s.fd(), SOL_SOCKET, SO_REUSEADDR, 1);
		how.before(s.fd());
		if (bind(s.fd(), (const sockaddr *)&local.storage, local.size) ||
		    listen(s.fd(), how.backlog))
			throw std::runtime_error("listen: " + local.text());
		how.after(s.fd());
		result.push_back(std::move(s));
	}
	return result;
}

} // namespace live
