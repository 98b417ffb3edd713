// SPDX-License-Identifier: BSD-2-Clause
/** @file Gives servers the real client of connections that come through a load balancer. */
'use strict';

const { proxy, attach } = require('./lib/servers.js');
const { parse } = require('./lib/parser.js');
const { ProxyError } = require('./lib/error.js');

module.exports = { proxy, attach, parse, ProxyError };
