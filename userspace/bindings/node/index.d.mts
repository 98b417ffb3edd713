// SPDX-License-Identifier: BSD-2-Clause
import * as truepeer from './index.js';

export * from './index.js';
export default truepeer;
