/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Networks of several hosts, each a network namespace of the test's own.  The sandbox's own
 * namespace is the host on which truepeer runs.
 *
 * Network number n is 10.<n>.0.0/24 and fd10:<n>::/64; `address(n, host, ipv6)` is one of its
 * addresses.
 */
#ifndef TP_TESTS_SUPPORT_LAB_H
#define TP_TESTS_SUPPORT_LAB_H

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net.h"
#include "sandbox.h"

namespace live
{

/* Makes the thread a guest of a network namespace. */
class Guest
{
public:
	explicit Guest(int netns);
	~Guest();
	Guest(const Guest &) = delete;
	Guest &operator=(const Guest &) = delete;

private:
	int own_;
};

std::string address(int network, int host, bool ipv6);
std::string network(int number, bool ipv6); /* as a CIDR */

/* What a network card may do itself; nothing: as the device has it. */
struct Offloads {
	std::optional<bool> receive_checksum = {}, send_checksum = {}, segmentation = {}, gro = {};
};

class Host
{
public:
	Host(); /* a new namespace */
	struct Own {
	};
	explicit Host(Own); /* the calling thread's */
	~Host();
	Host(const Host &) = delete;
	Host &operator=(const Host &) = delete;

	int fd() const { return fd_; }
	std::string path() const;
	std::string mac(const std::string &device) const; /* 6 bytes */

	/* All throw std::runtime_error. */
	void ip(const std::string &commands) const;   /* of ip(8), one a line */
	void ipv6(const std::string &commands) const; /* ... where they do not tell the family */
	void nft(const std::string &rules) const;
	void sysctl(const std::string &name, const std::string &value) const;
	void offloads(const std::string &device, const Offloads &how) const;

	/* Of both families. */
	void address(const std::string &device, int network, int host) const;
	void route(int network, int gateway_network, int gateway_host,
		   const std::string &more = {}) const;
	void forward() const;
	void loose() const; /* no reverse-path filter, and whatever else drops odd routes */

	/* A client, a server here. */
	Client connect(const Endpoint &to, const std::string &from = {}, Ms timeout = 5s) const;

private:
	std::unique_ptr<Netns> netns_;
	int fd_;
};

/* A cable between two hosts; both ends are up. */
void cable(const Host &a, const std::string &device_a, const Host &b, const std::string &device_b);

/* A bridge with a cable to each of these hosts, who have it as `device`. */
void join(const Host &hub, const std::string &bridge, const std::vector<const Host *> &hosts,
	  const std::string &device);

/*
 * Whether the kernel makes such devices: "type vrf table 10", "link probe1 type vlan id 5", or has
 * this file: "/dev/ppp".
 */
bool has_device(const std::string &how);

} // namespace live

#endif
