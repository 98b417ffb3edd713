// SPDX-License-Identifier: BSD-2-Clause
#include "lab_station.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "header.h"
#include "vnet.h"

namespace live
{

static constexpr size_t frame_head = 14;
static const std::string type_ipv4("\x08\0", 2), type_arp("\x08\x06", 2), type_ipv6("\x86\xdd", 2);
static constexpr uint8_t data_is_valid = 2; /* VnetHeader's flags */

static std::string text_of(const std::string &bytes)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof(text));
	return text;
}

static bool is_ipv6(const std::string &address)
{
	return address.find(':') != std::string::npos;
}

Station::Station(const Host &host, const std::string &device, uint8_t number,
		 const std::vector<std::string> &addresses)
    : mac_(std::string("\x02\0\0\0\x01", 5) + (char)number), addresses_(addresses)
{
	Guest there(host.fd());
	sockaddr_ll where = {};

	index_ = (int)if_nametoindex(device.c_str());
	socket_ = Socket(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
	if (!socket_)
		give_up("make packet socket");
	set_option(socket_.fd(), SOL_PACKET, PACKET_VNET_HDR, 1);
	set_option(socket_.fd(), SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	set_option(socket_.fd(), SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20);
	where.sll_family = AF_PACKET;
	where.sll_protocol = htons(ETH_P_ALL);
	where.sll_ifindex = index_;
	if (bind(socket_.fd(), (const sockaddr *)&where, sizeof(where)))
		give_up("bind packet socket: " + device);
}

bool Station::claims(const std::string &address) const
{
	return std::find(addresses_.begin(), addresses_.end(), address) != addresses_.end();
}

std::string Station::client(bool ipv6, unsigned index) const
{
	for (const std::string &address : addresses_)
		if (is_ipv6(address) == ipv6 && index-- == 0)
			return address;
	throw std::runtime_error("station: no such address");
}

/* ---- ARP and ND ---------------------------------------------------------------------- */

static uint16_t inverted_sum(std::string_view bytes)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < bytes.size(); i++)
		sum += (uint32_t)(uint8_t)bytes[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* An ICMPv6 message of ND in its packet: type, flags, target, one option with `mac`. */
static std::string nd_packet(uint8_t type, uint32_t flags, const std::string &source,
			     const std::string &destination, const std::string &target,
			     const std::string &mac)
{
	std::string body = std::string(1, (char)type) + std::string(3, '\0') + be32(flags) + target;

	body += std::string(1, type == 135 ? '\x01' : '\x02') + '\x01' + mac;
	std::string pseudo = source + destination + be32((uint32_t)body.size()) + be32(58);
	body.replace(2, 2, be16(inverted_sum(pseudo + body)));
	return be32(6u << 28) + be16(body.size()) + '\x3a' + '\xff' + source + destination + body;
}

static std::string arp(uint16_t operation, const std::string &mac, const std::string &source,
		       const std::string &to_mac, const std::string &target)
{
	return be16(1) + type_ipv4 + "\x06\x04" + be16(operation) + mac + source + to_mac + target;
}

void Station::answer_arp(std::string_view frame)
{
	if (frame.size() < frame_head + 28)
		return;
	std::string from(frame.substr(22, 6)), source(frame.substr(28, 4)),
		target(frame.substr(38, 4));
	bool question = frame[21] == 1;

	neighbours_[text_of(source)] = from;
	if (question && claims(text_of(target)))
		put(from + mac_ + type_arp + arp(2, mac_, target, from, source), {});
}

void Station::answer_nd(std::string_view frame)
{
	std::string_view packet = frame.substr(frame_head);

	if (packet.size() < 72 || packet[6] != 58)
		return;
	std::string from(frame.substr(6, 6)), source(packet.substr(8, 16)),
		target(packet.substr(48, 16));
	if ((uint8_t)packet[40] == 136)
		neighbours_[text_of(target)] = from;
	if ((uint8_t)packet[40] == 135 && claims(text_of(target)))
		put(from + mac_ + type_ipv6 +
			    nd_packet(136, 0x60000000, target, source, target, mac_),
		    {});
}

std::string Station::resolve(const std::string &neighbour)
{
	bool ipv6 = is_ipv6(neighbour);
	std::string target = address_bytes(neighbour), own = address_bytes(client(ipv6));

	for (int attempt = 0; attempt < 50 && !neighbours_.count(neighbour); attempt++) {
		if (attempt % 10 == 0 && ipv6) {
			std::string group = std::string("\xff\x02", 2) + std::string(9, '\0') +
					    std::string("\x01\xff", 2) + target.substr(13);

			put(std::string("\x33\x33", 2) + group.substr(12) + mac_ + type_ipv6 +
				    nd_packet(135, 0, own, group, target, mac_),
			    {});
		} else if (attempt % 10 == 0) {
			put(std::string(6, '\xff') + mac_ + type_arp +
				    arp(1, mac_, own, std::string(6, '\0'), target),
			    {});
		}
		polls_readable(socket_.fd(), 20ms);
		read_all();
	}
	if (!neighbours_.count(neighbour))
		throw std::runtime_error("station: nobody answers for " + neighbour);
	return neighbours_[neighbour];
}

/* ---- out --------------------------------------------------------------------------- */

void Station::put(const std::string &frame, const std::string &head)
{
	std::string bytes = (head.empty() ? std::string(sizeof(VnetHeader), '\0') : head) + frame;
	sockaddr_ll to = {};

	to.sll_family = AF_PACKET;
	to.sll_ifindex = index_;
	to.sll_halen = 6;
	if (sendto(socket_.fd(), bytes.data(), bytes.size(), 0, (const sockaddr *)&to,
		   sizeof(to)) != (ssize_t)bytes.size())
		give_up("send on packet socket");
}

void Station::send(const Segment &s, const FrameOptions &how)
{
	bool partial = how.card == Card::partial;
	std::string via = gateway[s.ipv6()].empty() ? s.destination : gateway[s.ipv6()];
	std::string bytes = (how.to.empty() ? resolve(via) : how.to) +
			    (how.from.empty() ? mac_ : how.from) +
			    (s.ipv6() ? type_ipv6 : type_ipv4);
	VnetHeader head = {};

	if (partial)
		head.checksum_start = (uint16_t)(bytes.size() + tcp_offset(s));
	head.checksum_offset = partial ? 16 : 0;
	head.flags = partial ? needs_checksum : how.card == Card::valid ? data_is_valid : 0;
	bytes += packet_of(s, partial ? Checksum::partial : Checksum::whole) + how.padding;
	if (bytes.size() < how.least)
		bytes.resize(how.least);
	note(">", s);
	put(bytes, std::string((const char *)&head, sizeof(head)));
}

void Station::send_packet(const std::string &packet, bool ipv6, const std::string &to)
{
	put(to + mac_ + (ipv6 ? type_ipv6 : type_ipv4) + packet, {});
}

/* ---- in ---------------------------------------------------------------------------- */

void Station::take(std::string_view frame, bool partial)
{
	std::string_view type = frame.substr(12, 2);

	if (type == type_arp)
		return answer_arp(frame);
	if (type != type_ipv4 && type != type_ipv6)
		return;
	if (type == type_ipv6)
		answer_nd(frame);
	try {
		auto s = segment_of(frame.substr(frame_head),
				    partial ? Checksum::partial : Checksum::whole);

		if (!s)
			return;
		note("<", *s);
		seen_.push_back(
			{ std::string(frame.substr(0, 6)), std::string(frame.substr(6, 6)), *s });
		if (frame.substr(0, 6) == mac_)
			received_.push_back(*s);
	} catch (const std::exception &e) {
		ADD_FAILURE() << e.what() << log();
	}
}

void Station::read_all()
{
	static char bytes[1 << 18];

	for (;;) {
		ssize_t n = recv(socket_.fd(), bytes, sizeof(bytes), MSG_DONTWAIT);
		VnetHeader head;

		if (n < 0)
			return;
		if (n < (ssize_t)(sizeof(head) + frame_head + 20))
			continue;
		std::memcpy(&head, bytes, sizeof(head));
		take(std::string_view(bytes + sizeof(head), (size_t)n - sizeof(head)),
		     head.flags & needs_checksum);
	}
}

std::vector<Frame> Station::seen()
{
	read_all();
	return seen_;
}

} // namespace live
