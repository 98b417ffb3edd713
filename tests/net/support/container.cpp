// SPDX-License-Identifier: BSD-2-Clause
#include "container.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstring>

#include "header.h"
#include "lo.h"
#include "raw.h"

namespace live
{

static constexpr const char *hello_bytes = "hello";

static uint64_t boot_ns()
{
	timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1'000'000'000 + (uint64_t)now.tv_nsec;
}

/* IPv4 as it is written, not as an IPv6 socket has it. */
static std::string readable(const Endpoint &from)
{
	static constexpr std::string_view mapped = "::ffff:";
	std::string host = from.host();

	return host.starts_with(mapped) ? endpoint(host.substr(mapped.size()), from.port()).text() :
					  from.text();
}

/* Both families by one listener. */
static void serve(int listener)
{
	for (;;) {
		Endpoint from;
		char got[16] = {};

		from.size = sizeof(from.storage);
		Socket connection(accept(listener, (sockaddr *)&from.storage, &from.size));
		if (!connection)
			continue;
		set_timeout(connection.fd(), 5s);
		ssize_t size = recv(connection.fd(), got, strlen(hello_bytes), MSG_WAITALL);
		std::string answer =
			readable(from) + " " + std::string(got, size > 0 ? (size_t)size : 0) + "\n";
		(void)!send(connection.fd(), answer.data(), answer.size(), MSG_NOSIGNAL);
	}
}

/* Until the kernel has noticed that there is a cable, the device drops what it is to send. */
static bool is_running(const std::string &name)
{
	Socket any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	ifreq request = {};

	name.copy(request.ifr_name, sizeof(request.ifr_name) - 1);
	return ioctl(any.fd(), SIOCGIFFLAGS, &request) == 0 && request.ifr_flags & IFF_RUNNING;
}

/* The life of the process. */
static void live_in_container(int control, uint16_t port)
{
	char word;

	if (unshare(CLONE_NEWNET))
		_exit(1);
	set_up_loopback();
	if (write(control, "u", 1) != 1 || read(control, &word, 1) != 1)
		_exit(2);
	eventually([] { return is_running("eth0"); });
	Socket listener(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
	Endpoint any = endpoint("::", port);
	set_option(listener.fd(), SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(listener.fd(), (sockaddr *)&any.storage, any.size) || ::listen(listener.fd(), 128))
		_exit(3);
	uint64_t when = boot_ns();
	if (write(control, &when, sizeof(when)) != sizeof(when))
		_exit(4);
	serve(listener.fd());
}

Container::Container(unsigned number, uint16_t port) : number_(number), port_(port)
{
	int ends[2];
	char word;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		give_up("make socket pair");
	pid_ = fork();
	if (pid_ == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		live_in_container(ends[1], port);
		_exit(5);
	}
	close(ends[1]);
	control_ = ends[0];
	set_timeout(control_, 10s);
	if (pid_ < 0 || read(control_, &word, 1) != 1)
		give_up("make container");
	std::string name = device(), space = std::to_string(pid_);
	ip_batch("link add " + name + " type veth peer name eth0 netns " + space +
		 "\naddress add " + host_address(false) + "/24 dev " + name + "\naddress add " +
		 host_address(true) + "/64 dev " + name + " nodad\nlink set " + name + " up\n");
	Socket inside = netns();
	ip_batch("address add " + address(false) + "/24 dev eth0\naddress add " + address(true) +
			 "/64 dev eth0 nodad\nlink set eth0 up\nroute add default via " +
			 host_address(false) + "\n",
		 inside.fd());
	if (!eventually([&] { return is_running(name); }))
		give_up("lay a cable to the container");
}

Socket Container::netns() const
{
	return Socket(
		open(("/proc/" + std::to_string(pid_) + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
}

std::string Container::device() const
{
	return "cable" + std::to_string(number_);
}

static std::string numbered(bool ipv6, unsigned number, unsigned end)
{
	return ipv6 ? "fd18:" + std::to_string(number + 1) + "::" + std::to_string(end) :
		      "198.18." + std::to_string(number) + "." + std::to_string(end);
}

std::string Container::address(bool ipv6) const
{
	return numbered(ipv6, number_, 2);
}

std::string Container::host_address(bool ipv6) const
{
	return numbered(ipv6, number_, 1);
}

Endpoint Container::service(bool ipv6) const
{
	return endpoint(address(ipv6), port_);
}

uint64_t Container::listen()
{
	uint64_t when = 0;

	if (write(control_, "l", 1) != 1 || read(control_, &when, sizeof(when)) != sizeof(when))
		give_up("listen in container");
	return when;
}

void Container::end()
{
	if (pid_ < 0)
		return;
	kill(pid_, SIGKILL);
	waitpid(pid_, nullptr, 0);
	close(control_);
	pid_ = -1;
}

std::string ask_container(const Container &container, bool ipv6, const std::string &origin,
			  std::vector<int64_t> *connects)
{
	uint64_t start = boot_ns();
	Client client(container.service(ipv6), container.host_address(ipv6));

	if (connects)
		connects->push_back((int64_t)(boot_ns() - start));
	if (client.error())
		return std::string("connect: ") + strerror(client.error());
	if (!client.send(v1_header(origin, 4242, "203.0.113.1", 443) + hello_bytes))
		return "send failed";
	Received answer = client.receive_all(5s);
	while (!answer.bytes.empty() && answer.bytes.back() == '\n')
		answer.bytes.pop_back();
	return answer.bytes.empty() ? answer.end == End::reset ? "reset" : "no answer" :
				      answer.bytes;
}

} // namespace live
