// SPDX-License-Identifier: BSD-2-Clause
// Compiled by packages.test.js, never run.
import http from 'http';
import truepeer, { proxy, parse, type Options } from 'truepeer';

const options: Options = { kernel: 'only', timeout: 1000 };

proxy(http, options).createServer().listen(0);
truepeer.proxy(http).createServer();
parse(Buffer.alloc(0)).verdict satisfies string;
