// SPDX-License-Identifier: BSD-2-Clause
/*
 * The numbers on the wire behind the translate engine are those of a server that reads the header itself: the same
 * conversations with both are compared answer by answer, and inside, the server's TCP has not counted the header.
 */
#include <netinet/in.h>

#include <cerrno>
#include <cstdio>

#include "support/conversation.h"
#include "support/translate.h"

namespace live
{

class TranslateNumbers : public Translate
{
protected:
	struct Script {
		const char *name;
		void (*play)(Conversation &c, std::vector<Inside> &inside);
	};

	/* Each script, with headers of an even and an odd size, one of them long. */
	void play(const std::vector<Script> &scripts)
	{
		translated({ .start_servers = false }, [&](RawWorld &w) {
			size_t conversations = 0, segments = 0, edges = 0;

			for (const Script &script : scripts) {
				for (const std::string &header :
				     { w.header(1), w.header(2), w.long_header(701) }) {
					SCOPED_TRACE(script.name);
					SCOPED_TRACE(header.size());
					Played plain(w, false, header, script),
						translated(w, true, header, script);
					compare(plain, translated, header.size());
					conversations++;
					segments += translated.numbers.segments();
					edges += translated.numbers.edges();
				}
			}
			printf("IPv%c: %zu conversations as with a server that reads the header: "
			       "%zu segments of the server's, %zu edges of SACK blocks\n",
			       w.ipv6 ? '6' : '4', conversations, segments, edges);
			fflush(stdout);
		});
	}

private:
	struct Played {
		std::vector<Inside> inside = {};
		std::vector<std::string> noted = {};
		Numbers numbers{ 0 };

		Played(RawWorld &w, bool behind_truepeer, const std::string &header,
		       const Script &script)
		{
			Conversation c(w, behind_truepeer, header);

			script.play(c, inside);
			noted = c.noted();
			numbers = c.numbers();
		}
	};

