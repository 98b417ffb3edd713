/* SPDX-License-Identifier: BSD-2-Clause */
/* Asking the kernel by getsockopt(). */
#ifndef TP_TESTS_SUPPORT_SOCKOPT_H
#define TP_TESTS_SUPPORT_SOCKOPT_H

#include <sys/socket.h>

#include <string>

#include <truepeer/sockopt.h>

namespace live
{

struct Answer {
	int error;         /* errno; 0: answered */
	socklen_t size;    /* as the kernel has set it */
	std::string bytes; /* the answer's */

	std::string address() const; /* of a struct sockaddr_in or in6 */
};

/* Fails the test where anything is written behind the answer, or written at all with an error. */
Answer ask_at(int level, int fd, int name, socklen_t room);

inline Answer ask(int fd, int name, socklen_t room = 4096)
{
	return ask_at(SOL_TRUEPEER, fd, name, room);
}

/* The size that a null pointer and 0 are answered with; the negated errno where it fails. */
int needed(int fd, int name);

/* The whole header, a part after the other. */
std::string in_parts(int fd);

} // namespace live

#endif
