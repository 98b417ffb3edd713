// SPDX-License-Identifier: BSD-2-Clause
#include "agent/enforce/segments.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/address.h"

namespace tp
{

Result<SegmentSender> SegmentSender::open()
{
	/* with IPPROTO_RAW the IP header comes with the data, and nothing is received */
	Fd ipv4(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));
	Fd ipv6(socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));

	if (!ipv4)
		return system_error("open", "raw socket", errno, "needs CAP_NET_RAW");
	return SegmentSender(std::move(ipv4), std::move(ipv6));
}

/* Adds to the ones' complement sum. The data starts at an even offset. */
static uint32_t add_words(uint32_t sum, const void *data, size_t size)
{
	const uint8_t *bytes = (const uint8_t *)data;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	if (size % 2)
		sum += (uint32_t)bytes[size - 1] << 8;
	return (sum & 0xffff) + (sum >> 16);
}

/* A TCP header with its options. */
using Header = std::span<const uint8_t>;

static uint16_t tcp_checksum(Header tcp, const Segment &segment)
{
	size_t unused = unused_bytes(segment.source);
	uint32_t sum = IPPROTO_TCP + (uint32_t)(tcp.size() + segment.payload.size());

	sum = add_words(sum, segment.source + unused, 16 - unused);
	sum = add_words(sum, segment.destination + unused, 16 - unused);
	sum = add_words(sum, tcp.data(), tcp.size());
	sum = add_words(sum, segment.payload.data(), segment.payload.size());
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static tcphdr make_tcp(const Segment &segment)
{
	tcphdr tcp = {};

	tcp.th_sport = htons(segment.source_port);
	tcp.th_dport = htons(segment.destination_port);
	tcp.th_seq = htonl(segment.seq);
	tcp.th_ack = htonl(segment.ack);
	tcp.th_off = sizeof(tcp) / 4;
	tcp.th_flags = segment.flags;
	tcp.th_win = htons(segment.window);
	tcp.th_sum = tcp_checksum({ (const uint8_t *)&tcp, sizeof(tcp) }, segment);
	return tcp;
}

static Status transmit(int fd, const Segment &segment, void *ip, size_t ip_size, Header tcp,
		       sockaddr *to, socklen_t to_size)
{
	iovec parts[] = {
		{ ip, ip_size },
		{ (void *)tcp.data(), tcp.size() },
		{ (void *)segment.payload.data(), segment.payload.size() },
	};
	alignas(cmsghdr) char control[CMSG_SPACE(sizeof(segment.mark))] = {};
	msghdr message = {};

	if (segment.mark) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		cmsghdr *mark = CMSG_FIRSTHDR(&message);
		mark->cmsg_level = SOL_SOCKET;
		mark->cmsg_type = SO_MARK;
		mark->cmsg_len = CMSG_LEN(sizeof(segment.mark));
		std::memcpy(CMSG_DATA(mark), &segment.mark, sizeof(segment.mark));
	}
	message.msg_name = to;
	message.msg_namelen = to_size;
	message.msg_iov = parts;
	message.msg_iovlen = 3;
	if (sendmsg(fd, &message, 0) < 0)
		return system_error("send segment",
				    format_service(segment.destination, segment.destination_port));
	return success();
}

static Status send_ipv4(int fd, const Segment &segment, Header tcp)
{
	sockaddr_in to = {};
	iphdr ip = {};

	ip.version = 4; /* the kernel fills in length, id and checksum */
	ip.ihl = 5;
	ip.ttl = segment.ttl;
	ip.tos = segment.tos;
	ip.protocol = IPPROTO_TCP;
	std::memcpy(&ip.saddr, segment.source + 12, 4);
	std::memcpy(&ip.daddr, segment.destination + 12, 4);
	to.sin_family = AF_INET;
	std::memcpy(&to.sin_addr, segment.destination + 12, 4);
	return transmit(fd, segment, &ip, sizeof(ip), tcp, (sockaddr *)&to, sizeof(to));
}

static Status send_ipv6(int fd, const Segment &segment, Header tcp)
{
	sockaddr_in6 to = {};
	ip6_hdr ip = {};

	ip.ip6_flow = htonl(6u << 28 | (uint32_t)segment.tos << 20);
	ip.ip6_plen = htons((uint16_t)(tcp.size() + segment.payload.size()));
	ip.ip6_nxt = IPPROTO_TCP;
	ip.ip6_hlim = segment.ttl;
	std::memcpy(&ip.ip6_src, segment.source, 16);
	std::memcpy(&ip.ip6_dst, segment.destination, 16);
	to.sin6_family = AF_INET6;
	std::memcpy(&to.sin6_addr, segment.destination, 16);
	return transmit(fd, segment, &ip, sizeof(ip), tcp, (sockaddr *)&to, sizeof(to));
}

Status SegmentSender::send_with(const Segment &segment, Header tcp)
{
	return unused_bytes(segment.source) ? send_ipv4(ipv4_.get(), segment, tcp) :
					      send_ipv6(ipv6_.get(), segment, tcp);
}

Status SegmentSender::send(const Segment &segment)
{
	tcphdr tcp = make_tcp(segment);

	return send_with(segment, { (const uint8_t *)&tcp, sizeof(tcp) });
}

Status SegmentSender::send_syn(const tp_listener &syn, uint32_t mark)
{
	Segment segment = {};
	tcphdr tcp;
	std::vector<uint8_t> header(syn.tcp,
				    syn.tcp + std::min<size_t>(syn.length, sizeof(syn.tcp)));

	if (header.size() < sizeof(tcp))
		return success();
	segment.source = syn.flow.remote;
	segment.destination = syn.flow.local;
	segment.destination_port = syn.flow.local_port;
	segment.mark = mark;
	segment.ttl = syn.ttl;
	segment.tos = syn.tos;
	if (IN6_IS_ADDR_LINKLOCAL((const in6_addr *)syn.flow.local))
		return success();
	/* the length is the header's alone: what was behind it is not sent */
	std::memcpy(&tcp, header.data(), sizeof(tcp));
	tcp.th_sum = 0;
	std::memcpy(header.data(), &tcp, sizeof(tcp));
	tcp.th_sum = tcp_checksum(header, segment);
	std::memcpy(header.data(), &tcp, sizeof(tcp));
	return send_with(segment, header);
}

} // namespace tp
