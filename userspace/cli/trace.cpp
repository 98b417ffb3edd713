// SPDX-License-Identifier: BSD-2-Clause
/* truepeer trace: what the programs decide of each packet of one client. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <signal.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <optional>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/event_ring.h"
#include "base/files.h"
#include "base/log.h"
#include "base/ring_buffer.h"
#include "base/services.h"
#include "cli/commands.h"
#include "cli/view.h"
#include "lib/names.h"

namespace tp
{

using Json = nlohmann::ordered_json;

namespace
{

volatile sig_atomic_t told_to_end;

void note_signal(int)
{
	told_to_end = 1;
}

const char *program_name(unsigned program)
{
#define TP_PROGRAM_NAME(constant, number, name) name,
	static const char *const names[] = { TP_TRACE_PROGRAMS(TP_PROGRAM_NAME) };

	return program < std::size(names) ? names[program] : "?";
}

/* As tcpdump(8) writes them. */
std::string flags_text(uint8_t flags)
{
	static constexpr char letters[] = "FSRP.UEW";
	std::string text;

	for (unsigned i = 0; i < 8; i++)
		if (flags >> i & 1)
			text += letters[i];
	return text.empty() ? "none" : text;
}

const char *verdict_text(const tp_traced_entry &record)
{
	if (record.program == TP_TRACE_GATE)
		return record.verdict ? "passed" : "dropped";
	switch (record.verdict) {
	case -1: /* TCX_NEXT, TC_ACT_UNSPEC */
	case TC_ACT_OK:
		return "passed";
	case TC_ACT_SHOT:
	case TC_ACT_STOLEN:
		return "dropped";
	case TC_ACT_REDIRECT:
		return "answered";
	default:
		return "other";
	}
}

Json packet_json(const tp_traced_entry &record, uint64_t offset)
{
	bool out = record.program == TP_TRACE_TRANSLATE_OUT;
	std::string remote = format_service(record.flow.remote, record.flow.remote_port);
	std::string local = format_service(record.flow.local, record.flow.local_port);
	std::string verdict = verdict_text(record);
	Json line = { { "time", format_time(record.time_ns + offset) },
		      { "from", out ? local : remote },
		      { "to", out ? remote : local },
		      { "flags", flags_text(record.flags) },
		      { "seq", record.seq },
		      { "ack", record.ack },
		      { "length", record.length },
		      { "program", program_name(record.program) },
		      { "verdict", verdict } };

	if (record.interface)
		line["interface"] = record.interface;
	if (verdict == "passed" && record.seq_after != record.seq)
		line["seq_changed_by"] = (int32_t)(record.seq_after - record.seq);
	if (verdict == "passed" && record.ack_after != record.ack)
		line["ack_changed_by"] = (int32_t)(record.ack_after - record.ack);
	return line;
}

void print_packet(const Json &line)
{
	std::string changes;

	for (const char *number : { "seq", "ack" })
		if (line.contains(fmt::format("{}_changed_by", number)))
			changes +=
				fmt::format(", {} {:+}", number,
					    line[fmt::format("{}_changed_by", number)].get<int>());
	fmt::print("{} {} > {} [{}] seq {} ack {} length {}: {} {}{}\n",
		   line["time"].get<std::string>(), line["from"].get<std::string>(),
		   line["to"].get<std::string>(), line["flags"].get<std::string>(),
		   line["seq"].dump(), line["ack"].dump(), line["length"].dump(),
		   line["program"].get<std::string>(), line["verdict"].get<std::string>(), changes);
}

class Trace
{
public:
	static Status run(const ViewOptions &view, const TraceOptions &options);

private:
	Status begin(const tp_trace_filter &wanted);
	void show_packet(const tp_traced_entry &record);
	void show_events();
	Status follow(uint64_t until);
	static int take(void *self, void *data, size_t size);

	ViewOptions view_;
	Address client_;
	uint64_t offset_ = 0; /* between the programs' clock and the time of day */
	Fd filter_, packets_;
	RingBuffer ring_;
	std::optional<History> history_;
	std::map<uint32_t, Service> services_;
};

int Trace::take(void *self, void *data, size_t size)
{
	tp_traced_entry record;

	if (size < sizeof(record))
		return 0;
	std::memcpy(&record, data, sizeof(record));
	((Trace *)self)->show_packet(record);
	return 0;
}

void Trace::show_packet(const tp_traced_entry &record)
{
	Json line = packet_json(record, offset_);

	if (view_.json)
		fmt::print("{}\n", line.dump());
	else
		print_packet(line);
}

