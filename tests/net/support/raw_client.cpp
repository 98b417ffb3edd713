// SPDX-License-Identifier: BSD-2-Clause
#include <gtest/gtest.h>

#include <ctime>
#include <exception>
#include <random>

#include "raw.h"

namespace live
{

static uint32_t random_number()
{
	static std::random_device source;

	return source();
}

static uint16_t next_port()
{
	static uint16_t port = 20000;

	return port == 60000 ? port = 20000 : ++port;
}

RawClient::RawClient(Line &wire, const Endpoint &server, const RawClientOptions &options)
    : wire_(wire), server_(server),
      host_(options.host.empty() ? wire.client(server.family() == AF_INET6) : options.host),
      port_(options.port ? options.port : next_port()),
      isn_(options.isn ? *options.isn : random_number()), next_(isn_ + 1)
{
}

RawClient::~RawClient()
{
	try {
		if (expected_)
			reset();
	} catch (const std::exception &error) {
		ADD_FAILURE() << error.what();
	}
}

/*
 * TCP obeys a reset with the number that it expects, and no other (RFC 5961).  Where the test has
 * sent segments by hand that is not next_: the last acknowledgement, a challenge perhaps, has it.
 */
void RawClient::reset()
{
	send(segment(flag::rst | flag::ack));
	while (auto s = wire_.receive([&](const Segment &r) { return mine(r); }, 0ms))
		learn(*s);
	if (acknowledged_ && acknowledged_ != next_) {
		next_ = acknowledged_;
		send(segment(flag::rst | flag::ack));
	}
}

/* Milliseconds, the same for all clients of the host, as a kernel without offsets has them. */
uint32_t RawClient::timestamp() const
{
	timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000) + 0x10000000;
}

Segment RawClient::segment(uint16_t flags, const std::string &payload) const
{
	Segment s;

	s.source = host_;
	s.source_port = port_;
	s.destination = server_.host();
	s.destination_port = server_.port();
	s.flags = flags;
	s.seq = next_;
	s.ack = flags & flag::ack ? expected_ : 0;
	s.window = 502;
	if (timestamps_ && !(flags & flag::rst))
		s.options = option::nop(2) + option::timestamps(timestamp(), echo_);
	s.payload = payload;
	return s;
}

Segment RawClient::piece(size_t offset, const std::string &payload) const
{
	Segment s = segment(flag::ack | flag::psh, payload);

	s.seq = isn_ + 1 + (uint32_t)offset;
	return s;
}

Segment RawClient::syn_segment(const SynOptions &options) const
{
	Segment s;

	s.source = host_;
	s.source_port = port_;
	s.destination = server_.host();
	s.destination_port = server_.port();
	s.flags = flag::syn;
	s.seq = isn_;
	s.window = 64240;
	if (options.mss)
		s.options += option::mss(options.mss);
	if (options.sack)
		s.options += options.timestamps ? option::sack_permitted() :
						  option::nop(2) + option::sack_permitted();
	if (options.timestamps)
		s.options += (options.sack ? "" : option::nop(2)) + option::timestamps(timestamp());
	if (options.scale >= 0)
		s.options += option::nop() + option::scale((uint8_t)options.scale);
	return s;
}

std::optional<Segment> RawClient::syn(const Segment &s, Ms timeout)
{
	send(s);
	auto answer = expect(
		[&](const Segment &a) {
			return a.has(flag::syn | flag::ack) && a.ack == s.seq + 1;
		},
		timeout);

	if (!answer)
		return {};
	isn_ = s.seq;
	next_ = s.seq + 1;
	server_isn_ = answer->seq;
	expected_ = answer->seq + 1;
	timestamps_ = answer->timestamps().has_value();
	learn(*answer);
	return answer;
}

bool RawClient::open(const SynOptions &options)
{
	if (!syn(options))
		return false;
	ack();
	return true;
}

void RawClient::data(const std::string &payload, uint16_t flags)
{
	Segment s = segment(flags, payload);

	send(s);
	next_ += s.length();
}

std::optional<Segment> RawClient::end_behind_the_server()
{
	auto fin = expect([](const Segment &s) { return s.has(flag::fin); });
	Segment end = segment(flag::ack | flag::fin);

	if (!fin)
		return {};
	end.ack = fin->seq + 1;
	send(end);
	return expect_ack(next() + 1) ? std::optional(end) : std::nullopt;
}

bool RawClient::mine(const Segment &s) const
{
	return s.destination_port == port_ && s.source_port == server_.port() &&
	       s.destination == host_ && s.source == server_.host();
}

void RawClient::learn(const Segment &s)
{
	if (auto t = s.timestamps())
		echo_ = t->value;
	if (s.has(flag::ack) && !(s.flags & flag::rst) && (int32_t)(s.ack - isn_) > 0)
		acknowledged_ = s.ack;
}

std::optional<Segment> RawClient::expect(const Line::Wanted &wanted, Ms timeout)
{
	auto s = wire_.receive([&](const Segment &r) { return mine(r) && wanted(r); },
			       scaled(timeout));

	if (s)
		learn(*s);
	return s;
}

std::optional<Segment> RawClient::expect_ack(uint32_t number, Ms timeout)
{
	return expect(
		[&](const Segment &s) {
			return s.has(flag::ack) && !(s.flags & (flag::rst | flag::syn)) &&
			       (int32_t)(s.ack - number) >= 0;
		},
		timeout);
}

std::optional<Segment> RawClient::expect_reset(Ms timeout)
{
	return expect([](const Segment &s) { return s.has(flag::rst); }, timeout);
}

std::string RawClient::receive(size_t size, Ms timeout)
{
	std::string bytes;

	while (bytes.size() < size) {
		auto s = expect(
			[&](const Segment &r) { return !r.payload.empty() && r.seq == expected_; },
			timeout);

		if (!s)
			break;
		bytes += s->payload;
		take(*s);
		ack();
	}
	return bytes;
}

bool RawClient::silent(Ms duration)
{
	return !wire_.receive([&](const Segment &s) { return mine(s); }, duration);
}

void RawClient::forget()
{
	wire_.forget([&](const Segment &s) { return mine(s); });
}

} // namespace live
