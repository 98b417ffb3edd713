// SPDX-License-Identifier: BSD-2-Clause
/** @file Converts addresses from bytes to text, as the system's inet_ntop() writes them. */
'use strict';

const UNIX_PATH = 108;

/** @param {ArrayLike<number>} bytes @param {number} at @returns {string} */
function ipv4Text(bytes, at) {
	return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** The longest run of at least two zero groups; the first one if several are as long (RFC 5952, section 4.2). */
function longestGap(groups) {
	let start = -1;
	let length = 1;

	for (let i = 0; i < 8; i++) {
		let end = i;

		while (end < 8 && groups[end] === 0)
			end++;
		if (end - i > length) {
			start = i;
			length = end - i;
		}
		if (end > i)
			i = end;
	}
	return { start, length };
}

/** @param {number[]} groups eight of them @returns {string} */
function ipv6GroupsText(groups) {
	const { start, length } = longestGap(groups);
	const dotted = start === 0 && (length === 6 || (length === 5 && groups[5] === 0xffff));
	const last = dotted ? 6 : 8;
	let text = '';

	for (let i = 0; i < last; i++) {
		if (start >= 0 && i === start) {
			text += '::';
			i += length - 1;
			continue;
		}
		if (text !== '' && !text.endsWith(':'))
			text += ':';
		text += groups[i].toString(16);
	}
	if (dotted) {
		const octets = [groups[6] >> 8, groups[6] & 255, groups[7] >> 8, groups[7] & 255];

		text += (text.endsWith(':') ? '' : ':') + ipv4Text(octets, 0);
	}
	return text;
}

/** @param {Buffer} bytes @param {number} at @returns {string} */
function ipv6Text(bytes, at) {
	const groups = [];

	for (let i = 0; i < 16; i += 2)
		groups.push(bytes.readUInt16BE(at + i));
	return ipv6GroupsText(groups);
}

/** The path up to its first NUL, or all 108 bytes. */
function unixEndpoint(bytes, at) {
	const field = bytes.subarray(at, at + UNIX_PATH);
	const end = field.indexOf(0);

	return { family: 'unix', path: field.toString('utf8', 0, end < 0 ? UNIX_PATH : end) };
}

function ipv4Endpoint(bytes, address, port) {
	return { family: 'IPv4', address: ipv4Text(bytes, address), port: bytes.readUInt16BE(port) };
}

function ipv6Endpoint(bytes, address, port) {
	return { family: 'IPv6', address: ipv6Text(bytes, address), port: bytes.readUInt16BE(port) };
}

module.exports = { ipv4Text, ipv6GroupsText, ipv4Endpoint, ipv6Endpoint, unixEndpoint, UNIX_PATH };
