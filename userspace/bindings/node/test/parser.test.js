// SPDX-License-Identifier: BSD-2-Clause
'use strict';

const assert = require('assert');
const test = require('node:test');

const { parse } = require('../index.js');
const { decodeTlvs } = require('../lib/tlv.js');
const { v1, v2, v2Raw, tlv } = require('./support.js');
const { readTable, rejectReason } = require('./table.js');

const CASES = readTable();
const ACCEPTED = ['accept', 'accept-real'];
// the judge of what an address means is not the parser under test
const canonical = (address) => new URL(`http://[${address}]/`).hostname.slice(1, -1);

function endpointText(endpoint) {
	switch (endpoint.family) {
	case 'IPv4':
		return `${endpoint.address}:${endpoint.port}`;
	case 'IPv6':
		return `[${canonical(endpoint.address)}]:${endpoint.port}`;
	default:
		return `"${endpoint.path.slice(0, 20)}"`;
	}
}

function checkAccepted(c, header) {
	const [, detail, bytes] = /^(.*) \/ (\d+)$/.exec(c.detail);
	const v1Header = c.bytes[0] === 0x50;

	assert.strictEqual(header.bytes, Number(bytes));
	assert.strictEqual(header.version, v1Header ? 1 : 2);
	assert.strictEqual(header.command, detail.startsWith('LOCAL') ? 'LOCAL' : 'PROXY');
	if (c.verdict === 'accept-real') {
		assert.strictEqual(header.origin, null);
		assert.strictEqual(header.transport, 'unspec');
		return;
	}
	const unix = detail.startsWith('unix ');
	const dgram = detail.endsWith(' (dgram)');
	const shown = `${endpointText(header.origin)} > ${endpointText(header.destination)}`;

	assert.strictEqual(header.transport, dgram ? 'dgram' : 'stream');
	assert.strictEqual(`${unix ? 'unix ' : ''}${shown}${dgram ? ' (dgram)' : ''}`, detail);
}

test('the table is the one that the kernel is tested with', () => {
	assert.ok(CASES.length >= 181, `${CASES.length} rows`);
});

for (const c of CASES) {
	test(`row ${c.id} of the table: ${c.verdict}`, () => {
		const header = parse(c.bytes);
		const needed = /^need (\d+) bytes$/.exec(c.detail);

		assert.strictEqual(header.verdict, c.verdict);
		if (ACCEPTED.includes(c.verdict))
			checkAccepted(c, header);
		else if (c.verdict === 'wait')
			assert.strictEqual(header.bytes, needed ? Number(needed[1]) : 0);
		else
			assert.strictEqual(header.reason, c.verdict === 'reject' ? rejectReason(c) : 'no_header');
	});
}

test('each beginning of a valid header waits, and what follows it changes nothing', () => {
	for (const c of CASES.filter(({ verdict }) => ACCEPTED.includes(verdict))) {
		const whole = parse(c.bytes);

		for (let size = 0; size <= c.bytes.length; size += size > 2000 ? 97 : 1) {
			const header = parse(c.bytes.subarray(0, size));

			if (size >= whole.bytes)
				assert.deepStrictEqual(header, whole, `row ${c.id}, ${size} bytes`);
			else
				assert.strictEqual(header.verdict, 'wait', `row ${c.id}, ${size} bytes`);
		}
	}
});

test('no beginning of an invalid header is accepted, and a refusal stands', () => {
	for (const c of CASES.filter(({ verdict }) => !ACCEPTED.includes(verdict))) {
		const whole = parse(c.bytes);
		let refused = false;

		for (let size = 0; size < c.bytes.length; size++) {
			const header = parse(c.bytes.subarray(0, size));

			if (header.verdict === 'wait') {
				assert.ok(!refused, `row ${c.id}: waits after a refusal, ${size} bytes`);
				continue;
			}
			refused = true;
			assert.strictEqual(header.verdict, whole.verdict, `row ${c.id}, ${size} bytes`);
			assert.strictEqual(header.reason, whole.reason, `row ${c.id}, ${size} bytes`);
		}
	}
});

test('a UNIQUE_ID of 128 bytes is accepted, a longer one is not', () => {
	const unique = (length) => parse(v2('192.0.2.1', 1, [tlv(0x05, Buffer.alloc(length, 7))]));

	assert.strictEqual(unique(128).verdict, 'accept');
	assert.strictEqual(unique(129).reason, 'bad_tlv');
	assert.strictEqual(parse(v2Raw(0, 0x11, tlv(0x05, Buffer.alloc(129)))).verdict, 'accept-real', 'LOCAL: unread');
});

test('a flipped bit anywhere in a header with a checksum is noticed', () => {
	const row = CASES.find(({ verdict, bytes, detail }) => verdict === 'accept' && bytes.length === 100 &&
		detail.startsWith('172.31.7.113'));
	const header = parse(row.bytes);

	for (let bit = 16 * 8; bit < header.bytes * 8; bit++) {
		const bytes = Buffer.from(row.bytes);

		bytes[bit >> 3] ^= 1 << (bit & 7);
		// a changed type or length may hide the checksum, or make the TLVs invalid
		const { verdict, reason } = parse(bytes);
		const hidden = verdict === 'accept' && !decodeTlvs(bytes, 28, header.bytes).some((t) => t.type === 3);

		assert.ok(hidden || reason === 'bad_crc' || reason === 'bad_tlv', `bit ${bit}: ${verdict} ${reason}`);
	}
});

test('TLVs are decoded, those inside SSL too', () => {
	const ssl = Buffer.concat([Buffer.from([7, 0, 0, 0, 0]), tlv(0x21, 'TLSv1.3'), tlv(0x22, 'client')]);
	const bytes = v2('192.0.2.1', 1, [tlv(0x02, 'example.com'), tlv(0x20, ssl), tlv(0xe9, '')]);
	const header = parse(bytes);
	const [authority, inside, unknown] = decodeTlvs(bytes, header.tlvs, header.bytes);

	assert.strictEqual(authority.name, 'AUTHORITY');
	assert.strictEqual(authority.value.toString(), 'example.com');
	assert.deepStrictEqual([inside.name, inside.client, inside.verify], ['SSL', 7, 0]);
	assert.deepStrictEqual(inside.tlvs.map((t) => [t.name, t.value.toString()]),
		[['SSL_VERSION', 'TLSv1.3'], ['SSL_CN', 'client']]);
	assert.deepStrictEqual([unknown.type, unknown.name, unknown.value.length], [0xe9, '', 0]);
});

test('random changes to valid headers never make the parser throw', () => {
	let seed = 12345;
	const random = (limit) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % limit;
	const seeds = [v1(), v2(), ...CASES.map(({ bytes }) => bytes)];

	for (let i = 0; i < 50000; i++) {
		const bytes = Buffer.from(seeds[random(seeds.length)].subarray(0, 300));

		for (let n = random(4); n >= 0 && bytes.length; n--)
			bytes[random(bytes.length)] = random(256);
		const header = parse(bytes);

		assert.ok(header.bytes <= bytes.length || !ACCEPTED.includes(header.verdict));
	}
});
