// SPDX-License-Identifier: BSD-2-Clause
#include "witness.h"

#include <fcntl.h>
#include <sys/epoll.h>

namespace live
{

/* Origins that only headers of the soak name; no address of the host begins like them. */
static bool is_origin(const std::string &address)
{
	return address.rfind("[2001:db8:", 0) == 0 || address.rfind("[::ffff:203.0.113.", 0) == 0;
}

Witness::Witness(const Endpoint &local) : listener_(listen_on(local, { .backlog = 4096 }))
{
	epoll_ = epoll_create1(EPOLL_CLOEXEC);
	fcntl(listener_.fd(), F_SETFL, O_NONBLOCK);
	watch(listener_.fd());
	thread_ = Thread([this] { serve(); });
}

void Witness::stop()
{
	stop_ = true;
	thread_.join();
}

Witness::~Witness()
{
	stop();
	for (const auto &[fd, one] : open_)
		::close(fd);
	::close(epoll_);
}

void Witness::watch(int fd)
{
	epoll_event event = {};

	event.events = EPOLLIN;
	event.data.fd = fd;
	epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
}

void Witness::accept_some()
{
	for (;;) {
		Endpoint from;

		from.size = sizeof(from.storage);
		int fd = accept4(listener_.fd(), (sockaddr *)&from.storage, &from.size,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		One one;
		one.peer = from.text();
		if (!is_origin(one.peer) && strangers_.size() < 10)
			strangers_.push_back(one.peer);
		open_[fd] = one;
		watch(fd);
	}
}

void Witness::read_some(int fd)
{
	static char buffer[65536];
	ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
	One &one = open_[fd];

	if (n > 0) {
		one.count += (uint64_t)n;
		one.hash = hash_more(one.hash, { buffer, (size_t)n });
		return;
	}
	if (n < 0 && errno == EAGAIN)
		return;
	if (n == 0) {
		std::string answer = one.peer + " " + std::to_string(one.count) + " " +
				     std::to_string(one.hash) + "\n";
		(void)!send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
	}
	::close(fd);
	open_.erase(fd);
}

void Witness::serve()
{
	epoll_event events[64];

	while (!stop_) {
		int count = epoll_wait(epoll_, events, 64, 50);

		for (int i = 0; i < count; i++) {
			if (events[i].data.fd == listener_.fd())
				accept_some();
			else
				read_some(events[i].data.fd);
		}
	}
}

} // namespace live
