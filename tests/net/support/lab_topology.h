/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds of networks in which a host with truepeer may stand; lab_table_test.cpp runs all. */
#ifndef TP_TESTS_SUPPORT_LAB_TOPOLOGY_H
#define TP_TESTS_SUPPORT_LAB_TOPOLOGY_H

#include <atomic>
#include <list>
#include <thread>

#include "lab.h"

namespace live
{

/* Two tun devices, and a thread that carries packets from one to the other. */
class TunCable
{
public:
	TunCable(const Host &a, const Host &b, const std::string &device);
	~TunCable();
	TunCable(const TunCable &) = delete;
	TunCable &operator=(const TunCable &) = delete;

private:
	Socket ends_[2];
	std::atomic<bool> stopping_ = false;
	std::jthread thread_;
};

/* Two PPP devices, and a thread that carries the bytes of the line between them. */
class PppCable
{
public:
	PppCable(const Host &a, const Host &b, const std::string &device);
	~PppCable();
	PppCable(const PppCable &) = delete;
	PppCable &operator=(const PppCable &) = delete;

private:
	struct End {
		Socket line;       /* the far side of the terminal that the device sends on */
		Socket channel;    /* the terminal, with the line discipline of PPP */
		Socket unit, link; /* of /dev/ppp */
	};

	static End open_end(const Host &host, const std::string &device);

	End ends_[2];
	std::atomic<bool> stopping_ = false;
	std::jthread thread_;
};

/* One network, while it is there.  By family: [0] IPv4, [1] IPv6. */
struct Site {
	explicit Site(const Host &own) : host(own) {}

	const Host &host; /* with truepeer */
	std::list<Host> others;
	std::list<TunCable> tuns;
	std::list<PppCable> lines;
	const Host *client = nullptr; /* where the proxy is; nothing: on `host` */
	const Host *server = nullptr; /* nothing: on `host` */
	std::string listen[2];        /* the server's address */
	std::string to[2];            /* what the client connects to, if not that */
	std::string from[2];          /* the client's, if not what the route gives */
	std::string peer[2];          /* whom the server sees, if not the client */
	std::vector<std::string> trust;
	uint64_t chunk = 32768; /* bytes of one write */

	Host &add() { return others.emplace_back(); }
	void serve_at(int network, int number);
	void connect_to(int network, int number);
};

/* What becomes of connections there. */
enum class Way {
	local,    /* proxy and server on one host */
	straight, /* the answer goes back to where the SYN came from */
	crooked,  /* ... elsewhere: no engine may answer in TCP's place */
	any,      /* ... by the same interface, or only the kernel's rules know: whoever serves */
	no_ethernet,
	left_alone, /* not for a socket of this host */
};

struct Topology {
	const char *name; /* as in the table */
	Way way;
	void (*build)(Site &site);
	const char *device = ""; /* what the kernel needs: has_device(), or a file of /dev */
};

const std::vector<Topology> &topologies();

/* Those without Ethernet, which topologies() has, too. */
std::vector<Topology> tunnel_topologies();

/* Those of containers and of network cards' offloads, which topologies() has, too. */
std::vector<Topology> host_topologies();

/*
 * host (1,1) eth0 ---- eth0 (1,2) client, and the same with device top0 (2,1) on top of each eth0.
 * `how` is what ip(8) needs to make it, with %LOCAL and %REMOTE for the addresses below.
 */
void on_top(Site &site, const std::string &how);

/* host (1,1) eth0 ---- eth0 (1,2) client */
void build_veth(Site &site);
/* host (2,2) ---- (2,1) router (1,1) ---- (1,2) client */
Host &build_router(Site &site);

} // namespace live

#endif
