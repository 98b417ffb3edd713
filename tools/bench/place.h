/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mounts, cgroups and network namespaces of a run.  The namespaces have no names and
 * disappear with the last process in them.  The next run removes a cgroup that a killed run
 * has left.
 */
#ifndef TP_BENCH_PLACE_H
#define TP_BENCH_PLACE_H

#include <string>

#include "plan.h"
#include "process.h"

namespace bench
{

/* The mounts and cgroups; made once. */
class Place
{
public:
	static Result<Place> make();
	Place(Place &&other) noexcept
	    : cgroup_(std::exchange(other.cgroup_, {})), pin_dir_(std::move(other.pin_dir_))
	{
	}
	Place &operator=(Place &&) = delete;
	~Place();

	/*
	 * The agent works on the servers' cgroup.  The client has one of its own beside
	 * it, because a program of the server's cgroup also sees the packets that come to
	 * the client: on loopback that would be counted twice.
	 */
	std::string server_cgroup() const { return cgroup_ + "/server"; }
	/* The sender engine must also see the client's sockets. */
	std::string agent_cgroup(Variant variant) const
	{
		return variant == Variant::sender ? cgroup_ : server_cgroup();
	}
	std::string client_cgroup() const { return cgroup_ + "/client"; }
	/* Makes a cgroup below the run's own; `name` may have several parts, as "name/part". */
	Result<std::string> make_cgroup(const std::string &name) const;
	/* The folder is on a bpf file system that only this run sees. */
	std::string pin_dir() const { return pin_dir_; }
	/* Kills all processes in its cgroups. */
	void kill_all() const;
	/* Removes the pins that an agent has left, which detaches its programs. */
	Status clear_pins() const;
	/* The place of one of several agents: its own pins, and cgroups below this one's. */
	Result<Place> part(const std::string &name) const;

private:
	Place() = default;
	Status make_cgroups(const std::string &path);

	std::string cgroup_;
	std::string pin_dir_ = "/sys/fs/bpf/tp-bench";
};

Status enter_cgroup(const std::string &path);

/* Runs these lines by ip(8) in a network namespace. */
Status run_ip(int netns, const std::string &commands);

/* Fresh network namespaces of server and client; on loopback they are one. */
class Ground
{
public:
	/* `congestion_control` is a value of net.ipv4.tcp_congestion_control, such as "reno". */
	static Result<Ground> make(Topology topology, const std::string &congestion_control);

	Topology topology() const { return topology_; }
	int server() const { return server_.get(); }
	int client() const { return client_ ? client_.get() : server_.get(); }
	const char *interface() const { return client_ ? "tp0" : "lo"; }
	const char *server_address() const { return client_ ? "10.77.0.1" : "127.0.0.1"; }
	const char *client_address() const { return client_ ? "10.77.0.2" : "127.0.0.1"; }
	const char *network() const { return client_ ? "10.77.0.0/24" : "127.0.0.0/8"; }
	/* No port is returned twice, so that no connection meets one that is in TIME_WAIT. */
	uint16_t fresh_port() { return port_ += 2; }

private:
	Topology topology_;
	Fd server_, client_;
	uint16_t port_ = 8080;
};

} // namespace bench

#endif
