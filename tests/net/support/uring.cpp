// SPDX-License-Identifier: BSD-2-Clause
#include "uring.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace live
{

void *Uring::map(size_t size, off_t offset) const
{
	void *area = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			  ring_.fd(), offset);

	if (area == MAP_FAILED)
		give_up("map io_uring");
	return area;
}

Uring::Uring() : ring_((int)syscall(SYS_io_uring_setup, 4, &params_))
{
	if (!ring_)
		give_up("make io_uring");
	submissions_ = map(params_.sq_off.array + params_.sq_entries * sizeof(uint32_t),
			   IORING_OFF_SQ_RING);
	completions_ = map(params_.cq_off.cqes + params_.cq_entries * sizeof(io_uring_cqe),
			   IORING_OFF_CQ_RING);
	entries_ = (io_uring_sqe *)map(params_.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES);
}

Uring::~Uring()
{
	/* the ring goes with the test's process; a request may still write to the buffer */
	munmap(entries_, params_.sq_entries * sizeof(io_uring_sqe));
}

void Uring::receive(int fd, size_t size)
{
	std::atomic_ref<uint32_t> tail(*at<uint32_t>(submissions_, params_.sq_off.tail));
	uint32_t slot = tail & *at<uint32_t>(submissions_, params_.sq_off.ring_mask);
	io_uring_sqe &entry = entries_[slot];

	buffer_.assign(size, '\0');
	entry = {};
	entry.opcode = IORING_OP_RECV;
	entry.fd = fd;
	entry.addr = (uintptr_t)buffer_.data();
	entry.len = (uint32_t)size;
	at<uint32_t>(submissions_, params_.sq_off.array)[slot] = slot;
	tail.store(tail + 1, std::memory_order_release);
	if (syscall(SYS_io_uring_enter, ring_.fd(), 1, 0, 0, nullptr, 0) != 1)
		give_up("submit to io_uring");
}

std::optional<std::string> Uring::result(Ms timeout)
{
	std::atomic_ref<uint32_t> head(*at<uint32_t>(completions_, params_.cq_off.head));
	std::atomic_ref<uint32_t> tail(*at<uint32_t>(completions_, params_.cq_off.tail));

	if (!polls_readable(ring_.fd(), scaled(timeout)) ||
	    head == tail.load(std::memory_order_acquire))
		return {};
	uint32_t slot = head & *at<uint32_t>(completions_, params_.cq_off.ring_mask);
	int32_t n = at<io_uring_cqe>(completions_, params_.cq_off.cqes)[slot].res;
	head.store(head + 1, std::memory_order_release);
	return n < 0 ? "error " + std::to_string(-n) : buffer_.substr(0, (size_t)n);
}

} // namespace live
