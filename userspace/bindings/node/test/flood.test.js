// SPDX-License-Identifier: BSD-2-Clause
/**
 * @file Garbage, half headers, silence and resets at a wrapped HTTP server, with good clients in between.
 * TP_NODE_FLOOD: how many connections.
 */
'use strict';

const assert = require('assert');
const { fork } = require('child_process');
const crypto = require('crypto');
const events = require('events');
const net = require('net');
const test = require('node:test');

const { ORIGIN, v1, v2, tlv, preceded, askHttp } = require('./support.js');

const FLOOD = Number(process.env.TP_NODE_FLOOD || 2000);
const AT_ONCE = 500;
const BAD = [
	() => crypto.randomBytes(1 + crypto.randomInt(2000)),
	() => v1().subarray(0, 1 + crypto.randomInt(30)),
	() => v2('1.2.3.4', 1, [tlv(4, Buffer.alloc(1000))]).subarray(0, 1 + crypto.randomInt(1000)),
	() => Buffer.alloc(0),
	() => v2('1.2.3.4', 1, [tlv(3, crypto.randomBytes(4))]),
	() => Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
	() => Buffer.concat([v1(), crypto.randomBytes(200)]),
];

/** One bad client; resolves when the server has ended it, or it has reset itself. */
function bother(port, number) {
	return new Promise((resolve) => {
		const socket = net.connect({ port, host: `127.0.0.${2 + number % 200}` }); // ports enough for all

		socket.on('error', () => {});
		socket.on('close', resolve);
		socket.on('data', () => {});
		socket.on('end', () => socket.end());
		socket.write(BAD[number % BAD.length]());
		if (number % 11 === 0)
			socket.once('connect', () => setImmediate(() => socket.resetAndDestroy()));
	});
}

async function flood(port, count) {
	let next = 0;
	let good = 0;
	let done = false;
	const worker = async () => {
		while (next < count)
			await bother(port, next++);
	};
	const goodClients = async () => {
		while (!done) {
			assert.strictEqual(await askHttp(await preceded(port, v1())), ORIGIN);
			good++;
		}
	};
	const served = goodClients();

	await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, worker));
	done = true;
	await served;
	return good;
}

test(`${FLOOD} bad connections: the process lives, good clients are served, memory comes back`, async () => {
	const child = fork(`${__dirname}/flooded.js`, { execArgv: ['--expose-gc'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
	const ask = async (question) => {
		const answer = events.once(child, 'message');

		child.send(question);
		return (await answer)[0];
	};

	try {
		const [port] = await events.once(child, 'message');

		await flood(port, Math.min(FLOOD, AT_ONCE));
		const before = await ask('state');
		const good = await flood(port, FLOOD);
		const after = await ask('state');

		assert.ok(good > 0);
		assert.strictEqual(child.exitCode, null);
		assert.strictEqual(after.connections, 0);
		assert.ok(after.refused - before.refused >= FLOOD * 0.75, `${after.refused - before.refused} refused`);
		assert.ok(after.heap < before.heap * 1.25 + (1 << 20), `heap: ${before.heap} bytes before, ${after.heap} after`);
		if (process.env.TP_NODE_FLOOD)
			console.log(`# ${FLOOD} bad, ${good} good; heap ${before.heap} before, ${after.heap} after; ` +
				`resident ${before.resident} and ${after.resident}; refused ${JSON.stringify(after.reasons)}`);
	} finally {
		child.kill();
	}
});
