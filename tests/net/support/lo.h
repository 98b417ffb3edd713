/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The addresses that every sandbox has on its loopback interface: servers at
 * the first, proxies at the second and above, nobody trusts the last.
 */
#ifndef TP_TESTS_SUPPORT_LO_H
#define TP_TESTS_SUPPORT_LO_H

#include <cstdint>

namespace live
{

inline constexpr const char *server_ipv4 = "127.0.0.1";
inline constexpr const char *proxy_ipv4 = "127.0.0.2";
inline constexpr const char *trusted_ipv4 = "127.0.0.0/8";
inline constexpr const char *untrusted_ipv4 = "192.0.2.66";

inline constexpr const char *server_ipv6 = "fd00::1";
inline constexpr const char *proxy_ipv6 = "fd00::2"; /* up to fd00::f */
inline constexpr const char *trusted_ipv6 = "fd00::/64";
inline constexpr const char *untrusted_ipv6 = "fd66::66";

/* Both in the calling thread's network namespace; they throw std::runtime_error. */
void set_up_loopback();
void add_address(const char *address, uint8_t bits);

} // namespace live

#endif
