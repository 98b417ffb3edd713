// SPDX-License-Identifier: BSD-2-Clause
#include "base/event_ring.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace tp
{

static constexpr size_t record_header = BPF_RINGBUF_HDR_SZ;

static uint64_t step(uint32_t length)
{
	length &= ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
	return (length + record_header + 7) / 8 * 8;
}

static void *map_or_null(int fd, size_t size, int protection, size_t offset)
{
	void *memory = mmap(nullptr, size, protection, MAP_SHARED, fd, (off_t)offset);

	return memory == MAP_FAILED ? nullptr : memory;
}

Result<EventRing> EventRing::open(int fd, Access access)
{
	bpf_map_info about = {};
	uint32_t size = sizeof(about);
	int protection = PROT_READ | (access == Access::write ? PROT_WRITE : 0);

	if (bpf_obj_get_info_by_fd(fd, &about, &size))
		return system_error("open", "tp_events");
	EventRing ring(about.max_entries, (size_t)sysconf(_SC_PAGESIZE));
	ring.consumer_ = map_or_null(fd, ring.page_, protection, 0);
	if (ring.consumer_)
		ring.producer_ =
			map_or_null(fd, ring.page_ + 2 * ring.size_, PROT_READ, ring.page_);
	if (!ring.producer_)
		return system_error("map", "tp_events");
	ring.position_ = ring.consumed();
	return ring;
}

EventRing::EventRing(EventRing &&other) noexcept
    : size_(other.size_), page_(other.page_), consumer_(std::exchange(other.consumer_, nullptr)),
      producer_(std::exchange(other.producer_, nullptr)), position_(other.position_)
{
}

EventRing::~EventRing()
{
	if (consumer_)
		munmap(consumer_, page_);
	if (producer_)
		munmap(producer_, page_ + 2 * size_);
}

uint64_t EventRing::consumed() const
{
	return __atomic_load_n((const uint64_t *)consumer_, __ATOMIC_ACQUIRE);
}

uint64_t EventRing::produced() const
{
	return __atomic_load_n((const uint64_t *)producer_, __ATOMIC_ACQUIRE);
}

void EventRing::seek_end()
{
	position_ = std::max(produced(), consumed());
}

uint64_t EventRing::read(const std::function<void(const tp_event &)> &each)
{
	const uint8_t *data = (const uint8_t *)producer_ + page_;
	uint64_t lost = 0;

	for (;;) {
		uint64_t floor = consumed();
		tp_event event = {};

		if (position_ < floor) {
			lost += floor - position_;
			position_ = floor;
		}
		if (position_ >= produced())
			return lost;
		const uint8_t *record = data + (position_ & (size_ - 1));
		uint32_t length = __atomic_load_n((const uint32_t *)record, __ATOMIC_ACQUIRE);
		if (length & BPF_RINGBUF_BUSY_BIT)
			return lost;
		std::memcpy(&event, record + record_header, sizeof(event));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		/* the event was overwritten meanwhile: the kernel may have been writing there */
		if (consumed() > position_)
			continue;
		position_ += step(length);
		if (!(length & BPF_RINGBUF_DISCARD_BIT) && length >= sizeof(event))
			each(event);
	}
}

void EventRing::trim()
{
	const uint8_t *data = (const uint8_t *)producer_ + page_;
	uint64_t end = produced(), from = consumed(), keep = size_ / 2;

	while (end - from > keep) {
		const uint8_t *record = data + (from & (size_ - 1));
		uint32_t length = __atomic_load_n((const uint32_t *)record, __ATOMIC_ACQUIRE);

		if (length & BPF_RINGBUF_BUSY_BIT)
			break;
		from += step(length);
	}
	__atomic_store_n((uint64_t *)consumer_, from, __ATOMIC_RELEASE);
}

Result<History> History::open(const std::string &dir)
{
	History history;

	for (const char *name : { "tp_events", "tp_events_early" }) {
		Fd map = TP_TRY(open_map(dir, name, Access::write));
		EventRing ring = TP_TRY(EventRing::open(map.get(), Access::read));
		history.rings_.push_back(std::move(ring));
	}
	return history;
}

uint64_t History::read(const std::function<void(const tp_event &)> &each)
{
	std::vector<tp_event> events;
	uint64_t lost = 0;

	for (EventRing &ring : rings_)
		lost += ring.read([&](const tp_event &event) { events.push_back(event); });
	std::ranges::stable_sort(events, {}, [](const tp_event &event) { return event.time_ns; });
	for (const tp_event &event : events)
		each(event);
	return lost;
}

void History::seek_end()
{
	for (EventRing &ring : rings_)
		ring.seek_end();
}

} // namespace tp
