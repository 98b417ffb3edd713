// SPDX-License-Identifier: BSD-2-Clause
#include "tap.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>

#include <cstring>
#include <optional>

#include "vnet.h"

namespace live
{

Tap::Tap(const Host &host, const std::string &device)
{
	Guest there(host.fd());
	sockaddr_ll where = {};

	where.sll_family = AF_PACKET;
	where.sll_protocol = htons(ETH_P_ALL);
	where.sll_ifindex = (int)if_nametoindex(device.c_str());
	socket_ = Socket(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
	if (!socket_)
		give_up("make packet socket");
	set_option(socket_.fd(), SOL_PACKET, PACKET_VNET_HDR, 1);
	set_option(socket_.fd(), SOL_SOCKET, SO_RCVBUFFORCE, 256 << 20);
	if (bind(socket_.fd(), (const sockaddr *)&where, sizeof(where)))
		give_up("bind packet socket: " + device);
}

/* Nothing if the frame is no TCP. */
static std::optional<Segment> segment_in(std::string_view bytes)
{
	VnetHeader head;

	if (bytes.size() < sizeof(head) + ETH_HLEN + 20)
		return {};
	std::memcpy(&head, bytes.data(), sizeof(head));
	std::string_view frame = bytes.substr(sizeof(head)), type = frame.substr(12, 2);
	if (type != std::string_view("\x08\0", 2) && type != "\x86\xdd")
		return {};
	return segment_of(frame.substr(ETH_HLEN),
			  head.flags & needs_checksum ? Checksum::partial : Checksum::whole);
}

std::vector<Tapped> Tap::take() const
{
	static char bytes[1 << 18];
	std::vector<Tapped> taken;
	tpacket_stats counted = {};
	socklen_t size = sizeof(counted);

	for (;;) {
		sockaddr_ll from = {};
		socklen_t length = sizeof(from);
		ssize_t n = recvfrom(socket_.fd(), bytes, sizeof(bytes), MSG_DONTWAIT,
				     (sockaddr *)&from, &length);

		if (n < 0)
			break;
		if (auto s = segment_in({ bytes, (size_t)n }))
			taken.push_back({ from.sll_pkttype == PACKET_OUTGOING, *s });
	}
	if (getsockopt(socket_.fd(), SOL_PACKET, PACKET_STATISTICS, &counted, &size))
		give_up("read statistics of packet socket");
	EXPECT_EQ(counted.tp_drops, 0u) << "segments that nobody has seen";
	return taken;
}

} // namespace live
