/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libtruepeer: who is the real peer of this connection?
 *
 * truepeer takes PROXY protocol headers out of TCP connections before the server
 * reads them.  getpeername() and accept() answer with the header's source address;
 * this library gives the rest: the destination, the proxy, the header's version,
 * and IPv6 origins of connections whose socket is AF_INET.
 *
 * The functions that are given a descriptor ask the kernel first (sockopt.h), where the agent was
 * started with --getsockopt, and then the agent's pinned maps; the others ask the maps.
 *
 * Privileges: asking the kernel takes none.  The pinned maps are opened read-only, which takes root or
 * membership in the group given to `truepeer run --group`, and the right to search the
 * directories above them.
 *
 * Thread safety: all functions may be called at any time from any thread, with the
 * same handle too; only truepeer_close() must not run while the handle is in use.
 * A handle survives restarts of the agent, and fork() at any time, whatever other threads do with
 * it: both processes may go on using theirs.  A look-up allocates nothing and takes no lock.
 *
 * Byte order: addresses and ports are those of struct sockaddr, in network byte
 * order; all other numbers are in host byte order.
 */
#ifndef TRUEPEER_H
#define TRUEPEER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <truepeer/tlv.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRUEPEER_VERSION_MAJOR 0
#define TRUEPEER_VERSION_MINOR 1
#define TRUEPEER_VERSION_PATCH 0

/* Every function that can fail returns 0, or one of these. */
enum truepeer_error {
	TRUEPEER_OK = 0,
	/* Nothing is pinned in the directory: the agent was never started, or was stopped. */
	TRUEPEER_ERROR_NOT_RUNNING = -1,
	/* This process may not open the pinned maps. */
	TRUEPEER_ERROR_PERMISSION = -2,
	/*
	 * The socket is not a live connection of a truepeer service, or the connection was passed
	 * on without a header by policy, was closed, or is being refused.
	 */
	TRUEPEER_ERROR_NOT_FOUND = -3,
	/*
	 * This version does not return it, because a connection that can be found has its header.
	 */
	TRUEPEER_ERROR_PENDING = -4,
	/*
	 * An argument is wrong: a null pointer, a descriptor that is not a socket, or a struct size
	 * that was not set (less than that of the first version, or more than 4096).
	 */
	TRUEPEER_ERROR_INVALID = -5,
	/* The maps were pinned by a truepeer with another map layout. */
	TRUEPEER_ERROR_INCOMPATIBLE = -6,
	/* A system call failed; errno says why. */
	TRUEPEER_ERROR_SYSTEM = -7,
};

enum truepeer_command {
	TRUEPEER_COMMAND_LOCAL = 0, /* the proxy's own connection, such as a health check */
	TRUEPEER_COMMAND_PROXY = 1, /* on behalf of a client */
};

enum truepeer_transport {
	TRUEPEER_TRANSPORT_UNSPEC = 0,
	TRUEPEER_TRANSPORT_STREAM = 1,
	TRUEPEER_TRANSPORT_DGRAM = 2,
};

/* How the header was taken out. */
enum truepeer_engine {
	TRUEPEER_ENGINE_NONE = 0,
	TRUEPEER_ENGINE_HANDSHAKE = 1,
	TRUEPEER_ENGINE_SENDER = 2,
	TRUEPEER_ENGINE_STREAM = 3,
	TRUEPEER_ENGINE_TRANSLATE = 4,
};

/*
 * One connection. The first version of this struct is what is here; later ones only add fields at
 * the end. Set size to sizeof(struct truepeer_peer) before each call (TRUEPEER_PEER_INIT does). On
 * success the library sets it to the number of bytes that it has filled in. If the library is older
 * than the caller these are fewer, and the rest is 0. The library never writes behind the size that
 * it was given.
 */
struct truepeer_peer {
	uint32_t size;
	uint32_t service;      /* index, as in `truepeer status` */
	uint64_t cookie;       /* the socket's SO_COOKIE */
	uint64_t syn_ns;       /* CLOCK_BOOTTIME: when the handshake began; 0 if not seen */
	uint64_t header_ns;    /* CLOCK_BOOTTIME: when the header was complete; 0 without one */
	uint16_t header_bytes; /* length of the header; 0 without one */
	uint8_t version;       /* of the header: 1 or 2; 0 without one */
	uint8_t command;       /* enum truepeer_command */
	uint8_t transport;     /* enum truepeer_transport */
	uint8_t engine;        /* enum truepeer_engine */
	uint8_t reserved[2];
	/*
	 * The real client, and what it connected to. ss_family is AF_INET, AF_INET6 or AF_UNIX
	 * (sun_path as in the header: 108 bytes, zero-padded, not always terminated). With
	 * TRUEPEER_COMMAND_LOCAL, and if the header names no address, these are the proxy's address
	 * and this host's.
	 */
	struct sockaddr_storage origin;
	struct sockaddr_storage destination;
	struct sockaddr_storage proxy; /* the TCP peer */
	struct sockaddr_storage local; /* this host's end of the TCP connection */
};

/*
 * All zeros except the size. C++ has designated initializers only since C++20, and C++ compilers
 * warn about members that are left out; C compilers do not.
 */
