// SPDX-License-Identifier: BSD-2-Clause
/* The SYN-ACK of the engine is the kernel's, whatever the client's SYN has in it. */
#include "support/syn.h"

namespace live
{

class HandshakeSyn : public Raw
{
};
TP_INSTANTIATE_RAW(HandshakeSyn);

TEST_P(HandshakeSyn, any_options_are_answered_as_by_the_kernel)
{
	using namespace option;
	std::vector<Syn> syns = usual_syns();
	std::vector<std::string> names;

	names.reserve(64);
	auto add = [&](const std::string &name, const std::string &options) {
		names.push_back(name);
		syns.push_back({ names.back().c_str(), with(options) });
	};
	for (uint16_t value : { 0, 1, 64, 88, 536, 537, 1220, 1459, 1460, 9000, 65535 })
		add("MSS " + std::to_string(value), mss(value));
	for (int shift = 0; shift < 16; shift++)
		add("scale " + std::to_string(shift), mss(1460) + nop() + scale((uint8_t)shift));
	add("scale 255", mss(1460) + nop() + scale(255));
	add("SACK", nop(2) + sack_permitted());
	add("SACK and MSS", mss(1460) + nop(2) + sack_permitted());
	add("timestamps", nop(2) + timestamps(0x01020304));
	add("timestamps of 0", nop(2) + timestamps(0));
	add("timestamps with an echo", nop(2) + timestamps(5, 6));
	add("SACK and timestamps", sack_permitted() + timestamps(0xffffffff));
	add("the order of Windows", mss(1460) + nop() + scale(8) + nop(2) + sack_permitted());
	add("the order of macOS", mss(1460) + nop() + scale(6) + nop(2) + timestamps(3) +
					  sack_permitted() + std::string(2, '\0'));
	add("two MSS", mss(1460) + mss(600));
	add("an option behind the end", mss(1000) + std::string(1, '\0') + scale(3));
	add("an unknown option", mss(1000) + "\xfd\x04\xab\xcd" + nop() + scale(3));
	add("MSS of a wrong length", "\x02\x03\x05" + nop() + nop() + scale(3));
	add("an option of length 0", mss(1000) + std::string("\xfd\0", 2) + nop(2) + scale(3));
	add("an option that is too long", mss(1000) + "\x03\x09\x02" + nop());
	add("a request for a cookie", mss(1000) + "\x22\x02" + nop(2));
	raw([&](RawWorld &w) { compare(w, syns); });
}

TEST_P(HandshakeSyn, any_fields_are_answered_as_by_the_kernel)
{
	std::vector<Syn> syns = {
		{ "window 0", [](Segment &s) { s.window = 0; } },
		{ "window 1", [](Segment &s) { s.window = 1; } },
		{ "PSH", with_flags(flag::psh) },
		{ "URG",
		  [](Segment &s) {
			  s.flags |= flag::urg;
			  s.urgent = 5;
		  } },
		{ "ECE alone", with_flags(flag::ece) },
		{ "CWR alone", with_flags(flag::cwr) },
		{ "accurate ECN", with_flags(flag::ae | flag::ece | flag::cwr) },
		{ "an acknowledgement number", [](Segment &s) { s.ack = 4711; } },
		{ "a payload", [](Segment &s) { s.payload = "PROXY TCP4 "; } },
		{ "TOS", [](Segment &s) { s.tos = 0xb8; } },
		{ "ECT(0) and ECN",
		  [](Segment &s) {
			  s.tos = 2;
			  s.flags |= flag::ece | flag::cwr;
		  } },
		{ "CE", [](Segment &s) { s.tos = 3; } },
		{ "one hop left", [](Segment &s) { s.ttl = 1; } },
		{ "a priority tag", [](Segment &s) { s.vlan = 0; } },
		{ "a flow label", [](Segment &s) { s.flow_label = s.ipv6() ? 0x12345 : 0; } },
		{ "without DF", [](Segment &s) { s.dont_fragment = false; } },
		{ "ISN ffffffff", [](Segment &s) { s.seq = 0xffffffff; } },
	};

	if (!GetParam()) {
		syns.push_back({ "IP options that do nothing",
				 [](Segment &s) { s.ip_options = "\x01\x01\x01\x01"; } });
		syns.push_back({ "a record route", [](Segment &s) {
					s.ip_options = std::string("\x07\x07\x04\0\0\0\0\0", 8);
				} });
	}
	raw([&](RawWorld &w) {
		compare(w, syns);
		/* to which the kernel does not answer at all, or not with a SYN-ACK */
		compare(w,
			{ { "a wrong checksum", [](Segment &s) { s.bad_checksum = true; } },
			  { "FIN", with_flags(flag::fin) },
			  { "RST", with_flags(flag::rst) },
			  { "ACK", with_flags(flag::ack) },
			  { "a VLAN's tag", [](Segment &s) { s.vlan = 5; } } },
			"", 200ms);
	});
}

} // namespace live