	static void compare(const Played &plain, const Played &translated, size_t header)
	{
		EXPECT_EQ(translated.noted, plain.noted);
		EXPECT_EQ(plain.numbers.wrong(), "");
		EXPECT_EQ(translated.numbers.wrong(), "");
		ASSERT_EQ(translated.inside.size(), plain.inside.size());
		for (size_t i = 0; i < plain.inside.size(); i++) {
			EXPECT_EQ(translated.inside[i].next, plain.inside[i].next - header);
			EXPECT_EQ(translated.inside[i].received, plain.inside[i].received - header);
			EXPECT_EQ(translated.inside[i].written, plain.inside[i].written);
		}
	}
};
TP_INSTANTIATE_RAW(TranslateNumbers);

static const std::string question = "What is the time?", answer = "Half past three.";

/* The header and a question come in one segment, and the server has read both. */
static void begin(Conversation &c)
{
	c.say(c.header() + question);
	c.expect_ack();
	c.accept();
	c.read(question);
}

/* The rest of a conversation, both ends in order. */
static void go_on(Conversation &c, std::vector<Inside> &inside)
{
	c.write(answer);
	c.expect_data(answer);
	c.say(question);
	c.expect_ack();
	c.read(question);
	inside.push_back(c.inside());
	c.end();
	c.expect_ack();
	c.read("");
	inside.push_back(c.inside());
	c.close();
	c.expect_end();
}

/* ---- headers ----------------------------------------------------------------------------- */

static void with_data(Conversation &c, std::vector<Inside> &inside)
{
	begin(c);
	inside.push_back(c.inside());
	go_on(c, inside);
}

static void alone(Conversation &c, std::vector<Inside> &inside)
{
	c.say(c.header());
	c.expect_ack();
	c.accept();
	inside.push_back(c.inside());
	go_on(c, inside);
}

static void in_pieces(Conversation &c, std::vector<Inside> &inside)
{
	for (const std::string &piece : pieces(c.header(), c.header().size() / 5)) {
		c.say(piece);
		c.expect_ack();
	}
	c.accept();
	go_on(c, inside);
}

static void byte_by_byte(Conversation &c, std::vector<Inside> &inside)
{
	size_t single = c.header().size() - 8;

	c.say(c.header().substr(0, single));
	c.expect_ack();
	for (const std::string &piece : pieces(c.header().substr(single), 1)) {
		c.say(piece);
		c.expect_ack();
	}
	c.accept();
	go_on(c, inside);
}

static void end_with_data(Conversation &c, std::vector<Inside> &inside)
{
	std::string header = c.header();

	c.say(header.substr(0, 13));
	c.expect_ack();
	c.say(header.substr(13) + question);
	c.expect_ack();
	c.accept();
	c.read(question);
	go_on(c, inside);
}

/* A piece again while the header is not complete, and all of it once the server has it. */
static void repeated(Conversation &c, std::vector<Inside> &inside)
{
	std::string header = c.header();

	c.say(header.substr(0, 20));
	c.expect_ack();
	c.say_at(5, header.substr(5, 15));
	c.expect_only_ack(20);
	c.say(header.substr(20) + question);
	c.expect_ack();
	c.accept();
	c.read(question);
	c.say_at(0, header);
	c.expect_ack(c.said(), 1);
	c.say_at(0, header + question);
	c.expect_ack(c.said(), 1);
	go_on(c, inside);
}

TEST_P(TranslateNumbers, of_headers_are_as_with_a_server_that_reads_them)
{
	play({
		{ "with data", with_data },
		{ "alone", alone },
		{ "in pieces", in_pieces },
		{ "byte by byte", byte_by_byte },
		{ "the end with data", end_with_data },
		{ "repeated", repeated },
	});
}

/* ---- gaps -------------------------------------------------------------------------------- */

/* The header's segment is lost, and what follows it is there first. */
static void lost_header(Conversation &c, std::vector<Inside> &inside)
{
	uint32_t size = (uint32_t)c.header().size();

	c.say_at(size, question);
	c.expect_only_ack(0);
	c.say(c.header());
	c.skip((uint32_t)question.size());
	c.say_at(size, question);
	c.expect_ack();
	c.accept();
	c.read(question);
	inside.push_back(c.inside());
}

/* Two gaps, and segments beyond them twice. */
static void gaps(Conversation &c, std::vector<Inside> &inside)
{
	begin(c);
	uint32_t at = c.said();
	std::string five(5, 'x'), ten(10, 'x');
	c.say_at(at + 10, five);
	c.expect_ack(at, 1);
	c.say_at(at + 25, five);
	c.expect_ack(at, 2);
	c.say_at(at + 40, five);
	c.expect_ack(at, 3);
	c.say_at(at + 25, five); /* known: D-SACK comes first */
	c.expect_ack(at, 3);
	c.say(ten);
	c.skip(5);
	c.expect_ack(at + 15, 2);
	inside.push_back(c.inside());
	c.say(ten);
	c.skip(5);
	c.expect_ack(at + 30, 1);
	c.say(ten);
	c.skip(5);
	c.expect_ack(at + 45);
	c.read(std::string(45, 'x'));
	inside.push_back(c.inside());
}

/* The client's end comes before the data that it stands behind. */
static void end_before_data(Conversation &c, std::vector<Inside> &inside)
{
	c.say(c.header());
	c.expect_ack();
	c.accept();
	uint32_t at = c.said();
	c.say_at(at + (uint32_t)question.size(), "", flag::ack | flag::fin);
	c.expect_ack(at, 1);
	c.say(question);
	c.skip(1);
	c.expect_ack();
	c.read(question);
	c.read("");
	inside.push_back(c.inside());
	c.write(answer);
	c.expect_data(answer);
	c.close();
	c.expect_end();
}

TEST_P(TranslateNumbers, of_gaps_are_as_with_a_server_that_reads_the_header)
{
	play({
		{ "the header is lost", lost_header },
		{ "gaps", gaps },
		{ "the end comes first", end_before_data },
	});
}

/* ---- what the server says ------------------------------------------------------------------ */

/* Nobody acknowledges it. */
static void server_repeats(Conversation &c, std::vector<Inside> &inside)
{
	begin(c);
	c.write(answer);
	c.expect_data_again(answer);
	go_on(c, inside);
}

static void probes(Conversation &c, std::vector<Inside> &inside)
{
	c.say(c.header());
	c.expect_ack();
	c.accept();
	c.probe();
	c.expect_ack();
	go_on(c, inside);
}

static void end_with_the_header(Conversation &c, std::vector<Inside> &inside)
{
	c.say(c.header() + question, flag::ack | flag::psh | flag::fin);
	c.expect_ack();
	c.accept();
	c.read(question);
	c.read("");
	inside.push_back(c.inside());
	c.write(answer);
	c.expect_data(answer);
	c.close();
	c.expect_end();
}

/* Late segments in TIME_WAIT, too. */
static void server_ends_first(Conversation &c, std::vector<Inside> &inside)
{
	c.say(c.header());
	c.expect_ack();
	c.accept();
	c.shut();
	c.expect_end();
	c.say(question);
	c.expect_ack();
	c.read(question);
	inside.push_back(c.inside());
	c.end();
	c.expect_ack();
	c.say_at(c.said() - 1, "", flag::ack | flag::fin);
	c.expect_ack();
	c.close();
	c.say_at(0, c.header());
	c.expect_ack();
}

static void client_resets(Conversation &c, std::vector<Inside> &inside)
{
	begin(c);
	inside.push_back(c.inside());
	c.reset();
	c.expect_error(ECONNRESET);
}

static void server_resets(Conversation &c, std::vector<Inside> &)
{
	begin(c);
	c.abort();
	c.expect_reset();
}

static void server_closes_without_reading(Conversation &c, std::vector<Inside> &)
{
	c.say(c.header() + question);
	c.expect_ack();
	c.accept();
	c.close();
	c.expect_reset();
}

TEST_P(TranslateNumbers, of_answers_and_ends_are_as_with_a_server_that_reads_the_header)
{
	play({
		{ "the server repeats itself", server_repeats },
		{ "probes", probes },
		{ "the client ends with the header", end_with_the_header },
		{ "the server ends first", server_ends_first },
		{ "the client resets", client_resets },
		{ "the server resets", server_resets },
		{ "the server closes without reading", server_closes_without_reading },
	});
}

} // namespace live