#ifdef __cplusplus
#define TRUEPEER_PEER_INIT                                                                         \
	{                                                                                          \
		sizeof(struct truepeer_peer), 0, 0, 0, 0, 0, 0, 0, 0, 0, {}, {}, {}, {}, {}        \
	}
#else
#define TRUEPEER_PEER_INIT { .size = sizeof(struct truepeer_peer) }
#endif

typedef struct truepeer_handle truepeer_handle;

/*
 * Opens the maps pinned in `pin_dir`; NULL means /sys/fs/bpf/truepeer. On success *out is a handle
 * for truepeer_close(). Otherwise *out is NULL, and the result is NOT_RUNNING, PERMISSION,
 * INCOMPATIBLE, INVALID (`out` is NULL, or the path is too long) or SYSTEM.
 */
int truepeer_open(const char *pin_dir, truepeer_handle **out);

/* Frees the handle.  NULL is allowed. */
void truepeer_close(truepeer_handle *handle);

/*
 * Looks a connection up by its socket cookie (getsockopt SO_COOKIE, `ss -e`). On an error the
 * result is NOT_RUNNING (the pins have been removed since), PERMISSION, NOT_FOUND, INVALID,
 * INCOMPATIBLE (another version runs now) or SYSTEM, and *peer is unchanged.
 */
int truepeer_lookup_cookie(truepeer_handle *handle, uint64_t cookie, struct truepeer_peer *peer);

/*
 * The same for the connection of the socket `fd`, which another process may have made. A descriptor
 * that is closed or not a socket is INVALID. With a null handle only the kernel is asked, and the
 * result is NOT_RUNNING if it does not answer.
 */
int truepeer_lookup_fd(truepeer_handle *handle, int fd, struct truepeer_peer *peer);

/*
 * All live connections that truepeer_lookup_cookie() would find, of all services, one after the
 * other; the order means nothing.
 *
 *	truepeer_walk *walk;
 *	struct truepeer_peer peer = TRUEPEER_PEER_INIT;
 *
 *	if (truepeer_walk_open(handle, &walk) == TRUEPEER_OK) {
 *		while (truepeer_walk_next(walk, &peer) == 1)
 *			use(&peer);
 *		truepeer_walk_close(walk);
 *	}
 *
 * A connection that lives from truepeer_walk_open() to the end of the walk is seen exactly once,
 * whatever begins and ends meanwhile; one that does either may be seen, once, or not.  One that is
 * seen may have ended in the moment before.  Where an agent takes another's place meanwhile, the
 * connections of the new one are not seen.
 *
 * It takes the privileges of truepeer_open(), and no others; a walk that has begun goes on without
 * them.  Walks are independent of each other and of their handle, which may be closed.  Each is for
 * one thread at a time; after fork() both processes may go on with theirs.  Unlike a look-up, a
 * walk allocates memory (about 70 KiB) and holds descriptors: three, and three for each earlier
 * agent whose connections still live.
 */
typedef struct truepeer_walk truepeer_walk;

/*
 * On success *out is a walk for truepeer_walk_close(). Otherwise *out is NULL, and the result is
 * NOT_RUNNING (the pins have been removed since the handle was opened), PERMISSION (this process
 * may not see whether the agent has been restarted since, or may not open the new pins),
 * INCOMPATIBLE, INVALID or SYSTEM (errno: ENOMEM, EMFILE).
 */
int truepeer_walk_open(truepeer_handle *handle, truepeer_walk **out);

/*
 * Returns 1 with *peer set, as truepeer_lookup_cookie() does. Returns 0 at the end, and whenever it
 * is called again after that. Returns INVALID, or SYSTEM, after which another call goes on where
 * this one has stopped. *peer is unchanged unless it returns 1.
 */
int truepeer_walk_next(truepeer_walk *walk, struct truepeer_peer *peer);

/* NULL is allowed. */
void truepeer_walk_close(truepeer_walk *walk);

/*
 * Copies the connection's header, as it was sent (PROXY protocol specification, section 2.2), into
 * `buffer`. Before the call *size is the room there, in bytes: 16384 is always enough, and more
 * than 4096 are needed only if the agent was started with a larger --max-header. After the call
 * *size is the header's length, also if the room is too small, which is INVALID. Headers are kept
 * only if they say more than struct truepeer_peer holds: TLVs or AF_UNIX addresses. For other
 * connections *size becomes 0, and the result is TRUEPEER_OK. Otherwise the result is as for
 * truepeer_lookup_cookie(), and nothing is changed.
 */
int truepeer_get_header(truepeer_handle *handle, uint64_t cookie, void *buffer, size_t *size);

/* The same for the socket `fd`. Errors and a null handle are as for truepeer_lookup_fd(). */
int truepeer_get_header_fd(truepeer_handle *handle, int fd, void *buffer, size_t *size);

/* Describes an error, in English. The result is never NULL, and must not be freed. */
const char *truepeer_strerror(int error);

/* The version of the library, such as "0.1.0". It must not be freed. */
const char *truepeer_version(void);

#ifdef __cplusplus
}
#endif

#endif
