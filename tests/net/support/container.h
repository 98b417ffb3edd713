/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process in a network namespace of its own, as a container runtime makes it: a cable (veth) leads
 * from the sandbox to it, and nothing but the process keeps the namespace alive. It serves port 8080,
 * and answers each connection with the name that accept() returned and what came.
 */
#ifndef TP_TESTS_SUPPORT_CONTAINER_H
#define TP_TESTS_SUPPORT_CONTAINER_H

#include <cstdint>
#include <string>
#include <vector>

#include "net.h"

namespace live
{

inline constexpr const char *container_trusted_ipv4 = "198.18.0.0/15";
inline constexpr const char *container_trusted_ipv6 = "fd18::/16";

class Container
{
public:
	/* `number` tells several apart that exist at once. It does not listen yet. */
	explicit Container(unsigned number = 0, uint16_t port = 8080);
	~Container() { end(); }
	Container(const Container &) = delete;
	Container &operator=(const Container &) = delete;

	pid_t pid() const { return pid_; }
	std::string device() const; /* of the sandbox's end of the cable */
	std::string address(bool ipv6) const;
	std::string host_address(bool ipv6) const; /* of the sandbox */
	Endpoint service(bool ipv6) const;
	Socket netns() const; /* an open descriptor, which keeps the namespace alive */

	/* Returns when listen() has returned. Returns when that was, in ns of CLOCK_BOOTTIME. */
	uint64_t listen();
	/* Kills the process, and waits for that. */
	void end();

private:
	unsigned number_;
	uint16_t port_;
	pid_t pid_ = -1;
	int control_ = -1; /* a socket to the process */
};

/*
 * Connects from the sandbox, announces this origin, and returns what the server saw and got:
 * "203.0.113.9:4242 hello", or what went wrong. Adds how long connect() has taken, in ns.
 */
std::string ask_container(const Container &container, bool ipv6,
			  const std::string &origin = "203.0.113.9",
			  std::vector<int64_t> *connects = nullptr);

} // namespace live

#endif
