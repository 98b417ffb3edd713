// SPDX-License-Identifier: BSD-2-Clause
/** @file The TLVs of version 2: checked once when the header is read, decoded when asked for. */
'use strict';

const { crc32c } = require('./crc32c.js');

const CRC32C = 0x03;
const UNIQUE_ID = 0x05;
const SSL = 0x20;
const SSL_FIXED = 5; // client (1), verify (4)
const MAX_UNIQUE_ID = 128;

const NAMES = new Map([
	[0x01, 'ALPN'], [0x02, 'AUTHORITY'], [CRC32C, 'CRC32C'], [0x04, 'NOOP'], [UNIQUE_ID, 'UNIQUE_ID'],
	[SSL, 'SSL'], [0x21, 'SSL_VERSION'], [0x22, 'SSL_CN'], [0x23, 'SSL_CIPHER'], [0x24, 'SSL_SIG_ALG'],
	[0x25, 'SSL_KEY_ALG'], [0x26, 'SSL_GROUP'], [0x27, 'SSL_SIG_SCHEME'], [0x28, 'SSL_CLIENT_CERT'],
	[0x30, 'NETNS'], [0xe0, 'GCP'], [0xea, 'AWS'], [0xee, 'AZURE'],
]);

/**
 * Calls visit(type, from, to) for each TLV of bytes[from, to).
 * @returns {boolean} false if a TLV is not whole, or if `visit` has returned false
 */
function eachTlv(bytes, from, to, visit) {
	while (from < to) {
		if (to - from < 3)
			return false;
		const value = from + 3;
		const end = value + bytes.readUInt16BE(from + 1);

		if (end > to || !visit(bytes[from], value, end))
			return false;
		from = end;
	}
	return true;
}

/**
 * Checks the TLVs of a header that ends at `to`, and its checksum if it has one.
 * @returns {'' | 'bad_tlv' | 'bad_crc'}
 */
function walkTlvs(bytes, from, to) {
	let crc = 0;
	const whole = eachTlv(bytes, from, to, (type, value, end) => {
		if (type === CRC32C) {
			if (end - value !== 4 || crc)
				return false;
			crc = value;
		} else if (type === UNIQUE_ID) {
			return end - value <= MAX_UNIQUE_ID;
		} else if (type === SSL) {
			return end - value >= SSL_FIXED && eachTlv(bytes, value + SSL_FIXED, end, () => true);
		}
		return true;
	});

	if (!whole)
		return 'bad_tlv';
	return crc && crc32c(bytes, to, crc) !== bytes.readUInt32BE(crc) ? 'bad_crc' : '';
}

function decode(bytes, type, from, to) {
	const tlv = { type, name: NAMES.get(type) ?? '', value: bytes.subarray(from, to) };

	if (type !== SSL)
		return tlv;
	tlv.client = bytes[from];
	tlv.verify = bytes.readUInt32BE(from + 1);
	tlv.tlvs = decodeTlvs(bytes, from + SSL_FIXED, to);
	return tlv;
}

/**
 * The TLVs of a header that was found valid, those inside SSL included.
 * @returns {{type: number, name: string, value: Buffer, client?: number, verify?: number, tlvs?: object[]}[]}
 */
function decodeTlvs(bytes, from, to) {
	const found = [];

	eachTlv(bytes, from, to, (type, value, end) => {
		found.push(decode(bytes, type, value, end));
		return true;
	});
	return found;
}

module.exports = { walkTlvs, decodeTlvs };
