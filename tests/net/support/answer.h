/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server that answers the first line of each connection with the peer's name as
 * it sees it, and that line, and closes first.  So the client knows at once to
 * whom its bytes were attributed, and the server's side goes to TIME_WAIT.
 */
#ifndef TP_TESTS_SUPPORT_ANSWER_H
#define TP_TESTS_SUPPORT_ANSWER_H

#include <atomic>
#include <string>

#include "net.h"
#include "thread.h"

namespace live
{

/* What comes back for `line` (without its end) from a peer of this name. */
std::string answer_to(const std::string &line, const std::string &peer);

class AnswerServer
{
public:
	/* Listens at once, accepts nobody for the first `closed` of its life. */
	explicit AnswerServer(const Endpoint &local, const ListenOptions &options = {},
			      Ms closed = 0ms);
	~AnswerServer();
	AnswerServer(const AnswerServer &) = delete;
	AnswerServer &operator=(const AnswerServer &) = delete;

	unsigned answered() const { return answered_; }

private:
	void serve(Ms closed);
	void answer(const Accepted &connection);

	Socket listener_;
	std::atomic<bool> stopping_ = false;
	std::atomic<unsigned> answered_ = 0;
	Thread thread_;
};

} // namespace live

#endif
