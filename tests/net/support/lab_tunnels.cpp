// SPDX-License-Identifier: BSD-2-Clause
/* Networks of devices without a link header. */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/ppp-ioctl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cstring>

#include "lab_topology.h"

namespace live
{

/* ---- tun --------------------------------------------------------------------------- */

static Socket open_tun(const Host &host, const std::string &device)
{
	Guest there(host.fd());
	Socket end(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
	ifreq request = {};

	strncpy(request.ifr_name, device.c_str(), IFNAMSIZ - 1);
	request.ifr_flags = IFF_TUN | IFF_NO_PI;
	if (!end || ioctl(end.fd(), TUNSETIFF, &request))
		give_up("make tun device: " + device);
	host.ip("link set " + device + " addrgenmode none up\n");
	return end;
}

TunCable::TunCable(const Host &a, const Host &b, const std::string &device)
    : ends_{ open_tun(a, device), open_tun(b, device) }
{
	thread_ = std::jthread([this] {
		static char bytes[1 << 16];
		pollfd ready[2] = { { ends_[0].fd(), POLLIN, 0 }, { ends_[1].fd(), POLLIN, 0 } };

		while (!stopping_) {
			poll(ready, 2, 50);
			for (int i : { 0, 1 }) {
				ssize_t n = read(ends_[i].fd(), bytes, sizeof(bytes));

				if (n > 0)
					(void)!write(ends_[!i].fd(), bytes, (size_t)n);
			}
		}
	});
}

TunCable::~TunCable()
{
	stopping_ = true;
	thread_.join();
}

/* ---- PPP --------------------------------------------------------------------------- */

static Socket open_ppp()
{
	Socket file(open("/dev/ppp", O_RDWR | O_CLOEXEC));

	if (!file)
		give_up("open /dev/ppp");
	return file;
}

/* What a daemon would do after it has agreed on the options with the other end's. */
PppCable::End PppCable::open_end(const Host &host, const std::string &device)
{
	Guest there(host.fd());
	End end = { Socket(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)),
		    {},
		    open_ppp(),
		    open_ppp() };
	int discipline = N_PPP, channel, unit = -1;
	termios raw;

	if (!end.line || unlockpt(end.line.fd()))
		give_up("make terminal");
	end.channel = Socket(ioctl(end.line.fd(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
	if (!end.channel || tcgetattr(end.channel.fd(), &raw))
		give_up("open terminal");
	cfmakeraw(&raw);
	if (tcsetattr(end.channel.fd(), TCSANOW, &raw) ||
	    ioctl(end.channel.fd(), TIOCSETD, &discipline) ||
	    ioctl(end.channel.fd(), PPPIOCGCHAN, &channel))
		give_up("set line discipline: PPP");
	if (ioctl(end.link.fd(), PPPIOCATTCHAN, &channel) ||
	    ioctl(end.unit.fd(), PPPIOCNEWUNIT, &unit) ||
	    ioctl(end.link.fd(), PPPIOCCONNECT, &unit))
		give_up("make PPP device: " + device);
	host.ip("link set ppp" + std::to_string(unit) + " name " + device + "\nlink set " + device +
		" addrgenmode none up\n");
	return end;
}

/* Writes all of it, however slowly the other end reads. */
static void write_all(int fd, const char *bytes, size_t size, const std::atomic<bool> &stopping)
{
	while (size > 0 && !stopping) {
		ssize_t n = write(fd, bytes, size);
		pollfd ready = { fd, POLLOUT, 0 };

		if (n > 0) {
			bytes += n;
			size -= (size_t)n;
		} else {
			poll(&ready, 1, 50);
		}
	}
}

PppCable::PppCable(const Host &a, const Host &b, const std::string &device)
    : ends_{ open_end(a, device), open_end(b, device) }
{
	thread_ = std::jthread([this] {
		char bytes[4096];
		pollfd ready[2] = { { ends_[0].line.fd(), POLLIN, 0 },
				    { ends_[1].line.fd(), POLLIN, 0 } };

		while (!stopping_) {
			poll(ready, 2, 50);
			for (int i : { 0, 1 }) {
				ssize_t n = read(ends_[i].line.fd(), bytes, sizeof(bytes));

				if (n > 0)
					write_all(ends_[!i].line.fd(), bytes, (size_t)n, stopping_);
			}
		}
	});
}

PppCable::~PppCable()
{
	stopping_ = true;
	thread_.join();
}

/* ---- the networks -------------------------------------------------------------------- */

static void between_ends_of_a_line(Site &s, Host &client, const std::string &device)
{
	s.host.address(device, 1, 1);
	client.address(device, 1, 2);
	s.client = &client;
	s.serve_at(1, 1);
}

static void tun(Site &s)
{
	Host &client = s.add();

	s.tuns.emplace_back(s.host, client, "tun0");
	between_ends_of_a_line(s, client, "tun0");
}

static void ppp(Site &s)
{
	Host &client = s.add();

	s.lines.emplace_back(s.host, client, "line0");
	between_ends_of_a_line(s, client, "line0");
}

static void gre(Site &s)
{
	on_top(s, "type gre local %LOCAL remote %REMOTE");
}

/* The output of wg(8). */
static std::string wg(const Host &host, std::vector<std::string> arguments,
		      const std::string &input)
{
	arguments.insert(arguments.begin(), "wg");
	Finished finished = run(arguments, { .input = input, .netns = host.fd() });

	if (finished.code)
		throw std::runtime_error("wg: " + finished.err);
	return finished.out.substr(0, finished.out.find('\n'));
}

static void wireguard(Site &s)
{
	on_top(s, "type wireguard");
	const Host *ends[] = { &s.host, s.client };
	std::string keys[2], names[2];

	for (int i : { 0, 1 }) {
		keys[i] = wg(*ends[i], { "genkey" }, "");
		names[i] = wg(*ends[i], { "pubkey" }, keys[i]);
	}
	for (int i : { 0, 1 })
		wg(*ends[i],
		   { "set", "top0", "listen-port", "51820", "private-key", "/proc/self/fd/0",
		     "peer", names[!i], "allowed-ips", "0.0.0.0/0,::/0", "endpoint",
		     address(1, 2 - i, false) + ":51820" },
		   keys[i] + "\n");
}

std::vector<Topology> tunnel_topologies()
{
	return {
		{ "tun", Way::no_ethernet, tun },
		{ "GRE", Way::no_ethernet, gre, "type gre local 10.1.0.1 remote 10.1.0.2" },
		{ "WireGuard", Way::no_ethernet, wireguard, "type wireguard" },
		{ "PPP", Way::no_ethernet, ppp, "/dev/ppp" },
	};
}

} // namespace live
