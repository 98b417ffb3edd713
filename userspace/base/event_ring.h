/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tp_events as a history. Only the agent consumes events, so that there is always room for new
 * ones. Any number of readers read without consuming. The layout of the memory is the kernel's
 * (include/uapi/linux/bpf.h, kernel/bpf/ringbuf.c): a page with the consumer's position, a page
 * with the producer's, and the data twice in a row.
 */
#ifndef TP_BASE_EVENT_RING_H
#define TP_BASE_EVENT_RING_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/maps.h"
#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

class EventRing
{
public:
	/* `fd` is the map, borrowed. With Access::write, trim() may be called. */
	static Result<EventRing> open(int fd, Access access);
	EventRing(EventRing &&other) noexcept;
	EventRing &operator=(EventRing &&) = delete;
	~EventRing();

	/*
	 * Calls `each` for the events after those of the last call. Returns how many bytes of
	 * events, record headers included, were missed because the reader was too slow.
	 */
	uint64_t read(const std::function<void(const tp_event &)> &each);

	/* Skips the events that are there. */
	void seek_end();

	/* Consumes the oldest events, so that at most half of the ring is taken. */
	void trim();

private:
	EventRing(size_t size, size_t page) : size_(size), page_(page) {}
	uint64_t consumed() const;
	uint64_t produced() const;

	size_t size_, page_;
	void *consumer_ = nullptr; /* the consumer's page */
	void *producer_ = nullptr; /* the producer's page and the data */
	uint64_t position_ = 0;
};

/*
 * Both rings of a pin directory, for reading. Outcomes that anybody can cause have a ring of their
 * own. The kernel maps a ring into memory only for those who may write to it.
 */
class History
{
public:
	static Result<History> open(const std::string &dir);

	/* As EventRing::read(), in the order of time. */
	uint64_t read(const std::function<void(const tp_event &)> &each);

	/* Skips the events that are there. */
	void seek_end();

private:
	std::vector<EventRing> rings_;
};

} // namespace tp

#endif
