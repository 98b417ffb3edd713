/* SPDX-License-Identifier: BSD-2-Clause */
/* A file descriptor that closes itself.  Closing never unpins anything. */
#ifndef TP_BASE_FD_H
#define TP_BASE_FD_H

#include <unistd.h>

#include <utility>

namespace tp
{

class Fd
{
public:
	Fd() = default;
	explicit Fd(int fd) : fd_(fd) {}
	Fd(Fd &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
	Fd &operator=(Fd &&other) noexcept
	{
		std::swap(fd_, other.fd_);
		return *this;
	}
	~Fd() { reset(); }

	int get() const { return fd_; }
	explicit operator bool() const { return fd_ >= 0; }
	int release() { return std::exchange(fd_, -1); }
	void reset()
	{
		if (fd_ >= 0)
			close(std::exchange(fd_, -1));
	}

private:
	int fd_ = -1;
};

} // namespace tp

#endif
