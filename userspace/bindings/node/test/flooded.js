// SPDX-License-Identifier: BSD-2-Clause
/** @file The server of flood.test.js, in a process of its own: tells its port, then its state when asked. */
'use strict';

const http = require('http');

const { proxy } = require('../index.js');
const { describe, eventually } = require('./support.js');

const server = proxy(http, { timeout: 1000 }).createServer((request, response) => response.end(describe(request.socket)));
const reasons = {};
let refused = 0;

const connections = () => new Promise((resolve) => server.getConnections((error, count) => resolve(count)));

server.on('proxyError', (error) => {
	refused++;
	reasons[error.reason] = (reasons[error.reason] ?? 0) + 1;
});
server.listen(0, '0.0.0.0', () => process.send(server.address().port));

process.on('message', async () => {
	await eventually(async () => await connections() === 0);
	for (let i = 0; i < 3; i++)
		global.gc();
	const { heapUsed, rss } = process.memoryUsage();

	process.send({ connections: await connections(), heap: heapUsed, resident: rss, refused, reasons });
});
process.on('disconnect', () => process.exit());
