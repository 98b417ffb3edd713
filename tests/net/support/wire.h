/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bad network: two veth pairs, and between them a program that carries each frame
 * from one to the other, or loses it, holds it back, sends it twice, cuts it up.
 * Neither host's own hooks are used for that, so it is the same for every engine.
 *
 *	client namespace        middle namespace          the sandbox
 *	    wire0 ---------- left    ===>    right ---------- wire0
 */
#ifndef TP_TESTS_SUPPORT_WIRE_H
#define TP_TESTS_SUPPORT_WIRE_H

#include <atomic>
#include <random>
#include <string>
#include <vector>

#include "sandbox.h"
#include "thread.h"

namespace live
{

inline constexpr const char *wire_server_ipv4 = "203.0.113.1";
inline constexpr const char *wire_client_ipv4 = "203.0.113.2";
inline constexpr const char *wire_trusted_ipv4 = "203.0.113.0/24";
inline constexpr const char *wire_server_ipv6 = "fd01::1";
inline constexpr const char *wire_client_ipv6 = "fd01::2";
inline constexpr const char *wire_trusted_ipv6 = "fd01::/64";

struct WireOptions {
	double loss = 0, duplicates = 0, reordered = 0; /* of all frames, 0 to 1 */
	size_t fragment = 0; /* IP payload of what goes to the server; a multiple of 8; 0: whole */
	bool super_packets = true; /* the senders leave segmentation to the (virtual) device */
	bool checksums = false;    /* the senders compute them themselves */
	bool gro = false;          /* the receivers put segments together again */
};

/* What happened, so that a test can tell that it did. */
struct WireCounts {
	std::atomic<unsigned> frames = 0, lost = 0, doubled = 0, held = 0, fragmented = 0,
			      super_packets = 0;
};

class Wire
{
public:
	explicit Wire(const WireOptions &options); /* throws std::runtime_error */
	~Wire();
	Wire(const Wire &) = delete;
	Wire &operator=(const Wire &) = delete;

	const Netns &client() const { return client_; }
	const WireCounts &counts() const { return counts_; }

private:
	struct Side {
		int from, to;
		bool to_server;
		std::mt19937 chance;
		std::vector<std::string> held = {};
	};

	void set_up_addresses() const;
	void carry(Side &side, const std::stop_token &stop);
	void forward(Side &side, std::string frame);
	void put(Side &side, const std::string &frame);

	WireOptions options_;
	WireCounts counts_;
	Netns client_, middle_;
	int left_ = -1, right_ = -1;
	Thread threads_[2];
};

/* An offload (ETHTOOL_SRXCSUM, ...) of a device of the calling thread's namespace. */
void set_feature(const std::string &device, uint32_t command, bool on);

/* Runs `body` in a thread whose sockets belong to that network namespace. */
void in_netns(int netns, const std::function<void()> &body);

} // namespace live

#endif
