// SPDX-License-Identifier: BSD-2-Clause
/** @file The networks whose headers are believed. */
'use strict';

const net = require('net');

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** The IPv4 address of a mapped one (::ffff:a.b.c.d, as AF_INET6 sockets show it); any other address unchanged. */
function unmapped(address) {
	const found = address.length > 7 && address[0] === ':' && MAPPED.exec(address);

	return found ? found[1] : address;
}

function add(lists, text) {
	const [address, length, more] = String(text).split('/');
	const version = net.isIP(address);
	const most = version === 4 ? 32 : 128;

	if (!version || more !== undefined || (length !== undefined && !/^\d{1,3}$/.test(length)) || length > most)
		throw new TypeError(`proxy: trust: ${text}: neither an address, nor a network such as ` +
			'10.0.0.0/8, nor "unix"');
	const family = version === 4 ? 'ipv4' : 'ipv6';

	lists[family].addSubnet(address, length === undefined ? most : Number(length), family);
}

class Networks {
	/** @param {string | string[]} texts networks in CIDR, addresses, and "unix" for AF_UNIX sockets */
	constructor(texts) {
		const given = Array.isArray(texts) ? texts : [texts];
		const networks = given.filter((text) => text !== 'unix');

		this.unix = networks.length < given.length;
		// one for each: in a list of both, ::/0 has IPv4 addresses in it
		this.lists = { ipv4: new net.BlockList(), ipv6: new net.BlockList() };
		for (const text of networks)
			add(this.lists, text);
	}

	/** @param {string | undefined} address a socket's remoteAddress; AF_UNIX sockets have none */
	has(address) {
		if (!address)
			return this.unix;
		const plain = unmapped(address).replace(/%.*$/, ''); // a link-local address's zone

		const family = plain.includes(':') ? 'ipv6' : 'ipv4';

		return this.lists[family].check(plain, family);
	}
}

module.exports = { Networks, unmapped };
