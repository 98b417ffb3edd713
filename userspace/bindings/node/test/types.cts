// SPDX-License-Identifier: BSD-2-Clause
// Compiled by packages.test.js, never run.
import http = require('http');
import http2 = require('http2');
import net = require('net');
import truepeer = require('truepeer');

const server: http.Server = truepeer.proxy(http, { strict: false, trust: ['10.0.0.0/8'], versions: [2] })
	.createServer((request, response) => {
		const peer: truepeer.Peer | undefined = request.socket.truepeer;

		response.end(`${request.socket.remoteAddress} ${request.socket.clientAddress} ${peer?.tlvs[0].name}`);
	});

server.on('proxyError', (error, socket) => console.log(error.reason, socket.destroyed));
server.on('request', (request) => request.socket.remotePort);
truepeer.attach(net.createServer());
truepeer.proxy(http2).createSecureServer({}).listen(0);
class Mine extends truepeer.proxy(net).Server {}
new Mine().on('connection', (socket) => socket.truepeer?.origin);
// @ts-expect-error no such option
truepeer.proxy(http, { truts: [] });
