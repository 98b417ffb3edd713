// SPDX-License-Identifier: BSD-2-Clause
#include "raw.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "vnet.h"

namespace live
{

/* The pair's Ethernet addresses; each wire is a network of its own. */
static const std::string server_mac("\x02\0\0\0\0\x01", 6), client_mac("\x02\0\0\0\0\x02", 6);

static constexpr uint8_t gso_tcp_ipv4 = 1, gso_tcp_ipv6 = 4;

void ip_batch(const std::string &commands, int netns)
{
	Finished ip = run({ "ip", "-batch", "-" }, { .input = commands, .netns = netns });

	if (ip.code)
		throw std::runtime_error("ip -batch: " + ip.err + commands);
}

/* ---- the wire ------------------------------------------------------------ */

static Socket packet_socket(int netns, const std::string &interface, int &index)
{
	int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	sockaddr_ll address = {};

	if (own < 0 || setns(netns, CLONE_NEWNET))
		give_up("enter network namespace");
	index = (int)if_nametoindex(interface.c_str());
	/* bound later: protocol 0 hears nothing before */
	Socket s(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
	if (!s)
		give_up("make packet socket");
	set_option(s.fd(), SOL_PACKET, PACKET_VNET_HDR, 1);
	set_option(s.fd(), SOL_PACKET, PACKET_AUXDATA, 1);
	set_option(s.fd(), SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	set_option(s.fd(), SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20);
	address.sll_family = AF_PACKET;
	address.sll_protocol = htons(ETH_P_ALL);
	address.sll_ifindex = index;
	if (bind(s.fd(), (const sockaddr *)&address, sizeof(address)))
		give_up("bind packet socket: " + interface);
	if (setns(own, CLONE_NEWNET))
		give_up("return to network namespace");
	close(own);
	return s;
}

RawWire::RawWire(int number, int netns) : number_(std::to_string(number)), netns_(netns)
{
	std::string far_name = interface() + "c", device = " dev " + interface();
	int own = netns < 0 ? open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC) : netns;
	std::string own_path = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(own);

	ip_batch("link add " + far_name + " address 02:00:00:00:00:02 type veth peer name " +
			 interface() + " address 02:00:00:00:00:01 netns " + own_path + "\n" +
			 "link set " + far_name + " addrgenmode none up\n",
		 far_.fd());
	std::string commands = "link set " + interface() + " up\n";
	for (bool ipv6 : { false, true }) {
		std::string via = " via " + gateway(ipv6) + device + "\n";

		commands +=
			"addr add " + server(ipv6) + (ipv6 ? "/64 nodad" : "/24") + device + "\n";
		commands += "neigh add " + gateway(ipv6) +
			    " lladdr 02:00:00:00:00:02 nud permanent" + device + "\n";
		commands += "route add " + clients(ipv6) + via;
		commands += "route add " +
			    (ipv6 ? "fd77:" + number_ + ":2::/64" : "10." + number_ + ".64.0/18") +
			    via;
	}
	ip_batch(commands, own);
	if (netns < 0)
		close(own);
	socket_ = packet_socket(far_.fd(), far_name, index_);
}

std::string RawWire::server(bool ipv6) const
{
	return ipv6 ? "fd77:" + number_ + "::1" : "10." + number_ + ".0.1";
}

std::string RawWire::gateway(bool ipv6) const
{
	return ipv6 ? "fd77:" + number_ + "::2" : "10." + number_ + ".0.2";
}

std::string RawWire::client(bool ipv6, unsigned index) const
{
	char text[8];

	snprintf(text, sizeof(text), "%x", index);
	return ipv6 ? "fd77:" + number_ + ":1::" + text :
		      "10." + number_ + "." + std::to_string(128 + index / 256) + "." +
			       std::to_string(index % 256);
}

std::string RawWire::stranger(bool ipv6) const
{
	return ipv6 ? "fd77:" + number_ + ":2::66" : "10." + number_ + ".64.66";
}

std::string RawWire::clients(bool ipv6) const
{
	return ipv6 ? "fd77:" + number_ + ":1::/64" : "10." + number_ + ".128.0/17";
}

void RawWire::set_mtu(unsigned bytes) const
{
	std::string to = " mtu " + std::to_string(bytes) + "\n";

	ip_batch("link set " + interface() + to, netns_);
	ip_batch("link set " + interface() + "c" + to, far_.fd());
}

void Line::note(const char *direction, const Segment &s)
{
	bool out = *direction == '>';

	log_.push_back(std::to_string(since(start_).count()) + " ms " + direction + " " +
		       std::to_string(out ? s.source_port : s.destination_port) + ":" +
		       std::to_string(out ? s.destination_port : s.source_port) + " " +
		       describe(s));
	if (log_.size() > 16)
		log_.pop_front();
}

std::optional<Segment> Line::receive(const Wanted &wanted, Ms timeout)
{
	auto start = Clock::now();

	for (size_t seen = 0;;) {
		read_all();
		for (; seen < received_.size(); seen++) {
			if (!wanted(received_[seen]))
				continue;
			Segment s = received_[seen];
			received_.erase(received_.begin() + (ptrdiff_t)seen);
			return s;
		}
		Ms left = timeout - since(start);
		if (left <= 0ms)
			return {};
		pollfd p = { socket_.fd(), POLLIN, 0 };
		poll(&p, 1, (int)left.count());
	}
}

void Line::forget(const Wanted &unwanted)
{
	read_all();
	std::erase_if(received_, unwanted);
}

std::string Line::log() const
{
	std::string text = "\non the wire (> to the server):\n";

	for (const std::string &line : log_)
		text += line + "\n";
	return text;
}

void RawWire::send(const Segment &s, const How &how)
{
	std::string frame = server_mac + client_mac;
	bool partial = how.checksum == Checksum::partial || how.gso_size;
	VnetHeader head = {};
	sockaddr_ll to = {};

	if (s.vlan >= 0)
		frame += std::string("\x81\0", 2) + (char)(s.vlan >> 8) + (char)s.vlan;
	frame += s.ipv6() ? "\x86\xdd" : std::string("\x08\0", 2);
	size_t tcp = frame.size() + tcp_offset(s);
	frame += packet_of(s, partial ? Checksum::partial : Checksum::whole);
	if (partial) {
		head.flags = needs_checksum;
		head.checksum_start = (uint16_t)tcp;
		head.checksum_offset = 16;
	}
	if (how.gso_size) {
		head.gso_type = s.ipv6() ? gso_tcp_ipv6 : gso_tcp_ipv4;
		head.gso_size = how.gso_size;
		head.header_size = (uint16_t)(frame.size() - s.payload.size());
	}
	note(">", s);
	frame.insert(0, (const char *)&head, sizeof(head));
	to.sll_family = AF_PACKET;
	to.sll_ifindex = index_;
	to.sll_halen = 6;
	if (sendto(socket_.fd(), frame.data(), frame.size(), 0, (const sockaddr *)&to,
		   sizeof(to)) != (ssize_t)frame.size())
		give_up("send on packet socket");
}

static int vlan_of(const msghdr &message)
{
	for (cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR((msghdr *)&message, c)) {
		tpacket_auxdata data;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		std::memcpy(&data, CMSG_DATA(c), sizeof(data));
		if (data.tp_status & TP_STATUS_VLAN_VALID)
			return data.tp_vlan_tci;
	}
	return -1;
}

void RawWire::read_all()
{
	static char bytes[1 << 17];
	alignas(cmsghdr) char control[256];
	VnetHeader head;
	constexpr size_t ethernet = 14;

	for (;;) {
		iovec parts[2] = { { &head, sizeof(head) }, { bytes, sizeof(bytes) } };
		msghdr message = {};

		message.msg_iov = parts;
		message.msg_iovlen = 2;
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		ssize_t n = recvmsg(socket_.fd(), &message, MSG_DONTWAIT);
		if (n < (ssize_t)(sizeof(head) + ethernet + 20))
			return;
		std::string_view frame(bytes, (size_t)n - sizeof(head));
		std::string_view type = frame.substr(12, 2);
		if (type != "\x86\xdd" && type != std::string_view("\x08\0", 2))
			continue;
		bool partial = head.flags & needs_checksum;
		try {
			auto s = segment_of(frame.substr(ethernet),
					    partial ? Checksum::partial : Checksum::whole);

			if (!s)
				continue;
			s->vlan = vlan_of(message);
			s->gso_size = head.gso_type ? head.gso_size : 0;
			note("<", *s);
			EXPECT_EQ(frame.substr(0, 12), client_mac + server_mac) << log();
			received_.push_back(*s);
		} catch (const std::exception &e) {
			ADD_FAILURE() << e.what() << log();
		}
	}
}

} // namespace live
