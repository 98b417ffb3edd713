/* SPDX-License-Identifier: BSD-2-Clause */
/* Servers that know nothing of the PROXY protocol and write down what they see. */
#ifndef TP_TESTS_SUPPORT_SERVER_H
#define TP_TESTS_SUPPORT_SERVER_H

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "net.h"
#include "thread.h"

namespace live
{

enum class ServerKind {
	blocking, /* a thread for each connection */
	epoll,    /* level-triggered, not blocking */
	edge,     /* edge-triggered */
};

/* FNV-1a, byte by byte, so that the way the bytes are cut does not matter. */
uint64_t hash_more(uint64_t hash, std::string_view bytes);
inline constexpr uint64_t empty_hash = 0xcbf29ce484222325;

struct ServerOptions {
	ServerKind kind = ServerKind::blocking;
	std::string banner = {};   /* said as soon as the connection is accepted */
	bool echo = false;         /* every byte goes back */
	bool count_at_end = false; /* after the client's FIN: "got N bytes\n" */
	bool keep = true;          /* keep the bytes, not only their number and hash */
	ListenOptions listen = {};
};

/* What a connection looked like to the server. */
struct Session {
	Endpoint accepted; /* from accept() */
	Endpoint peer;     /* getpeername() right after it */
	Endpoint late;     /* getpeername() at the end */
	uint64_t cookie = 0;
	std::string bytes;
	uint64_t count = 0;
	uint64_t hash = empty_hash;
	std::vector<int> errors; /* errno of each recv() that failed and should not */
	int phantoms = 0;        /* reported readable, but there was nothing */
	bool eof = false;
	bool done = false;
};

class Server
{
public:
	Server() = default;
	Server(const Endpoint &local, const ServerOptions &options = {});
	~Server();
	Server(const Server &) = delete;
	Server &operator=(const Server &) = delete;

	/* In the order in which they were accepted. */
	std::vector<Session> sessions() const;
	size_t count() const;

	bool wait_accepted(size_t n, Ms timeout = 10s) const;
	bool wait_done(size_t n, Ms timeout = 10s) const;
	/* The session `index`, once it has all of `bytes` bytes or is done. */
	Session wait_bytes(size_t index, size_t bytes, Ms timeout = 10s) const;

	void stop();

private:
	struct Connection;

	void serve_blocking();
	void serve_connection(Connection *connection);
	void serve_events();
	Connection *add(int fd, const Endpoint &address);
	void accept_all(int epoll);
	bool read_event(Connection *connection);
	void take(Connection *connection, const char *bytes, size_t size);
	void finish(Connection *connection);

	ServerOptions options_;
	Socket listener_;
	std::atomic<bool> stopping_ = false;
	mutable std::mutex mutex_;
	std::vector<Connection *> connections_;
	std::vector<Thread> threads_;
	Thread main_; /* until stop() */
	int wake_[2] = { -1, -1 };
};

} // namespace live

#endif
