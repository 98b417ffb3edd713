// SPDX-License-Identifier: BSD-2-Clause
/** @file Headers in pieces: cut anywhere, and byte by byte. */
'use strict';

const assert = require('assert');
const events = require('events');
const { Duplex } = require('stream');
const net = require('net');
const test = require('node:test');

const { attach } = require('../index.js');
const { KINDS, ORIGIN, v1, v2, tlv, preceded, readAll, serving, sleep, describe } = require('./support.js');

const LONG = v2('203.0.113.9', 4242, [tlv(0xe0, Buffer.alloc(3000, 1)), tlv(0x02, 'example.com')]);
const HEADERS = { 'version 1': v1(), 'version 2': v2('203.0.113.9', 4242, [tlv(0x02, 'a')]) };

/** A stream that is pushed into by the test, and remembers what is written to it. */
class Pipe extends Duplex {
	constructor(options) {
		super(options);
		this.written = '';
		this.remoteAddress = '127.0.0.1';
	}

	_read() {
		// the test pushes
	}

	_write(data, encoding, done) {
		this.written += data;
		done();
	}
}

/** What a server sees of a stream whose pieces come one by one: its peer, and all bytes. */
async function through(pieces, { highWaterMark, end = true } = {}) {
	const server = attach(new net.Server());
	const stream = new Pipe({ highWaterMark });
	const connected = events.once(server, 'connection');

	server.on('proxyError', (error) => stream.emit('refused', error));
	server.emit('connection', stream);
	for (const piece of pieces) {
		stream.push(piece);
		await new Promise(setImmediate);
	}
	if (end)
		stream.push(null);
	const [socket] = await connected;
	const chunks = [];

	for await (const chunk of socket)
		chunks.push(chunk);
	return { peer: describe(socket), payload: Buffer.concat(chunks).toString('latin1'),
		highWaterMark: socket.readableHighWaterMark };
}

for (const [name, header] of Object.entries(HEADERS)) {
	test(`${name}: cut at every point, with and without payload`, async () => {
		for (const payload of ['', 'payload']) {
			const bytes = Buffer.concat([header, Buffer.from(payload)]);

			for (let at = 1; at < bytes.length; at++) {
				const { peer, payload: seen } = await through([bytes.subarray(0, at), bytes.subarray(at)]);

				assert.deepStrictEqual([peer, seen], [ORIGIN, payload], `cut at ${at}`);
			}
		}
	});

	test(`${name}: byte by byte`, async () => {
		const bytes = Buffer.concat([header, Buffer.from('payload')]);
		const { peer, payload } = await through(Array.from(bytes, (byte) => Buffer.from([byte])));

		assert.deepStrictEqual([peer, payload], [ORIGIN, 'payload']);
	});

	test(`${name}: whatever the high-water mark, which stays as it is`, async () => {
		const payload = 'p'.repeat(200000);
		const bytes = Buffer.concat([header, Buffer.from(payload)]);

		for (const highWaterMark of [1, 7, 64, 1024, 65536]) {
			const got = await through([bytes], { highWaterMark });

			assert.deepStrictEqual([got.peer, got.highWaterMark], [ORIGIN, highWaterMark]);
			assert.ok(got.payload === payload);
		}
	});
}

test('a long header in pieces of 7 bytes', async () => {
	const pieces = [];

	for (let i = 0; i < LONG.length; i += 7)
		pieces.push(LONG.subarray(i, i + 7));
	const { peer, payload } = await through([...pieces, Buffer.from('payload')]);

	assert.deepStrictEqual([peer, payload], [ORIGIN, 'payload']);
});

for (const [name, kind] of Object.entries(KINDS)) {
	test(`${name}: a header in two segments, and apart from what follows`, () => serving(kind.make(), async (port) => {
		for (const header of Object.values(HEADERS)) {
			for (const at of [1, 13, 20, header.length - 1]) {
				const client = await preceded(port, header.subarray(0, at));

				await sleep(5);
				client.write(header.subarray(at));
				await sleep(5);
				assert.strictEqual(await kind.continued(client), ORIGIN, `cut at ${at}`);
			}
		}
	}));
}

test('the server speaks first: its greeting comes behind the header, without further bytes', () => {
	const server = attach(net.createServer((socket) => socket.end(`220 ${describe(socket)}`)));

	return serving(server, async (port) => {
		for (const header of Object.values(HEADERS))
			assert.strictEqual(await readAll(await preceded(port, header)), `220 ${ORIGIN}`);
	});
});
