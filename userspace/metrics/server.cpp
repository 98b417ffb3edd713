// SPDX-License-Identifier: BSD-2-Clause
#include "metrics/server.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <list>
#include <system_error>

#include "metrics/collector.h"
#include "metrics/http.h"

namespace tp
{

namespace
{

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/* A conversation that takes longer than this is ended, for whatever reason it is slow. */
constexpr auto patience = 10s;
/* If there are more conversations, the oldest one is ended. */
constexpr size_t most_conversations = 16;
/* How long the text is reused, so that the maps are not read for each of many scrapers. */
constexpr auto fresh_for = 100ms;
/* How long no connection is accepted after descriptors or memory have run out. */
constexpr auto pause_of_accept = 100ms;

class Conversation
{
public:
	explicit Conversation(Fd fd) : fd_(std::move(fd)) {}

	pollfd wanted() const
	{
		return { fd_.get(), (short)(answer_.empty() ? POLLIN : POLLOUT), 0 };
	}
	Clock::time_point deadline() const { return deadline_; }

	/* Reads and writes as much as is possible now. Returns false when it has ended. */
	bool go_on(const MetricsText &metrics)
	{
		if (answer_.empty() && !read(metrics))
			return false;
		return answer_.empty() || write();
	}

private:
	bool read(const MetricsText &metrics)
	{
		char buffer[most_request_bytes];
		ssize_t got = recv(fd_.get(), buffer, sizeof(buffer), 0);

		if (got <= 0)
			return got < 0 && (errno == EAGAIN || errno == EINTR);
		request_.append(buffer, (size_t)got);
		if (is_complete(request_) || request_.size() >= most_request_bytes)
			answer_ = answer_request(request_, metrics);
		return true;
	}
	bool write()
	{
		ssize_t put = send(fd_.get(), answer_.data() + sent_, answer_.size() - sent_,
				   MSG_NOSIGNAL);

		if (put < 0)
			return errno == EAGAIN || errno == EINTR;
		sent_ += (size_t)put;
		return sent_ < answer_.size();
	}

	Fd fd_;
	Clock::time_point deadline_ = Clock::now() + patience;
	std::string request_, answer_;
	size_t sent_ = 0;
};

/* What the thread works with. */
class Listener
{
public:
	Listener(int fd, int end, const std::string &pin_dir)
	    : fd_(fd), end_(end), collector_(pin_dir)
	{
	}

	void run()
	{
		while (wait()) {
			if (polled_[1].revents)
				accept_one();
			go_on();
		}
	}

private:
	/* Returns false when the thread is to end. */
	bool wait()
	{
		Clock::time_point now = Clock::now();
		bool paused = now < accept_again_;
		Clock::time_point until = paused ? accept_again_ : Clock::time_point::max();

		polled_ = { { end_, POLLIN, 0 }, { paused ? -1 : fd_, POLLIN, 0 } };
		for (const Conversation &one : conversations_) {
			polled_.push_back(one.wanted());
			until = std::min(until, one.deadline());
		}
		int timeout =
			until == Clock::time_point::max() ?
				-1 :
				(int)std::max<int64_t>(
					0, std::chrono::ceil<std::chrono::milliseconds>(until - now)
						   .count());
		if (poll(polled_.data(), polled_.size(), timeout) < 0)
			std::fill(polled_.begin(), polled_.end(), pollfd{});
		return !polled_[0].revents;
	}

	void go_on()
	{
		Clock::time_point now = Clock::now();
		size_t i = 2; /* a conversation that has just come has not been polled */

		for (auto one = conversations_.begin(); one != conversations_.end(); i++) {
			bool ready = i < polled_.size() && polled_[i].revents;
			bool ended = (ready && !one->go_on([this] { return metrics(); })) ||
				     now >= one->deadline();

			one = ended ? conversations_.erase(one) : std::next(one);
		}
	}

	void accept_one()
	{
		Fd fd(accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));

		if (fd)
			conversations_.emplace_back(std::move(fd));
		else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			accept_again_ = Clock::now() + pause_of_accept;
		if (conversations_.size() > most_conversations)
			drop_oldest();
	}

	/* Also removes its place in polled_. */
	void drop_oldest()
	{
		conversations_.pop_front();
		polled_.erase(polled_.begin() + 2);
	}

	Result<std::string> metrics()
	{
		Clock::time_point now = Clock::now();

		if (text_.empty() || now >= collected_ + fresh_for) {
			text_.clear();
			auto families = TP_TRY(collector_.collect());
			text_ = to_text(families);
			collected_ = Clock::now();
		}
		return text_;
	}

	int fd_, end_;
	Collector collector_;
	std::list<Conversation> conversations_; /* the oldest first */
	std::vector<pollfd> polled_;
	Clock::time_point accept_again_, collected_;
	std::string text_;
};

/* Lowers this thread's priority, because the agent's loop is more important. */
void serve(int fd, int end, const std::string &pin_dir)
{
	pthread_setname_np(pthread_self(), "tp_metrics");
	setpriority(PRIO_PROCESS, (id_t)gettid(), 10);
	try {
		Listener(fd, end, pin_dir).run();
	} catch (const std::exception &) { /* no memory: the agent itself goes on */
	}
}

} // namespace

Result<MetricsServer> MetricsServer::start(Endpoint endpoint, const std::string &pin_dir)
{
	MetricsServer server(std::move(endpoint), Fd(eventfd(0, EFD_CLOEXEC)));
	sigset_t all, before;

	if (!server.end_)
		return system_error("start", "metrics");
	/* the thread inherits the mask, so that signals are the loop's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	try {
		server.thread_ =
			std::jthread(serve, server.endpoint_.fd(), server.end_.get(), pin_dir);
	} catch (const std::system_error &error) {
		pthread_sigmask(SIG_SETMASK, &before, nullptr);
		return system_error("start", "metrics", error.code().value());
	}
	pthread_sigmask(SIG_SETMASK, &before, nullptr);
	return server;
}

/* The thread, which is destroyed next, is joined. */
MetricsServer::~MetricsServer()
{
	if (end_)
		eventfd_write(end_.get(), 1);
}

} // namespace tp
