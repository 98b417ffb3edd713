/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host on an Ethernet that has no kernel: it writes and reads frames, answers ARP and ND
 * for the addresses that it claims, and may claim any Ethernet address, or none.
 *
 *	Host far;
 *	cable(server, "eth0", far, "wire");
 *	Station proxy(far, "wire", 1, { address(7, 2, false), address(7, 2, true) });
 *	RawClient client(proxy, service, { .host = address(7, 2, ipv6) });
 */
#ifndef TP_TESTS_SUPPORT_LAB_STATION_H
#define TP_TESTS_SUPPORT_LAB_STATION_H

#include <map>
#include <vector>

#include "lab.h"
#include "raw.h"

namespace live
{

/* As a driver hands a frame on.  CHECKSUM_COMPLETE cannot be had from a packet socket. */
enum class Card {
	whole,   /* computed; verified by the receiver, or by its (virtual) card */
	partial, /* left to the card: VIRTIO_NET_HDR_F_NEEDS_CSUM */
	valid,   /* VIRTIO_NET_HDR_F_DATA_VALID, though the sum is whole, too */
};

struct FrameOptions {
	std::string to = {};      /* Ethernet address; empty: the next hop's, by ARP or ND */
	std::string from = {};    /* empty: the station's */
	std::string source = {};  /* whose frame it is, for ND; empty: the segment's source */
	size_t least = 0;         /* padded to this size, 60 on a real Ethernet */
	std::string padding = {}; /* what is there, zeros behind it */
	Card card = Card::whole;
};

struct Frame {
	std::string to, from; /* Ethernet addresses */
	Segment segment;
};

class Station : public Line
{
public:
	/* `device` of that host's; Ethernet address 02:00:00:00:01:<number>. */
	Station(const Host &host, const std::string &device, uint8_t number,
		const std::vector<std::string> &addresses);

	FrameOptions usual = {}; /* of all that is sent without others */
	/* Where destinations are reached that are not on this Ethernet; by family. */
	std::string gateway[2] = {};

	const std::string &mac() const { return mac_; }
	/* The Ethernet address of a neighbour, asked for once; throws std::runtime_error. */
	std::string resolve(const std::string &neighbour);

	void send(const Segment &s) override { send(s, usual); }
	void send(const Segment &s, const FrameOptions &how);
	void send_packet(const std::string &packet, bool ipv6, const std::string &to);

	std::string client(bool ipv6, unsigned index = 0) const override; /* of its addresses */

	/* All TCP that this device has seen, whoever it was for. */
	std::vector<Frame> seen();

private:
	void read_all() override;
	void take(std::string_view frame, bool partial);
	void answer_arp(std::string_view frame);
	void answer_nd(std::string_view frame);
	void put(const std::string &frame, const std::string &head);
	bool claims(const std::string &address) const;

	std::string mac_;
	std::vector<std::string> addresses_;
	std::map<std::string, std::string> neighbours_;
	int index_ = 0;
	std::vector<Frame> seen_;
};

} // namespace live

#endif
