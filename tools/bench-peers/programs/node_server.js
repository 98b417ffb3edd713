// SPDX-License-Identifier: BSD-2-Clause
/** A Node http server that answers with its peer's name: node_server.js ADDRESS PORT [PROXYWRAP] */
'use strict';

const [address, port, proxywrap] = process.argv.slice(2);
const http = proxywrap ? require(proxywrap).proxy(require('http')) : require('http');
const padding = 'x'.repeat(1000);

http.createServer((request, response) => {
	const { remoteAddress, remotePort } = request.socket;

	response.end(`${remoteAddress}:${remotePort}\n${padding}`);
}).listen(Number(port), address);
