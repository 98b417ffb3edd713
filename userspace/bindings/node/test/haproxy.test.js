// SPDX-License-Identifier: BSD-2-Clause
/** @file Real HAProxy in front of servers of every kind; tests/apps/node_test.cpp runs it with truepeer, too. */
'use strict';

const assert = require('assert');
const { spawn } = require('child_process');
const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
const test = require('node:test');

const { KINDS, serving, eventually, describe, freePort, proxy } = require('./support.js');

const CLIENT = '127.0.0.77';

/** A connection from an address of its own. */
function connectTo(port) {
	return new Promise((resolve, reject) => {
		const socket = net.connect({ port, host: '127.0.0.1', localAddress: CLIENT }, () => resolve(socket));

		socket.once('error', reject);
	});
}

async function accepts(port) {
	return connectTo(port).then((socket) => socket.destroy(), () => false);
}

/** HAProxy passes TCP connections on to `backend` while `body(port)` runs. */
async function behind(backend, option, body) {
	const port = await freePort();
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'truepeer-haproxy-'));
	const file = path.join(folder, 'haproxy.cfg');

	fs.writeFileSync(file, 'defaults\n mode tcp\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n' +
		`listen l\n bind 127.0.0.1:${port}\n server s 127.0.0.1:${backend} ${option}\n`);
	const child = spawn('haproxy', ['-q', '-db', '-f', file],
		{ stdio: 'ignore', env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } });
	const ended = new Promise((resolve, reject) => {
		child.on('error', reject);
		child.on('exit', resolve);
	});

	try {
		const up = eventually(async () => (await accepts(port)) !== false);

		assert.ok(await Promise.race([up, ended.then(() => false)]), 'haproxy does not run');
		return await body(port);
	} finally {
		child.kill('SIGKILL');
		await ended;
		fs.rmSync(folder, { recursive: true });
	}
}

for (const option of ['send-proxy', 'send-proxy-v2', 'send-proxy-v2 proxy-v2-options unique-id,crc32c']) {
	for (const [name, kind] of Object.entries(KINDS)) {
		test(`${name} behind HAProxy, ${option}`, () => serving(kind.make({ trust: '127.0.0.0/8' }), async (backend) => {
			await behind(backend, option, async (port) => {
				const client = await connectTo(port);
				const expected = `${CLIENT}:${client.localPort}`;

				assert.strictEqual(await kind.continued(client), expected);
			});
		}));
	}
}

test('HAProxy without send-proxy: dropped', () => serving(KINDS.http.make(), async (backend) => {
	await behind(backend, '', async (port) => {
		assert.strictEqual(await KINDS.http.continued(await connectTo(port)), '');
	});
}));

test('a header that the client sends through HAProxy is payload', () => {
	const server = proxy(net).createServer((socket) => {
		socket.on('error', () => {}); // HAProxy may be reset or killed with a connection open
		socket.once('data', (data) => socket.end(`${describe(socket)} ${data}`));
	});

	return serving(server, (backend) => behind(backend, 'send-proxy-v2', async (port) => {
		const client = await connectTo(port);
		const forged = 'PROXY TCP4 6.6.6.6 7.7.7.7 6 7\r\n';
		const expected = `${CLIENT}:${client.localPort} ${forged}`;

		client.write(forged);
		assert.strictEqual(await KINDS.net.continued(client), expected);
	}));
});
