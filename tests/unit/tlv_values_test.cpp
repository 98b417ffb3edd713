// SPDX-License-Identifier: BSD-2-Clause
/* libtruepeer's accessors of TLVs: good values, such as are too short or too long, and cut headers. */
#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include <truepeer/truepeer.hpp>

namespace
{

using truepeer::HeaderView;

std::string tlv(uint8_t type, const std::string &value)
{
	std::string bytes = { (char)type, (char)(value.size() >> 8), (char)value.size() };

	return bytes + value;
}

/* Version 2, PROXY, TCP over IPv4. */
std::string header(const std::string &tlvs, char command = '\x21', char family = '\x11')
{
	size_t length = 12 + tlvs.size();
	std::string bytes("\r\n\r\n\0\r\nQUIT\n", 12);

	bytes += { command, family, (char)(length >> 8), (char)length };
	bytes.append(12, '\7');
	return bytes + tlvs;
}

std::string ssl(const std::string &inner, const std::string &front = { "\x07\0\0\0\0", 5 })
{
	return tlv(0x20, front + inner);
}

/* At the very end of readable memory: whoever reads on is told. */
class AtTheEnd
{
public:
	explicit AtTheEnd(const std::string &bytes) : size_(bytes.size())
	{
		size_t page = (size_t)sysconf(_SC_PAGESIZE);

		room_ = (bytes.size() / page + 2) * page;
		map_ = (char *)mmap(nullptr, room_, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		mprotect(map_ + room_ - page, page, PROT_NONE);
		start_ = map_ + room_ - page - size_;
		memcpy(start_, bytes.data(), size_);
	}
	~AtTheEnd() { munmap(map_, room_); }
	AtTheEnd(const AtTheEnd &) = delete;
	AtTheEnd &operator=(const AtTheEnd &) = delete;

	const char *start() const { return start_; }

private:
	size_t size_, room_;
	char *map_, *start_;
};

using Get = int (*)(const void *, size_t, truepeer_tlv *);

/* Those whose value is handed out as it is. */
struct Plain {
	const char *name;
	uint8_t type;
	bool in_ssl;
	Get get;
	HeaderView::View (HeaderView::*method)() const;
};

const Plain plain[] = {
	{ "alpn", 0x01, false, truepeer_tlv_alpn, &HeaderView::alpn },
	{ "authority", 0x02, false, truepeer_tlv_authority, &HeaderView::authority },
	{ "noop", 0x04, false, truepeer_tlv_noop, &HeaderView::noop },
	{ "unique_id", 0x05, false, truepeer_tlv_unique_id, &HeaderView::unique_id },
	{ "ssl_version", 0x21, true, truepeer_tlv_ssl_version, &HeaderView::ssl_version },
	{ "ssl_cn", 0x22, true, truepeer_tlv_ssl_cn, &HeaderView::ssl_cn },
	{ "ssl_cipher", 0x23, true, truepeer_tlv_ssl_cipher, &HeaderView::ssl_cipher },
	{ "ssl_sig_alg", 0x24, true, truepeer_tlv_ssl_sig_alg, &HeaderView::ssl_sig_alg },
	{ "ssl_key_alg", 0x25, true, truepeer_tlv_ssl_key_alg, &HeaderView::ssl_key_alg },
	{ "ssl_group", 0x26, true, truepeer_tlv_ssl_group, &HeaderView::ssl_group },
	{ "ssl_sig_scheme", 0x27, true, truepeer_tlv_ssl_sig_scheme, &HeaderView::ssl_sig_scheme },
	{ "ssl_client_cert", 0x28, true, truepeer_tlv_ssl_client_cert,
	  &HeaderView::ssl_client_cert },
	{ "netns", 0x30, false, truepeer_tlv_netns, &HeaderView::netns },
};

std::string with(const Plain &p, const std::string &value)
{
	std::string one = tlv(p.type, value);

	return header(tlv(0xf1, "before") + (p.in_ssl ? ssl(one) : one) + tlv(0xf2, "behind"));
}

/* What the function says, or its result; nothing but a success may change the struct. */
std::string said(const Plain &p, const void *bytes, size_t size)
{
	truepeer_tlv value = { 0xaa, 0xaa, 0xaaaa, nullptr };
	int result = p.get(bytes, size, &value);

	if (result == 1) {
		EXPECT_EQ(value.type, p.type);
		return std::string((const char *)value.value, value.length);
	}
	EXPECT_TRUE(value.type == 0xaa && value.length == 0xaaaa && !value.value);
	return std::to_string(result);
}

std::string said(const Plain &p, const std::string &bytes)
{
	return said(p, bytes.data(), bytes.size());
}

} // namespace

TEST(TlvValues, texts_and_bytes_are_given_as_they_are)
{
	for (const Plain &p : plain) {
		SCOPED_TRACE(p.name);
		const std::string zeros("a\0b", 3);

		for (const std::string &value :
		     { std::string("value"), std::string(), zeros, std::string(128, 'x') }) {
			std::string bytes = with(p, value);
			HeaderView view(bytes.data(), bytes.size());

			EXPECT_EQ(said(p, bytes), value);
			EXPECT_EQ((view.*p.method)(), value);
		}
		/* the first of several */
		std::string two = tlv(p.type, "first") + tlv(p.type, "second");
		EXPECT_EQ(said(p, header(p.in_ssl ? ssl(two) + ssl(tlv(p.type, "third")) : two)),
			  "first");
		std::string none = header(tlv(0xf1, "other"));
		EXPECT_EQ(said(p, none), "0");
		EXPECT_EQ((HeaderView(none.data(), none.size()).*p.method)(), std::nullopt);
		EXPECT_EQ(said(p, header("")), "0");
		EXPECT_EQ(said(p, nullptr, 0), "0") << "what is not kept has none";
		EXPECT_EQ(said(p, nullptr, 100), std::to_string(TRUEPEER_ERROR_INVALID));
		EXPECT_EQ(p.get(none.data(), none.size(), nullptr), TRUEPEER_ERROR_INVALID);
	}
}

/* A TLV of the registry's numbers means something only where it belongs. */
TEST(TlvValues, inside_and_outside_of_ssl_are_told_apart)
{
	for (const Plain &p : plain) {
		std::string one = tlv(p.type, "value");

		EXPECT_EQ(said(p, header(p.in_ssl ? one : ssl(one))), "0") << p.name;
	}
}

TEST(TlvValues, of_any_allowed_length_are_given)
{
	EXPECT_EQ(said(plain[3], with(plain[3], std::string(129, 'x'))),
		  std::to_string(TRUEPEER_ERROR_INVALID))
		<< "section 2.2.5: at most 128";
	/* as many as a header may have */
	for (const Plain &p : plain) {
		std::string most(60000, 'y');

		if (p.type == TRUEPEER_TLV_UNIQUE_ID)
			continue;
		EXPECT_TRUE(said(p, with(p, most)) == most) << p.name;
	}
}

/* Cut anywhere, and with lengths that say more than there is: an error, and nothing is read behind. */
TEST(TlvValues, cut_headers_are_errors)
{
	for (const Plain &p : plain) {
		SCOPED_TRACE(p.name);
		std::string whole = with(p, "value");

		for (size_t size = 1; size < whole.size(); size++) {
			AtTheEnd bytes(whole.substr(0, size));

			EXPECT_EQ(said(p, bytes.start(), size),
				  std::to_string(TRUEPEER_ERROR_INVALID))
				<< size;
		}
		for (size_t missing = 1; missing < 5; missing++) {
			/* the header's own length is right, those inside are not */
			std::string one = tlv(p.type, "value");
			std::string cut = one.substr(0, one.size() - missing);
			std::string bytes = header(p.in_ssl ? ssl(cut) : cut);
			AtTheEnd end(bytes);

			EXPECT_EQ(said(p, end.start(), bytes.size()),
				  std::to_string(TRUEPEER_ERROR_INVALID))
				<< missing;
		}
	}
}

TEST(TlvValues, headers_without_tlvs_to_read_have_no_value)
{
	std::string tlvs = tlv(0x02, "value");

	EXPECT_EQ(said(plain[1], header(tlvs, '\x20')), "0") << "LOCAL";
	EXPECT_EQ(said(plain[1], header(tlvs, '\x21', '\0')), "0") << "UNSPEC";
	EXPECT_EQ(said(plain[1], header(tlvs, '\x11')), std::to_string(TRUEPEER_ERROR_INVALID));
	EXPECT_EQ(said(plain[1], "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + std::string(20000, 'x')),
		  std::to_string(TRUEPEER_ERROR_INVALID))
		<< "the '.' there could be a version of 2";
}

namespace
{

template <typename Number> struct Numbers {
	const char *name;
	uint8_t type;
	int (*get)(const void *, size_t, Number *);
	std::string value;
	Number number;
};

template <typename Number> void expect_number(const Numbers<Number> &n)
{
	SCOPED_TRACE(n.name);
	const Number before = 0x77;
	Number got = before;
	std::string good = header(tlv(n.type, n.value));

	ASSERT_EQ(n.get(good.data(), good.size(), &got), 1);
	EXPECT_EQ(got, n.number);
	EXPECT_EQ(n.get(good.data(), good.size(), nullptr), TRUEPEER_ERROR_INVALID);
	got = before;
	std::string none = header("");
	EXPECT_EQ(n.get(none.data(), none.size(), &got), 0);
	EXPECT_EQ(n.get(nullptr, 0, &got), 0);
	for (const std::string &wrong :
	     { n.value.substr(0, n.value.size() - 1), n.value + "x", std::string() }) {
		std::string bytes = header(tlv(n.type, wrong));
		AtTheEnd end(bytes);

		EXPECT_EQ(n.get(end.start(), bytes.size(), &got), TRUEPEER_ERROR_INVALID);
	}
	EXPECT_EQ(got, before);
}

} // namespace

TEST(TlvValues, numbers_are_in_host_order)
{
	expect_number<uint32_t>(
		{ "crc32c", 0x03, truepeer_tlv_crc32c, "\x12\x34\x56\x78", 0x12345678 });
	expect_number<uint32_t>(
		{ "azure", 0xee, truepeer_tlv_azure_link_id, "\x01\x78\x56\x34\x92", 0x92345678 });
	expect_number<uint64_t>({ "gcp", 0xe0, truepeer_tlv_gcp_psc_connection_id,
				  "\x92\x34\x56\x78\x9a\xbc\xde\xf1", 0x923456789abcdef1 });
}

/* What the first byte calls something else is passed over. */
TEST(TlvValues, other_subtypes_of_clouds_are_passed_over)
{
	std::string other = header(tlv(0xea, "\x02vpce-1") + tlv(0xee, "\x02\x01\x02\x03\x04"));
	std::string both = header(tlv(0xea, "\x02vpce-1") + tlv(0xee, "\x02\x01\x02\x03\x04") +
				  tlv(0xea, "\x01vpce-2") + tlv(0xee, "\x01\x01\x02\x03\x04"));
	HeaderView none(other.data(), other.size()), view(both.data(), both.size());

	EXPECT_EQ(none.aws_vpc_endpoint_id(), std::nullopt);
	EXPECT_EQ(none.azure_link_id(), std::nullopt);
	EXPECT_EQ(view.aws_vpc_endpoint_id(), "vpce-2");
	EXPECT_EQ(view.azure_link_id(), 0x04030201u);
	for (const char *value : { "", "\x01" }) {
		std::string bytes = header(tlv(0xea, value));
		truepeer_tlv got;

		EXPECT_EQ(truepeer_tlv_aws_vpc_endpoint_id(bytes.data(), bytes.size(), &got),
			  TRUEPEER_ERROR_INVALID);
	}
}

TEST(TlvValues, ssl_gives_client_flags_and_verification)
{
	uint8_t client = 0xaa;
	uint32_t verify = 0xaa;
	std::string good = header(ssl(tlv(0x21, "TLSv1.3"), { "\x05\x80\0\0\x13", 5 }));

	ASSERT_EQ(truepeer_tlv_ssl(good.data(), good.size(), &client, &verify), 1);
	EXPECT_EQ(client, TRUEPEER_SSL_CLIENT_SSL | TRUEPEER_SSL_CLIENT_CERT_SESS);
	EXPECT_EQ(verify, 0x80000013u);
	EXPECT_EQ(truepeer_tlv_ssl(good.data(), good.size(), nullptr, nullptr), 1);
	client = 0xaa;
	for (size_t size = 0; size < 5; size++) {
		std::string bytes = header(tlv(0x20, std::string(size, 1)));
		AtTheEnd end(bytes);
		truepeer_tlv got;

		EXPECT_EQ(truepeer_tlv_ssl(end.start(), bytes.size(), &client, &verify),
			  TRUEPEER_ERROR_INVALID);
		EXPECT_EQ(truepeer_tlv_ssl_version(end.start(), bytes.size(), &got),
			  TRUEPEER_ERROR_INVALID);
	}
	EXPECT_EQ(client, 0xaa);
}

/* 0 says that a certificate was verified only where there is one. */
TEST(TlvValues, verified_certificates_are_told)
{
	struct {
		std::string front;
		bool used, has, verified;
	} cases[] = {
		{ { "\x01\0\0\0\0", 5 }, true, false, false },
		{ { "\x03\0\0\0\0", 5 }, true, true, true },
		{ { "\x05\0\0\0\0", 5 }, true, true, true },
		{ { "\x07\0\0\0\1", 5 }, true, true, false },
		{ { "\x00\0\0\0\0", 5 }, false, false, false },
	};

	for (const auto &c : cases) {
		std::string bytes = header(ssl("", c.front));
		auto found = HeaderView(bytes.data(), bytes.size()).ssl();

		ASSERT_TRUE(found);
		EXPECT_EQ(found->used(), c.used);
		EXPECT_EQ(found->has_certificate(), c.has);
		EXPECT_EQ(found->is_verified(), c.verified);
	}
	std::string none = header("");
	EXPECT_FALSE(HeaderView(none.data(), none.size()).ssl());
}