/* The outcomes of the client's connections. */
void Trace::show_events()
{
	history_->read([&](const tp_event &event) {
		const tp_endpoint &proxy = event.peer.proxy;

		if (std::memcmp(proxy.address, client_.bytes, sizeof(client_.bytes)))
			return;
		Json line = { { "time", format_time(event.time_ns + offset_) },
			      { "from", format_endpoint(proxy) },
			      { "to", format_endpoint(event.peer.local) },
			      { "outcome", outcome_name(event.outcome) },
			      { "service", service_text(services_, event.peer.service) } };
		if (event.peer.version)
			line["origin"] = format_endpoint(event.peer.origin);
		if (view_.json)
			fmt::print("{}\n", line.dump());
		else
			fmt::print("{} {} > {}: {}{}\n", line["time"].get<std::string>(),
				   line["from"].get<std::string>(), line["to"].get<std::string>(),
				   line["outcome"].get<std::string>(),
				   line.contains("origin") ?
					   ", origin " + line["origin"].get<std::string>() :
					   "");
	});
}

/* What an earlier trace has left in the buffer is not shown. */
Status Trace::begin(const tp_trace_filter &wanted)
{
	uint32_t zero = 0;
	tp_trace_filter now = {};

	if (int failed = bpf_map_lookup_elem(filter_.get(), &zero, &now))
		return system_error("read map", "tp_trace", failed);
	if (now.until_ns > boot_time_ns())
		return Error{ ErrorCode::busy, "trace", view_.pin_dir,
			      fmt::format("another one runs, for at most {} s more",
					  (now.until_ns - boot_time_ns()) / 1000000000u + 1),
			      "there can be one at a time" };
	ring_.reset(ring_buffer__new(
		packets_.get(), [](void *, void *, size_t) { return 0; }, nullptr, nullptr));
	if (!ring_)
		return system_error("open", "ring buffer tp_traced");
	ring_buffer__consume(ring_.get());
	ring_.reset(ring_buffer__new(packets_.get(), take, this, nullptr));
	if (!ring_)
		return system_error("open", "ring buffer tp_traced");
	if (int failed = bpf_map_update_elem(filter_.get(), &zero, &wanted, BPF_ANY))
		return system_error("write map", "tp_trace", failed);
	return success();
}

Status Trace::follow(uint64_t until)
{
	while (!told_to_end && boot_time_ns() < until) {
		int got = ring_buffer__poll(ring_.get(), 100);

		if (got < 0 && got != -EINTR)
			return system_error("read", "ring buffer tp_traced", got);
		show_events();
		TP_TRY(flush_output());
	}
	return success();
}

Status Trace::run(const ViewOptions &view, const TraceOptions &options)
{
	tp_trace_filter wanted = {}, nothing = {};
	uint32_t zero = 0;
	Trace trace;

	trace.view_ = view;
	Network client = TP_TRY(parse_network(options.client, "trace"));
	if (client.bits != 128)
		return Error{ ErrorCode::usage, "trace", options.client, "not one address",
			      "as in 192.0.2.7 or 2001:db8::7" };
	trace.client_ = client.address;
	wanted.last_port = 65535;
	if (!options.service.empty()) {
		Listen service = TP_TRY(parse_listen(options.service, "--service"));

		wanted.first_port = service.port;
		wanted.last_port = service.last;
	}
	std::memcpy(wanted.address, client.address.bytes, sizeof(wanted.address));
	trace.filter_ = TP_TRY(open_current(view.pin_dir, "tp_trace", Access::write));
	trace.packets_ = TP_TRY(open_current(view.pin_dir, "tp_traced", Access::write));
	trace.services_ = TP_TRY(read_services(view.pin_dir));
	trace.history_ = TP_TRY(History::open(view.pin_dir));
	trace.history_->seek_end();
	trace.offset_ = realtime_offset_ns();
	signal(SIGINT, note_signal);
	signal(SIGTERM, note_signal);
	wanted.until_ns = boot_time_ns() + options.seconds * 1000000000ull;
	TP_TRY(trace.begin(wanted));
	log("tracing {} for {} s; ^C ends it", options.client, options.seconds);
	Status done = trace.follow(wanted.until_ns);
	bpf_map_update_elem(trace.filter_.get(), &zero, &nothing, BPF_ANY);
	ring_buffer__consume(trace.ring_.get());
	trace.show_events();
	return done;
}

} // namespace

Status show_trace(const ViewOptions &view, const TraceOptions &options)
{
	return Trace::run(view, options);
}

} // namespace tp
