// SPDX-License-Identifier: MIT

/** What a reason says, whatever was thrown. @param {any} reason @returns {string} */
export const wordsOf = (reason) => String(reason?.message ?? reason);
