// SPDX-License-Identifier: BSD-2-Clause
'use strict';

const express = require('express');

const app = express();

app.get('/', (request, response) => {
	response.send(`IP = ${request.socket.remoteAddress}:${request.socket.remotePort}\n`);
});

module.exports = app;
