// SPDX-License-Identifier: BSD-2-Clause
/** @file An Express server that knows nothing of PROXY headers: truepeer takes them out. */
'use strict';

const http = require('http');
const app = require('./app.js');

http.createServer(app).listen(Number(process.env.PORT || 8080), '127.0.0.1');
