// SPDX-License-Identifier: BSD-2-Clause
/**
 * @file The parser of the PROXY protocol, versions 1 and 2. It has the rules of
 * bpf/parser/proxy_header.h, so that a header means the same with the kernel's help and without it.
 */
'use strict';

const { parseV1, MAX_V1 } = require('./v1.js');
const { walkTlvs } = require('./tlv.js');
const { ipv4Endpoint, ipv6Endpoint, unixEndpoint, UNIX_PATH } = require('./address.js');

const V1_START = Buffer.from('PROXY ', 'latin1');
const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_FIXED = 16;
const COMMANDS = ['LOCAL', 'PROXY'];
const TRANSPORTS = ['unspec', 'stream', 'dgram'];
const ADDRESS_BLOCKS = [0, 12, 36, 2 * UNIX_PATH]; // sizes, by family

/**
 * @typedef {object} Endpoint
 * @property {'IPv4' | 'IPv6' | 'unix'} family
 * @property {string} [address] of IPv4 and IPv6
 * @property {number} [port] of IPv4 and IPv6
 * @property {string} [path] of unix
 */

/**
 * @typedef {object} Header
 * @property {'accept' | 'accept-real' | 'wait' | 'reject' | 'no-header'} verdict accept-real: valid, and the
 *   connection's real endpoints stand
 * @property {string} reason of a rejection: the name of the kernel's outcome, such as bad_v1; '' otherwise
 * @property {number} bytes the header's length; 0 where it is not known
 * @property {0 | 1 | 2} version 0: not known
 * @property {'PROXY' | 'LOCAL'} command
 * @property {'unspec' | 'stream' | 'dgram'} transport
 * @property {Endpoint | null} origin
 * @property {Endpoint | null} destination
 * @property {number} tlvs where the TLVs begin; 0: there are none
 */

/** @returns {Header} */
function blank(version) {
	return {
		verdict: 'wait',
		reason: '',
		bytes: 0,
		version,
		command: 'PROXY',
		transport: 'stream',
		origin: null,
		destination: null,
		tlvs: 0,
	};
}

function reject(header, reason) {
	header.verdict = 'reject';
	header.reason = reason;
	return header;
}

/** Whether the bytes begin with `start`, or with as much of it as they are long. */
function beginsWith(bytes, start) {
	const length = Math.min(bytes.length, start.length);

	for (let i = 0; i < length; i++)
		if (bytes[i] !== start[i])
			return false;
	return true;
}

function setV2Endpoints(header, bytes, family) {
	if (family === 1) {
		header.origin = ipv4Endpoint(bytes, 16, 24);
		header.destination = ipv4Endpoint(bytes, 20, 26);
	} else if (family === 2) {
		header.origin = ipv6Endpoint(bytes, 16, 48);
		header.destination = ipv6Endpoint(bytes, 32, 50);
	} else {
		header.origin = unixEndpoint(bytes, V2_FIXED);
		header.destination = unixEndpoint(bytes, V2_FIXED + UNIX_PATH);
	}
}

/** The size of the address block; 0 if its bytes are skipped unread. */
function addressBlock(command, family, transport) {
	if (command === 0 || family === 0 || transport === 0)
		return 0;
	return ADDRESS_BLOCKS[family];
}

function parseV2(bytes) {
	const header = blank(2);

	header.transport = 'unspec';
	if (bytes.length < 13)
		return header;
	if (bytes[12] >> 4 !== 2)
		return reject(header, 'bad_v2');
	const command = bytes[12] & 15;
	if (command > 1)
		return reject(header, 'bad_command');
	header.command = COMMANDS[command];
	if (bytes.length < 14)
		return header;
	const family = bytes[13] >> 4;
	const transport = bytes[13] & 15;
	if (command === 1 && (family > 3 || transport > 2))
		return reject(header, 'bad_family');
	if (bytes.length < V2_FIXED)
		return header;
	const length = bytes.readUInt16BE(14);
	const block = addressBlock(command, family, transport);
	header.bytes = V2_FIXED + length;
	if (length < block)
		return reject(header, 'bad_length');
	if (bytes.length < header.bytes)
		return header;
	if (block === 0) {
		header.verdict = 'accept-real';
		return header;
	}
	const tlvs = V2_FIXED + block;
	if (header.bytes > tlvs) {
		const failed = walkTlvs(bytes, tlvs, header.bytes);

		if (failed)
			return reject(header, failed);
		header.tlvs = tlvs;
	}
	setV2Endpoints(header, bytes, family);
	header.transport = TRANSPORTS[transport];
	header.verdict = 'accept';
	return header;
}

function parseWhole(bytes) {
	const header = blank(1);
	const line = parseV1(bytes);

	header.verdict = line.verdict;
	header.bytes = line.bytes;
	if (line.verdict === 'reject')
		header.reason = 'bad_v1';
	if (line.verdict === 'accept-real')
		header.transport = 'unspec';
	if (line.verdict === 'accept') {
		header.origin = line.origin;
		header.destination = line.destination;
	}
	return header;
}

/**
 * Judges the first bytes of a connection. A pure function of them, which never throws.
 * @param {Buffer} bytes what has come so far; anything behind the header is not looked at
 * @returns {Header}
 */
function parse(bytes) {
	if (beginsWith(bytes, V1_START))
		return bytes.length < V1_START.length ? blank(0) : parseWhole(bytes);
	if (beginsWith(bytes, V2_START))
		return bytes.length < V2_START.length ? blank(0) : parseV2(bytes);
	const header = blank(0);

	header.verdict = 'no-header';
	header.reason = 'no_header';
	return header;
}

module.exports = { parse, MAX_V1, V2_FIXED, ADDRESS_BLOCKS, COMMANDS, TRANSPORTS };
