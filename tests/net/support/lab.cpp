// SPDX-License-Identifier: BSD-2-Clause
#include "lab.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

#include "raw.h"
#include "raw_world.h"
#include "wire.h"

namespace live
{

Guest::Guest(int netns) : own_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC))
{
	if (own_ < 0 || setns(netns, CLONE_NEWNET))
		give_up("enter network namespace");
}

Guest::~Guest()
{
	EXPECT_EQ(setns(own_, CLONE_NEWNET), 0);
	close(own_);
}

std::string address(int network, int host, bool ipv6)
{
	char text[64];

	snprintf(text, sizeof(text), ipv6 ? "fd10:%x::%x" : "10.%d.0.%d", network, host);
	return text;
}

std::string network(int number, bool ipv6)
{
	return address(number, 0, ipv6).substr(0, address(number, 0, ipv6).size() - ipv6) +
	       (ipv6 ? "/64" : "/24");
}

/* ---- a host -------------------------------------------------------------------- */

Host::Host() : netns_(std::make_unique<Netns>()), fd_(netns_->fd()) {}

Host::Host(Own) : fd_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC))
{
	if (fd_ < 0)
		give_up("open network namespace");
}

Host::~Host()
{
	if (!netns_)
		close(fd_);
}

std::string Host::path() const
{
	return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_);
}

std::string Host::mac(const std::string &device) const
{
	Guest here(fd_);
	Socket any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	ifreq request = {};

	strncpy(request.ifr_name, device.c_str(), IFNAMSIZ - 1);
	if (ioctl(any.fd(), SIOCGIFHWADDR, &request))
		give_up("read Ethernet address: " + device);
	return std::string(request.ifr_hwaddr.sa_data, 6);
}

void Host::ip(const std::string &commands) const
{
	ip_batch(commands, fd_);
}

void Host::ipv6(const std::string &commands) const
{
	Finished finished = run({ "ip", "-6", "-batch", "-" }, { .input = commands, .netns = fd_ });

	if (finished.code)
		throw std::runtime_error("ip -6: " + finished.err + commands);
}

void Host::nft(const std::string &rules) const
{
	Finished finished = run({ "nft", "-f", "-" }, { .input = rules, .netns = fd_ });

	if (finished.code)
		throw std::runtime_error("nft: " + finished.err + rules);
}

void Host::sysctl(const std::string &name, const std::string &value) const
{
	Guest here(fd_);

	set_sysctl(name, value);
}

void Host::offloads(const std::string &device, const Offloads &how) const
{
	Guest here(fd_);

	if (how.receive_checksum)
		set_feature(device, ETHTOOL_SRXCSUM, *how.receive_checksum);
	if (how.send_checksum)
		set_feature(device, ETHTOOL_STXCSUM, *how.send_checksum);
	if (how.segmentation) {
		set_feature(device, ETHTOOL_STSO, *how.segmentation);
		set_feature(device, ETHTOOL_SGSO, *how.segmentation);
	}
	if (how.gro)
		set_feature(device, ETHTOOL_SGRO, *how.gro);
}

/* Who forwards asks for neighbours by its link-local address, so there has to be one. */
void Host::address(const std::string &device, int network, int host) const
{
	char local[32];

	snprintf(local, sizeof(local), "fe80::%x:%x", network, host);
	ip("addr add " + live::address(network, host, false) + "/24 dev " + device + "\n" +
	   "addr add " + live::address(network, host, true) + "/64 nodad dev " + device + "\n" +
	   "addr add " + std::string(local) + "/64 nodad dev " + device + "\n");
}

void Host::route(int network, int gateway_network, int gateway_host, const std::string &more) const
{
	std::string commands;

	for (bool ipv6 : { false, true })
		commands += "route add " + live::network(network, ipv6) + " via " +
			    live::address(gateway_network, gateway_host, ipv6) + " " + more + "\n";
	ip(commands);
}

void Host::forward() const
{
	sysctl("net.ipv4.ip_forward", "1");
	sysctl("net.ipv6.conf.all.forwarding", "1");
	for (const char *conf : { "all", "default" }) {
		sysctl(std::string("net.ipv4.conf.") + conf + ".send_redirects", "0");
		sysctl(std::string("net.ipv4.conf.") + conf + ".rp_filter", "0");
	}
}

void Host::loose() const
{
	for (const char *conf : { "all", "default" })
		sysctl(std::string("net.ipv4.conf.") + conf + ".rp_filter", "0");
}

Client Host::connect(const Endpoint &to, const std::string &from, Ms timeout) const
{
	Guest here(fd_);

	return Client(to, from, timeout);
}

/* ---- links ------------------------------------------------------------------------ */

void cable(const Host &a, const std::string &device_a, const Host &b, const std::string &device_b)
{
	a.ip("link add " + device_a + " type veth peer name " + device_b + " netns " + b.path() +
	     "\nlink set " + device_a + " addrgenmode none up\n");
	b.ip("link set " + device_b + " addrgenmode none up\n");
}

void join(const Host &hub, const std::string &bridge, const std::vector<const Host *> &hosts,
	  const std::string &device)
{
	static int number;

	hub.ip("link add " + bridge + " type bridge forward_delay 0\nlink set " + bridge +
	       " addrgenmode none up\n");
	for (const Host *host : hosts) {
		std::string port = "port" + std::to_string(++number);

		cable(hub, port, *host, device);
		hub.ip("link set " + port + " master " + bridge + "\n");
	}
}

bool has_device(const std::string &how)
{
	if (how.starts_with('/'))
		return access(how.c_str(), F_OK) == 0;
	Netns place;
	std::string command = "link add probe1 type veth peer name probe2\n"
			      "link add name probe0 " +
			      how + "\n";

	return run({ "ip", "-batch", "-" }, { .input = command, .netns = place.fd() }).code == 0;
}

} // namespace live
