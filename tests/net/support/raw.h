/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TCP client whose every segment is written by the test.  It sits at the far
 * end of a veth pair, in a network namespace of its own, on a packet socket, at
 * addresses that no kernel owns: nothing answers for it.
 */
#ifndef TP_TESTS_SUPPORT_RAW_H
#define TP_TESTS_SUPPORT_RAW_H

#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "net.h"
#include "sandbox.h"
#include "segment.h"

namespace live
{

/* `ip` with these commands, one a line; throws std::runtime_error. */
void ip_batch(const std::string &commands, int netns = -1);

/* What carries a client's segments, and what the tests ask of it. */
class Line
{
public:
	virtual ~Line() = default;

	virtual void send(const Segment &s) = 0;
	/*
	 * The first segment that came and is wanted, those that came before and
	 * have not been taken included.
	 */
	using Wanted = std::function<bool(const Segment &)>;
	std::optional<Segment> receive(const Wanted &wanted, Ms timeout);
	void forget(const Wanted &unwanted);
	virtual std::string client(bool ipv6, unsigned index = 9) const = 0; /* an address */
	std::string log() const; /* what went over it last, for messages */

protected:
	void note(const char *direction, const Segment &s);
	/* Puts all that has come in by the socket behind what is in received_. */
	virtual void read_all() = 0;

	Socket socket_;
	std::deque<Segment> received_;

private:
	std::deque<std::string> log_;
	Clock::time_point start_ = Clock::now();
};

/*
 * The way between a server's namespace and the clients.  Number n gives it the
 * interface tp<n>, 10.<n>.0.1 and fd77:<n>::1; clients are at 10.<n>.128.0/17 and
 * fd77:<n>:1::/64, and strangers at 10.<n>.64.0/18 and fd77:<n>:2::/64.
 */
class RawWire : public Line
{
public:
	/* `netns`: the server's, -1 for the caller's own. */
	explicit RawWire(int number = 1, int netns = -1);

	std::string interface() const { return "tp" + number_; }
	std::string server(bool ipv6) const;
	std::string client(bool ipv6, unsigned index = 9) const override;
	std::string stranger(bool ipv6) const;
	std::string clients(bool ipv6) const; /* their network, for --trust */
	std::string gateway(bool ipv6) const;
	void set_mtu(unsigned bytes) const; /* of both ends */

	struct How {
		Checksum checksum = Checksum::whole;
		uint16_t gso_size = 0; /* a super-packet, to be cut into these */
	};
	void send(const Segment &s) override { send(s, {}); }
	void send(const Segment &s, const How &how);

private:
	/*
	 * A segment with a wrong checksum or with wrong Ethernet addresses is a failure of
	 * the test.
	 */
	void read_all() override;

	std::string number_;
	int netns_; /* the server's */
	Netns far_;
	int index_ = 0;
};

/* As Linux sends them. */
struct SynOptions {
	uint16_t mss = 1460; /* 0: none of this option */
	int scale = 7;       /* -1: none */
	bool sack = true, timestamps = true;
};

struct RawClientOptions {
	std::string host = {}; /* one of the wire's clients */
	uint16_t port = 0;     /* 0: the next one */
	std::optional<uint32_t> isn = {};
};

/* One connection.  Sends RST when it goes, so that nothing of it is left at the server. */
class RawClient
{
public:
	RawClient(Line &wire, const Endpoint &server, const RawClientOptions &options = {});
	~RawClient();
	RawClient(const RawClient &) = delete;
	RawClient &operator=(const RawClient &) = delete;

	Line &wire() const { return wire_; }
	uint16_t port() const { return port_; }
	const std::string &host() const { return host_; }
	std::string text() const { return endpoint(host_, port_).text(); }
	uint32_t isn() const { return isn_; }
	uint32_t next() const { return next_; }         /* sequence number of what is sent next */
	uint32_t expected() const { return expected_; } /* of what the server sends next */
	uint32_t server_isn() const { return server_isn_; }
	uint32_t timestamp() const; /* value of now */
	void skip(uint32_t n) { next_ += n; }
	/* What is sent from now on acknowledges this segment of the server's. */
	void take(const Segment &s) { expected_ = s.seq + s.length(); }

	/* The next segment in order; sending it does not change this client. */
	Segment segment(uint16_t flags, const std::string &payload = {}) const;
	/* The same at an offset from the first byte of the stream. */
	Segment piece(size_t offset, const std::string &payload) const;
	void send(const Segment &s) const { wire_.send(s); }

	Segment syn_segment(const SynOptions &options = {}) const;
	/* Sends and takes the SYN-ACK, which sets expected(); nothing if none came. */
	std::optional<Segment> syn(const Segment &s, Ms timeout = 2s);
	std::optional<Segment> syn(const SynOptions &options = {})
	{
		return syn(syn_segment(options));
	}
	void ack() const { send(segment(flag::ack)); }
	bool open(const SynOptions &options = {}); /* all three segments */
	/* In order; `next()` moves on. */
	void data(const std::string &payload, uint16_t flags = flag::ack | flag::psh);
	void finish() { data({}, flag::ack | flag::fin); }
	/* Once the server has ended: the client's own end, which is acknowledged; nothing if either is missing. */
	std::optional<Segment> end_behind_the_server();

	/* A segment of this connection; this timeout and those that follow are scaled. */
	std::optional<Segment> expect(const Line::Wanted &wanted, Ms timeout = 2s);
	/* An acknowledgement of all before `number`. */
	std::optional<Segment> expect_ack(uint32_t number, Ms timeout = 2s);
	std::optional<Segment> expect_reset(Ms timeout = 2s);
	/* The server's data from expected() on, acknowledged; what came before one took longer. */
	std::string receive(size_t size, Ms timeout = 2s);
	bool silent(Ms duration = 200ms); /* nothing comes */
	void forget();

private:
	bool mine(const Segment &s) const;
	void learn(const Segment &s);
	void reset();

	Line &wire_;
	Endpoint server_;
	std::string host_;
	uint16_t port_;
	uint32_t isn_, next_, expected_ = 0, server_isn_ = 0;
	bool timestamps_ = false;
	uint32_t echo_ = 0, acknowledged_ = 0; /* the latest */
};

} // namespace live

#endif
