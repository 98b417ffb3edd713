// SPDX-License-Identifier: BSD-2-Clause
#include "wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "fragments.h"
#include "net.h"

namespace live
{

void in_netns(int netns, const std::function<void()> &body)
{
	std::string failure;
	Thread thread([&] {
		try {
			if (setns(netns, CLONE_NEWNET))
				give_up("enter network namespace");
			body();
		} catch (const std::exception &e) {
			failure = e.what();
		}
	});

	thread.join();
	if (!failure.empty())
		throw std::runtime_error(failure);
}

/* Commands of ip(8), one a line. */
static void ip(const std::string &commands, int netns = -1)
{
	Finished finished = run({ "ip", "-batch", "-" }, { .input = commands, .netns = netns });

	if (finished.code)
		throw std::runtime_error("ip: " + finished.err);
}

void set_feature(const std::string &device, uint32_t command, bool on)
{
	ethtool_value value = { command, on };
	ifreq request = {};
	Socket any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

	strncpy(request.ifr_name, device.c_str(), IFNAMSIZ - 1);
	request.ifr_data = (char *)&value;
	if (ioctl(any.fd(), SIOCETHTOOL, &request))
		give_up("set feature " + std::to_string(command) + " of " + device);
}

/* A packet socket that takes and gives frames as they are, super-packets too. */
static int open_device(const char *device)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), yes = 1, room = 64 << 20;
	timeval patience = { 1, 0 };
	sockaddr_ll address = {};

	address.sll_family = AF_PACKET;
	address.sll_protocol = htons(ETH_P_ALL);
	address.sll_ifindex = (int)if_nametoindex(device);
	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof(yes)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
	    bind(fd, (const sockaddr *)&address, sizeof(address)))
		give_up(std::string("open device ") + device);
	return fd;
}

void Wire::set_up_addresses() const
{
	auto one = [&](const std::string &ipv4, const std::string &ipv6, int netns) {
		/* a lost segment is to cost milliseconds, not the test's time */
		ip("addr add " + ipv4 + "/24 dev wire0 noprefixroute\n" + "addr add " + ipv6 +
			   "/64 dev wire0 nodad noprefixroute\n" + "link set wire0 up\n" +
			   "route add 203.0.113.0/24 dev wire0 rto_min 5ms\n" +
			   "route add fd01::/64 dev wire0 rto_min 5ms\n",
		   netns);
		in_netns(netns, [&] {
			set_feature("wire0", ETHTOOL_STXCSUM, !options_.checksums);
			set_feature("wire0", ETHTOOL_STSO, options_.super_packets);
			set_feature("wire0", ETHTOOL_SGSO, options_.super_packets);
			set_feature("wire0", ETHTOOL_SGRO, options_.gro);
		});
	};

	ip("link add wire0 type veth peer name right\n"
	   "link set right netns " +
	   middle_.path() + "\n");
	ip("link add left type veth peer name wire0\n"
	   "link set wire0 netns " +
		   client_.path() +
		   "\nlink set left up\n"
		   "link set right up\n",
	   middle_.fd());
	Socket own(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
	one(wire_server_ipv4, wire_server_ipv6, own.fd());
	one(wire_client_ipv4, wire_client_ipv6, client_.fd());
}

Wire::Wire(const WireOptions &options) : options_(options)
{
	set_up_addresses();
	in_netns(middle_.fd(), [&] {
		left_ = open_device("left");
		right_ = open_device("right");
	});
	/* seeded: what a test sees once it can see again */
	threads_[0] = Thread([this](const std::stop_token &stop) {
		Side side = { left_, right_, true, std::mt19937(1) };
		carry(side, stop);
	});
	threads_[1] = Thread([this](const std::stop_token &stop) {
		Side side = { right_, left_, false, std::mt19937(2) };
		carry(side, stop);
	});
}

Wire::~Wire()
{
	for (Thread &thread : threads_)
		thread.stop();
	close(left_);
	close(right_);
}

void Wire::carry(Side &side, const std::stop_token &stop)
{
	std::string buffer(1 << 18, '\0');

	while (!stop.stop_requested()) {
		/* who is held back waits for others to overtake, but not for ever */
		if (!polls_readable(side.from, side.held.empty() ? 50ms : 2ms)) {
			for (const std::string &frame : side.held)
				put(side, frame);
			side.held.clear();
			continue;
		}
		ssize_t n = recv(side.from, buffer.data(), buffer.size(), MSG_DONTWAIT);
		if (n > 0)
			forward(side, buffer.substr(0, (size_t)n));
	}
}

void Wire::forward(Side &side, std::string frame)
{
	auto happens = [&](double probability) {
		return std::uniform_real_distribution<>(0, 1)(side.chance) < probability;
	};

	counts_.frames++;
	if (frame.size() > 2000)
		counts_.super_packets++;
	if (happens(options_.loss)) {
		counts_.lost++;
		return;
	}
	if (happens(options_.duplicates)) {
		counts_.doubled++;
		put(side, frame);
	}
	if (happens(options_.reordered)) {
		counts_.held++;
		side.held.push_back(std::move(frame));
		return;
	}
	put(side, frame);
	/* by now some others have gone first */
	if (side.held.size() > 3) {
		put(side, side.held.front());
		side.held.erase(side.held.begin());
	}
}

void Wire::put(Side &side, const std::string &frame)
{
	std::vector<std::string> parts =
		fragments_of(frame, side.to_server ? options_.fragment : 0);

	counts_.fragmented += parts.size() > 1;
	for (const std::string &part : parts)
		/* no room in a device's queue is loss, which TCP copes with */
		if (send(side.to, part.data(), part.size(), 0) < 0 && errno == EMSGSIZE)
			counts_.lost++;
}

} // namespace live
