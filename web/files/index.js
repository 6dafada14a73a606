// SPDX-License-Identifier: MIT
// Pictures and clips in a page, by the networks of framemill. See README.md.
export { openPicture, savePicture, upscalePicture } from './still.js';
export { upscaleClip } from './clip.js';
