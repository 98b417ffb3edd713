// SPDX-License-Identifier: BSD-2-Clause
/** @file The same, and it reads the headers itself where truepeer does not. */
'use strict';

const { proxy } = require('truepeer');
const http = proxy(require('http'), { trust: '127.0.0.0/8' }); // the load balancer's network
const app = require('./app.js');

const server = http.createServer(app);

server.on('proxyError', (error) => console.error(error.message));
server.listen(Number(process.env.PORT || 8080), '127.0.0.1');
