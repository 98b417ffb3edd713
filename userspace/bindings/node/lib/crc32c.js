// SPDX-License-Identifier: BSD-2-Clause
/** @file CRC32C (Castagnoli, reflected), the checksum of PP2_TYPE_CRC32C. */
'use strict';

const TABLE = new Uint32Array(256);

for (let i = 0; i < 256; i++) {
	let crc = i;

	for (let bit = 0; bit < 8; bit++)
		crc = crc & 1 ? crc >>> 1 ^ 0x82f63b78 : crc >>> 1;
	TABLE[i] = crc;
}

/**
 * The checksum of bytes[0, length); the four bytes at `field`, the checksum itself, count as zero.
 * @param {Uint8Array} bytes @param {number} length @param {number} field
 * @returns {number}
 */
function crc32c(bytes, length, field) {
	let crc = 0xffffffff;

	for (let i = 0; i < length; i++) {
		const byte = i >= field && i < field + 4 ? 0 : bytes[i];

		crc = TABLE[(crc ^ byte) & 255] ^ crc >>> 8;
	}
	return ~crc >>> 0;
}

module.exports = { crc32c };
