/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection whose client's segments are written one by one, and of whose server's application each call is: with a
 * server that reads the header itself, or behind the translate engine.  What is heard on the wire is noted in numbers
 * relative to the first ones of both sides, so that the two can be compared.
 */
#ifndef TP_TESTS_SUPPORT_CONVERSATION_H
#define TP_TESTS_SUPPORT_CONVERSATION_H

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "numbers.h"
#include "raw_world.h"

namespace live
{

/* What the server's TCP has counted. */
struct Inside {
	uint32_t next;     /* that it expects, from the client's first byte on */
	uint64_t received; /* bytes */
	uint32_t written;
};

class Conversation
{
public:
	Conversation(RawWorld &w, bool translated, const std::string &header);

	const std::string &header() const { return header_; }
	uint32_t said() const { return client_.next() - client_.isn() - 1; }

	/* The client.  Offsets count from its first byte, which is the header's. */
	void say(const std::string &bytes, uint16_t flags = flag::ack | flag::psh);
	void say_at(uint32_t offset, const std::string &bytes,
		    uint16_t flags = flag::ack | flag::psh);
	void skip(uint32_t bytes) { client_.skip(bytes); }
	void end() { say({}, flag::ack | flag::fin); }
	void reset();
	void probe() const; /* whether the server is there: a keep-alive probe */
	/* Waits for an acknowledgement of all before `offset`, with so many SACK blocks. */
	void expect_ack(uint32_t offset, size_t blocks = 0);
	void expect_ack() { expect_ack(said()); }
	/* ... whose blocks are not noted: TCP has none for a connection that has no socket yet. */
	void expect_only_ack(uint32_t offset);
	void expect_data(const std::string &bytes);       /* and acknowledges it */
	void expect_data_again(const std::string &bytes); /* ... only when it comes again */
	void expect_end();
	void expect_reset();

	/* The server's application. */
	void accept(); /* and reads the header, if there is one to read */
	void read(const std::string &bytes);
	void write(const std::string &bytes);
	void shut();
	void close();
	void abort(); /* with a reset */
	void expect_error(int error);
	Inside inside() const;

	const std::vector<std::string> &noted() const { return noted_; }
	const Numbers &numbers() const { return *numbers_; }
	std::string log() const { return w_.wire.log(); }

private:
	std::optional<Segment> hear(const char *what, const Line::Wanted &wanted,
				    bool blocks = true);
	void check_written(const Segment &s) const;

	RawWorld &w_;
	bool translated_;
	std::string header_;
	Socket listener_, socket_;
	RawClient client_;
	std::optional<Numbers> numbers_;
	std::set<uint32_t> writes_ = { 0 }; /* where they end, and the server's FIN */
	uint32_t written_ = 0;
	std::vector<std::string> noted_;
};

} // namespace live

#endif
