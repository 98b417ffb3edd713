// SPDX-License-Identifier: BSD-2-Clause
/** @file The error that says why a connection was rejected. */
'use strict';

/** The reasons; those that the kernel has, too, have the names of its outcomes. */
const MEANINGS = {
	no_header: 'it does not begin with a PROXY header',
	bad_v1: 'an invalid header of version 1',
	bad_v2: 'the header has a version that is neither 1 nor 2',
	bad_command: 'the header has an unknown command',
	bad_family: 'the header has an unknown address family or transport',
	bad_length: 'the header is too short for its addresses',
	bad_tlv: 'the TLVs of the header are not valid',
	bad_crc: 'the checksum of the header is wrong',
	too_long: 'the header is too long (option maxHeader)',
	truncated: 'it ended inside the header',
	timeout: 'the header was not complete in time (option timeout)',
	empty: 'it ended without sending anything (a health check of TCP does that)',
	untrusted: 'its source may not send a header (option trust)',
	reset: 'it was reset before truepeer could be asked about it',
	version: 'a header of this version is not allowed (option versions)',
	unknown_to_truepeer: 'truepeer has not handled it (option kernel)',
	cannot_ask: 'truepeer cannot be asked whether it has handled it (option kernel)',
};

class ProxyError extends Error {
	/** @param {string} reason @param {import('net').Socket} socket @param {string} [detail] */
	constructor(reason, socket, detail) {
		const { remoteAddress, remotePort } = socket;
		const peer = remoteAddress ? `${remoteAddress}:${remotePort}` : 'a local client';

		super(`accept connection: ${peer}: ${MEANINGS[reason]}${detail ? `: ${detail}` : ''}`);
		this.name = 'ProxyError';
		this.code = 'ERR_PROXY_HEADER';
		this.reason = reason;
	}
}

module.exports = { ProxyError };
