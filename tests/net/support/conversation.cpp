// SPDX-License-Identifier: BSD-2-Clause
#include "conversation.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace live
{

Conversation::Conversation(RawWorld &w, bool translated, const std::string &header)
    : w_(w), translated_(translated), header_(header),
      listener_(listen_on(translated ? w.service : w.plain)),
      client_(w.wire, translated ? w.service : w.plain)
{
	if (!client_.open())
		throw std::runtime_error("no connection" + log());
	numbers_.emplace(client_.isn());
}

/* ---- the client ------------------------------------------------------------------------- */

void Conversation::say(const std::string &bytes, uint16_t flags)
{
	numbers_->sent(client_.segment(flags, bytes));
	client_.data(bytes, flags);
}

void Conversation::say_at(uint32_t offset, const std::string &bytes, uint16_t flags)
{
	Segment s = client_.segment(flags, bytes);

	s.seq = client_.isn() + 1 + offset;
	numbers_->sent(s);
	client_.send(s);
}

void Conversation::reset()
{
	client_.send(client_.segment(flag::rst | flag::ack));
}

void Conversation::probe() const
{
	Segment s = client_.segment(flag::ack);

	s.seq--;
	client_.send(s);
}

/* What the server says begins and ends where its application's calls do. */
void Conversation::check_written(const Segment &s) const
{
	uint32_t begin = s.seq - client_.server_isn() - 1;

	EXPECT_TRUE(writes_.count(begin) && writes_.count(begin + s.length()))
		<< describe(s, client_.server_isn() + 1, client_.isn() + 1) << log();
}

/* The first segment that is wanted, which is noted; all others are judged, too. */
std::optional<Segment> Conversation::hear(const char *what, const Line::Wanted &wanted, bool blocks)
{
	for (;;) {
		auto s = client_.expect([](const Segment &) { return true; });

		if (!s) {
			ADD_FAILURE() << "nothing heard that " << what << ", behind "
				      << testing::PrintToString(noted_) << log();
			return {};
		}
		numbers_->heard(*s);
		check_written(*s);
		if (!wanted(*s))
			continue;
		std::string line = std::string(what) + ": flags " + std::to_string(s->flags) +
				   " seq " + std::to_string(s->seq - client_.server_isn() - 1) +
				   " length " + std::to_string(s->payload.size());
		if (s->flags & flag::ack)
			line += " ack " + std::to_string(numbers_->offset(s->ack));
		for (uint32_t edge : s->sack_edges())
			line += blocks ? " edge " + std::to_string(numbers_->offset(edge)) : "";
		noted_.push_back(line);
		return s;
	}
}

void Conversation::expect_ack(uint32_t offset, size_t blocks)
{
	hear("acknowledges", [&](const Segment &s) {
		return s.has(flag::ack) && !(s.flags & (flag::rst | flag::syn)) &&
		       numbers_->offset(s.ack) == offset && s.sack_edges().size() == 2 * blocks;
	});
}

void Conversation::expect_only_ack(uint32_t offset)
{
	hear(
		"acknowledges", [&](const Segment &s) { return numbers_->offset(s.ack) == offset; },
		false);
}

void Conversation::expect_data(const std::string &bytes)
{
	std::string got;

	while (got.size() < bytes.size()) {
		auto s = hear("has data", [&](const Segment &r) {
			return !r.payload.empty() && r.seq == client_.expected();
		});

		if (!s)
			return;
		got += s->payload;
		client_.take(*s);
	}
	EXPECT_EQ(got, bytes) << log();
	client_.ack();
}

void Conversation::expect_data_again(const std::string &bytes)
{
	std::optional<Segment> s;

	for (const char *what : { "has data", "has it again" })
		s = hear(what, [&](const Segment &r) {
			return r.payload == bytes && r.seq == client_.expected();
		});
	if (s)
		client_.take(*s);
	client_.ack();
}

void Conversation::expect_end()
{
	auto s = hear("ends", [](const Segment &r) { return r.has(flag::fin); });

	if (s)
		client_.take(*s);
	client_.ack();
}

void Conversation::expect_reset()
{
	hear("resets", [](const Segment &s) { return s.has(flag::rst); });
}

/* ---- the server -------------------------------------------------------------------------- */

void Conversation::accept()
{
	Accepted accepted = accept_from(listener_);
	std::string header(header_.size(), '\0');

	socket_ = std::move(accepted.socket);
	set_option(socket_.fd(), IPPROTO_TCP, TCP_NODELAY, 1);
	if (translated_) {
		EXPECT_EQ(accepted.address.text(), w_.origin()) << log();
		return;
	}
	EXPECT_EQ(accepted.address.text(), client_.text());
	/* as it is done: it looks at what is there, and takes no more than the header */
	EXPECT_EQ(recv(socket_.fd(), header.data(), header.size(), MSG_PEEK | MSG_WAITALL),
		  (ssize_t)header.size());
	EXPECT_EQ(receive_exactly(socket_.fd(), header.size()), header_);
}

void Conversation::read(const std::string &bytes)
{
	EXPECT_EQ(receive_exactly(socket_.fd(), bytes.size()), bytes) << log();
}

void Conversation::write(const std::string &bytes)
{
	written_ += (uint32_t)bytes.size();
	writes_.insert(written_);
	EXPECT_EQ(send(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
		  (ssize_t)bytes.size());
}

void Conversation::shut()
{
	writes_.insert(written_ + 1);
	EXPECT_EQ(shutdown(socket_.fd(), SHUT_WR), 0);
}

void Conversation::close()
{
	writes_.insert(written_ + 1);
	socket_.close();
}

void Conversation::abort()
{
	linger now = { 1, 0 };

	setsockopt(socket_.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	socket_.close();
}

void Conversation::expect_error(int error)
{
	char byte;

	EXPECT_EQ(recv(socket_.fd(), &byte, 1, 0), -1) << log();
	EXPECT_EQ(errno, error);
}

static uint32_t number_of(int fd, int queue)
{
	uint32_t number = 0;
	socklen_t size = sizeof(number);

	set_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue);
	if (getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &number, &size))
		give_up("read sequence number of socket");
	return number;
}

/* Of struct tcp_info, whose end <netinet/tcp.h> does not have and <linux/tcp.h> does. */
static constexpr size_t bytes_received_at = 128;
static constexpr int repair_off = -1; /* without a window probe */

Inside Conversation::inside() const
{
	char info[256];
	socklen_t size = sizeof(info);
	Inside inside;

	if (getsockopt(socket_.fd(), IPPROTO_TCP, TCP_INFO, info, &size) ||
	    size < bytes_received_at + sizeof(inside.received))
		give_up("TCP_INFO");
	std::memcpy(&inside.received, info + bytes_received_at, sizeof(inside.received));
	set_option(socket_.fd(), IPPROTO_TCP, TCP_REPAIR, 1);
	inside.next = numbers_->offset(number_of(socket_.fd(), TCP_RECV_QUEUE));
	inside.written = number_of(socket_.fd(), TCP_SEND_QUEUE) - client_.server_isn() - 1;
	set_option(socket_.fd(), IPPROTO_TCP, TCP_REPAIR, repair_off);
	return inside;
}

} // namespace live
