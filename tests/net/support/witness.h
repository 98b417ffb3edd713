/* SPDX-License-Identifier: BSD-2-Clause */
/* A server that tells each client what it has seen of it. */
#ifndef TP_TESTS_SUPPORT_WITNESS_H
#define TP_TESTS_SUPPORT_WITNESS_H

#include <atomic>
#include <string>
#include <unordered_map>
#include <vector>

#include "live.h"
#include "thread.h"

namespace live
{

/*
 * At the client's FIN it answers with what it has seen: peer, bytes, hash.  One thread,
 * level-triggered, on a dual-stack listener.
 */
class Witness
{
public:
	explicit Witness(const Endpoint &local);
	~Witness();

	void stop();
	/* Peers that no header of the soak can have named; after stop(). */
	std::vector<std::string> strangers() const { return strangers_; }

private:
	struct One {
		std::string peer;
		uint64_t count = 0, hash = empty_hash;
	};

	void watch(int fd);
	void accept_some();
	void read_some(int fd);
	void serve();

	Socket listener_;
	int epoll_ = -1;
	std::atomic<bool> stop_ = false;
	std::vector<std::string> strangers_;
	std::unordered_map<int, One> open_;
	Thread thread_;
};

} // namespace live

#endif
