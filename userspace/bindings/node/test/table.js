// SPDX-License-Identifier: BSD-2-Clause
/** @file The table of headers that every parser of truepeer is tested with (tests/data). */
'use strict';

const fs = require('fs');
const path = require('path');

const TABLE = path.join(__dirname, '../../../../tests/data/header-cases.tsv');
const V2_REASONS = [
	[/^version nibble$/, 'bad_v2'],
	[/^address block too short$/, 'bad_length'],
	[/^command$/, 'bad_command'],
	[/^(family|transport)$/, 'bad_family'],
	[/^CRC32C mismatch$/, 'bad_crc'],
	[/^(TLV .. overruns header|dangling .*|CRC32C TLV length != 4|SSL .*|UNIQUE_ID .*)$/, 'bad_tlv'],
];

/** A field that a spreadsheet quoted: "a ""b""" is a "b". */
function unquoted(field) {
	return /^".*"$/.test(field) ? field.slice(1, -1).replace(/""/g, '"') : field;
}

/** @returns {{id: string, verdict: string, detail: string, bytes: Buffer}[]} */
function readTable() {
	const lines = fs.readFileSync(TABLE, 'utf8').trimEnd().split('\n').slice(1);

	return lines.map((line) => {
		const fields = line.split('\t');

		if (fields.length !== 6)
			throw new Error(`read table: ${fields.length} columns: ${line}`);
		return {
			id: fields[0],
			verdict: fields[1].toLowerCase(),
			detail: unquoted(fields[2]),
			bytes: Buffer.from(fields[5], 'hex'),
		};
	});
}

/** Why the kernel's parser rejects it. */
function rejectReason({ bytes, detail }) {
	if (bytes[0] === 0x50)
		return 'bad_v1';
	const found = V2_REASONS.find(([pattern]) => pattern.test(detail));

	if (!found)
		throw new Error(`read table: reason: ${detail}`);
	return found[1];
}

module.exports = { readTable, rejectReason };
