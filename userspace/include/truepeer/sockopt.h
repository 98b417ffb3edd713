/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asking the kernel who the real peer of one's own socket is, without a library, privileges or
 * pinned maps: getsockopt(fd, SOL_TRUEPEER, NAME, buffer, &size).
 *
 * It takes an agent that was started with --getsockopt, and a socket that was made below the
 * cgroup given there.  Works in any network or mount namespace, for any user, for the calling
 * process's own descriptors only, also for Multipath TCP sockets.
 *
 * errno when it fails:
 *
 *	EOPNOTSUPP, ENOPROTOOPT	truepeer does not answer this socket: it does not run, or not with
 *				--getsockopt, or not for the socket's cgroup.  (ENOPROTOOPT also: there is
 *				no such NAME.)
 *	ENOTCONN		truepeer runs, and the socket is not a live connection of a service, or
 *				one that was passed on without a header
 *	ENODATA			TRUEPEER_HEADER: no header was kept, because it has no TLVs and no AF_UNIX
 *				addresses; TRUEPEER_HEADER_PART: there is no such part
 *	ERANGE			the buffer is too small
 *	EMSGSIZE		TRUEPEER_HEADER: longer than what the kernel hands out at once, 4096 bytes;
 *				read it in parts
 *
 * With a null pointer and a size of 0 the call succeeds and sets the size to what is needed.
 *
 * Only macros stand here: this header may be included anywhere, also in BPF programs.
 */
#ifndef TRUEPEER_SOCKOPT_H
#define TRUEPEER_SOCKOPT_H

/*
 * This lies above all levels (SOL_*) and protocols (IPPROTO_*) of the kernel, which end below 300.
 */
#define SOL_TRUEPEER 0x7470

/*
 * The real client, and what it connected to: a struct sockaddr_in (16 bytes), sockaddr_in6 (28) or
 * sockaddr_un (110, with sun_path as in the header, zero-padded). With a LOCAL header, and if the
 * header names no address, these are the proxy's address and this host's.
 */
#define TRUEPEER_ORIGIN 1
#define TRUEPEER_DESTINATION 2

/*
 * The header as it was sent, if it has at most 4096 bytes. Any header can be read in parts of 1024
 * bytes: part 0, 1 and so on, of which the last one is shorter, until ENODATA.
 */
#define TRUEPEER_HEADER 3
#define TRUEPEER_HEADER_PART(n) (0x100 + (n))
#define TRUEPEER_HEADER_PART_SIZE 1024

/*
 * A struct truepeer_peer (truepeer.h), or as much of it as there is room for: `size` says how many
 * bytes were filled in. The least is the first version's size of 552 bytes.
 */
#define TRUEPEER_INFO 4
#define TRUEPEER_INFO_SIZE 552

#endif
