// SPDX-License-Identifier: BSD-2-Clause
/**
 * @file The server of tests/apps/node_test.cpp: node served.js MODULE PORT [OPTIONS], without OPTIONS (JSON) an
 * unmodified one. Answers with its peer and, of a net server, with what it has received first. SIGUSR2
 * keeps its event loop from running for half a second.
 */
'use strict';

const fs = require('fs');

const { proxy } = require('../index.js');

const [, , name, port, options] = process.argv;
const module_ = require(name);
const used = options ? proxy(module_, JSON.parse(options)) : module_;

function say(text) {
	fs.writeSync(1, `${text}\n`); // at once, also while the loop stands still
}

function peer(socket) {
	const { truepeer } = socket;
	const tlvs = truepeer ? truepeer.tlvs.map((tlv) => `${tlv.name}=${tlv.value.toString('latin1')}`) : [];

	return `peer ${socket.remoteAddress}:${socket.remotePort} ` +
		`by ${truepeer ? truepeer.source : 'nobody'} [${tlvs.join(' ')}]`;
}

const server = used.createServer();

if (name === 'net') {
	server.on('connection', (socket) => {
		socket.on('error', () => {});
		say(`connection of ${peer(socket)}`);
		socket.once('data', (data) => {
			say(`received ${JSON.stringify(String(data))} of ${peer(socket)}`);
			socket.end(`${peer(socket)} ${data}`);
		});
	});
} else {
	server.on('request', (request, response) => response.end(peer(request.socket)));
}
server.on('proxyError', (error) => say(`refused ${error.reason}`));
server.listen(Number(port), '127.0.0.1', () => say('listening'));
process.on('SIGUSR2', () => {
	say('standing still');
	Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
});
