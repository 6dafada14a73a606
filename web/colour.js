// SPDX-License-Identifier: MIT
// What a video's colour tags mean for us: the shares of luma, and whether results of 8 bits can show it at all. The browser turns
// its frames into R, G, B itself (range, matrix, primaries); what is left is to know which Y' the stream had.

/**
 * @typedef {object} Space what VideoFrame.colorSpace says; anything may be missing
 * @property {string|null} [matrix]
 * @property {string|null} [transfer]
 * @property {string|null} [primaries]
 * @property {boolean|null} [fullRange]
 *
 * @typedef {object} Colour
 * @property {number[]} luma shares of red, green and blue in Y'
 * @property {'bt601'|'bt709'|'bt2020'} matrix
 * @property {'srgb'|'display-p3'} canvas the colour space to import and to show in
 * @property {string} whyNot why our results would show wrong colours; '' when they do not
 */

/** Shares of red, green and blue in Y', by the video's matrix. */
export const LUMA = Object.freeze({
  bt601: [0.299, 0.587, 0.114],
  bt709: [0.2126, 0.7152, 0.0722],
  bt2020: [0.2627, 0.678, 0.0593],
});

/** @type {Record<string, Colour['matrix']>} */
const MATRIX = { bt709: 'bt709', bt470bg: 'bt601', smpte170m: 'bt601', fcc: 'bt601', smpte240m: 'bt601', 'bt2020-ncl': 'bt2020',
  'bt2020-cl': 'bt2020', rgb: 'bt709' };
/** @type {Record<string, string>} */
const HDR = { pq: 'PQ', hlg: 'HLG', smpte2084: 'PQ', 'arib-std-b67': 'HLG' };

/**
 * Untagged video is BT.709 from HD on and BT.601 below, as browsers decide for H.264.
 * @param {Space|null|undefined} space @param {number} width @param {number} height
 * @returns {Colour}
 */
export function colourOf(space, width, height) {
  const matrix = MATRIX[space?.matrix ?? ''] ?? (height >= 720 || width >= 1280 ? 'bt709' : 'bt601');
  const transfer = HDR[space?.transfer ?? ''], primaries = space?.primaries ?? '';
  let whyNot = '';
  if (transfer) whyNot = `HDR video (${transfer}); results have 8 bits and no more than white`;
  else if (primaries === 'bt2020' || primaries === 'xyz') whyNot = 'wide colours (BT.2020), which results in sRGB would cut';
  return { luma: LUMA[matrix], matrix, canvas: primaries === 'smpte432' || primaries === 'smpte431' ? 'display-p3'
    : 'srgb', whyNot };
}
