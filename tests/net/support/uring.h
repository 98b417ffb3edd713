/* SPDX-License-Identifier: BSD-2-Clause */
/* As much of io_uring as one receive at a time needs, from system calls alone. */
#ifndef TP_TESTS_SUPPORT_URING_H
#define TP_TESTS_SUPPORT_URING_H

#include <linux/io_uring.h>

#include <optional>

#include "net.h"

namespace live
{

class Uring
{
public:
	Uring(); /* throws std::runtime_error */
	~Uring();
	Uring(const Uring &) = delete;
	Uring &operator=(const Uring &) = delete;

	/* Asks for up to `size` bytes of the socket; one request at a time. */
	void receive(int fd, size_t size);
	/* The bytes of that request, or "error N"; nothing if it still waits. */
	std::optional<std::string> result(Ms timeout);

private:
	template <typename T> T *at(void *ring, uint32_t offset) const
	{
		return reinterpret_cast<T *>((char *)ring + offset);
	}
	void *map(size_t size, off_t offset) const;

	io_uring_params params_ = {}; /* filled when the ring is made, so before it */
	Socket ring_;
	void *submissions_, *completions_;
	io_uring_sqe *entries_;
	std::string buffer_;
};

} // namespace live

#endif
