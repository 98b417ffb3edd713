// SPDX-License-Identifier: BSD-2-Clause
import truepeer from './index.js';

export const { proxy, attach, parse, ProxyError } = truepeer;
export default truepeer;
