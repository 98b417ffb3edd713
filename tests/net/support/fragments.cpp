// SPDX-License-Identifier: BSD-2-Clause
#include "fragments.h"

#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>

#include <cstring>

#include "vnet.h"

namespace live
{

static constexpr size_t front = sizeof(VnetHeader) + sizeof(ether_header);

/* RFC 1071, over an even offset's bytes. */
static uint16_t checksum(const std::string &bytes, size_t from)
{
	uint32_t sum = 0;

	for (size_t i = from; i < bytes.size(); i++)
		sum += (i - from) % 2 ? (uint8_t)bytes[i] : (uint32_t)(uint8_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* What the device would have done: the sum over the pseudo header is there already. */
static void complete_checksum(std::string &frame)
{
	VnetHeader head;

	memcpy(&head, frame.data(), sizeof(head));
	if (head.flags & needs_checksum) {
		size_t start = sizeof(head) + head.checksum_start;
		uint16_t sum = checksum(frame, start);

		memcpy(&frame[start + head.checksum_offset], &sum, sizeof(sum));
	}
	memset(&frame[0], 0, sizeof(head));
}

static std::vector<std::string> ipv4_fragments(const std::string &frame, size_t size)
{
	std::vector<std::string> result;
	static uint16_t id;
	iphdr ip;

	memcpy(&ip, &frame[front], sizeof(ip));
	size_t header = ip.ihl * 4u, length = ntohs(ip.tot_len) - header;
	std::string payload = frame.substr(front + header, length);
	ip.id = htons(++id); /* with DF, senders need not number */
	for (size_t at = 0; at < length; at += size) {
		std::string part = payload.substr(at, size), head = frame.substr(front, header);

		ip.tot_len = htons((uint16_t)(header + part.size()));
		ip.frag_off = htons((uint16_t)(at / 8 | (at + size < length ? IP_MF : 0)));
		ip.check = 0;
		memcpy(&head[0], &ip, sizeof(ip));
		ip.check = checksum(head, 0);
		memcpy(&head[0], &ip, sizeof(ip));
		result.push_back(frame.substr(0, front) + head + part);
	}
	return result;
}

static std::vector<std::string> ipv6_fragments(const std::string &frame, size_t size)
{
	std::vector<std::string> result;
	static uint32_t id;
	ip6_hdr ip;
	ip6_frag fragment = {};

	memcpy(&ip, &frame[front], sizeof(ip));
	size_t length = ntohs(ip.ip6_plen);
	std::string payload = frame.substr(front + sizeof(ip), length);
	fragment.ip6f_nxt = ip.ip6_nxt;
	fragment.ip6f_ident = htonl(++id);
	ip.ip6_nxt = IPPROTO_FRAGMENT;
	for (size_t at = 0; at < length; at += size) {
		std::string part = payload.substr(at, size);

		ip.ip6_plen = htons((uint16_t)(sizeof(fragment) + part.size()));
		fragment.ip6f_offlg = htons((uint16_t)(at | (at + size < length)));
		result.push_back(frame.substr(0, front) +
				 std::string((const char *)&ip, sizeof(ip)) +
				 std::string((const char *)&fragment, sizeof(fragment)) + part);
	}
	return result;
}

std::vector<std::string> fragments_of(const std::string &frame, size_t size)
{
	ether_header ethernet;
	std::string whole = frame;

	if (!size || frame.size() < front + sizeof(ip6_hdr))
		return { frame };
	memcpy(&ethernet, &frame[sizeof(VnetHeader)], sizeof(ethernet));
	complete_checksum(whole);
	if (ethernet.ether_type == htons(ETHERTYPE_IP)) {
		const auto *ip = (const iphdr *)&whole[front];

		if (ip->protocol == IPPROTO_TCP && ntohs(ip->tot_len) - ip->ihl * 4u > size)
			return ipv4_fragments(whole, size);
	} else if (ethernet.ether_type == htons(ETHERTYPE_IPV6)) {
		const auto *ip = (const ip6_hdr *)&whole[front];

		if (ip->ip6_nxt == IPPROTO_TCP && ntohs(ip->ip6_plen) > size)
			return ipv6_fragments(whole, size);
	}
	return { frame };
}

} // namespace live
