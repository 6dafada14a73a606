// SPDX-License-Identifier: MIT
// Files of video, taken apart by ourselves: the demuxer is npm's mediabunny, loaded when it is first needed; the decoder is
// WebCodecs'.
//
//     const media = await openMedia(file);                    // a Blob, or an address
//     for await (const { frame, time } of decodeFrames(media)) { ...; frame.close(); }
//     media.close();
import { wordsOf } from './words.js';

/**
 * @typedef {object} Media
 * @property {any} kit mediabunny
 * @property {any} input
 * @property {any} track of video
 * @property {any} sink its packets
 * @property {VideoDecoderConfig} config
 * @property {string} codec mediabunny's short name: avc, vp9, ...
 * @property {number} rotation degrees clockwise, for display
 * @property {boolean} flip
 * @property {boolean} hdr
 * @property {number} unit ticks a second of the track's clock
 * @property {() => void} close
 *
 * @typedef {object} Decoded
 * @property {VideoFrame} frame to be closed by whom it is given
 * @property {number} time seconds, exactly as in the file
 * @property {number} duration seconds; 0: not known
 */

/** What a person can be told: the file or the browser is at fault, not the program. */
export class MediaError extends Error {
  /** @param {string} message @param {unknown} [cause] */
  constructor(message, cause) {
    super(message, { cause });
    this.name = 'MediaError';
  }
}

/** Why files cannot be read here; '' when they can. */
export function whyNoFiles() {
  return typeof VideoDecoder === 'undefined' ? 'this browser has no WebCodecs (VideoDecoder)' : '';
}

/** mediabunny: the given one, or the module of that name (an import map or a bundler finds it). @param {any} [given] */
async function loadKit(given) {
  try {
    return given ?? await import('mediabunny');
  } catch (reason) {
    throw new MediaError('the module mediabunny is missing: install it, or name it in an import map', reason);
  }
}

/**
 * Opens a file of video: MP4, MOV, WebM, MKV.
 * @param {Blob|string|URL} from
 * @param {{mediabunny?: any}} [options]
 * @returns {Promise<Media>}
 */
export async function openMedia(from, { mediabunny } = {}) {
  const why = whyNoFiles();
  if (why) throw new MediaError(why);
  const kit = await loadKit(mediabunny);
  const source = from instanceof Blob ? new kit.BlobSource(from, { handleUnhandledError() {} })
    : new kit.UrlSource(new URL(String(from), globalThis.location?.href).href,
      { getRetryDelay: () => null, handleUnhandledError() {} });
  const input = new kit.Input({ source, formats: [kit.MP4, kit.QTFF, kit.WEBM, kit.MATROSKA] });
  try {
    if (!(await input.canRead())) throw new MediaError('this is no video file: neither MP4, MOV, WebM nor Matroska');
    const track = await input.getPrimaryVideoTrack();
    if (!track) throw new MediaError('there is no video in this file');
    const codec = await track.getCodec(), found = codec && await track.getDecoderConfig();
    if (!found) throw new MediaError(`the codec of this video is not known (${String(await track.getInternalCodecId())})`);
    // Turned by whoever shows it: the network sees the picture as it was coded.
    const { rotation: _, flip: __, ...config } = found;
    const can = await VideoDecoder.isConfigSupported(config).catch(() => ({ supported: false }));
    if (!can.supported) throw new MediaError(`this browser cannot decode the video's codec (${config.codec})`);
    const [rotation, flip, colour, unit] = [await track.getRotation(), await track.getFlip(), await track.getColorSpace(),
      await track.getTimeResolution()];
    return { kit, input, track, sink: new kit.EncodedPacketSink(track), config, codec, rotation, flip, unit,
      hdr: colour.transfer === 'pq' || colour.transfer === 'hlg', close: () => input.dispose() };
  } catch (reason) {
    input.dispose();
    throw reason instanceof MediaError ? reason : new MediaError(`the file cannot be read: ${wordsOf(reason)}`, reason);
  }
}

/** Whether a packet makes a picture: VP8 has some that only serve others. @param {string} codec @param {Uint8Array} data */
function isShown(codec, data) {
  return codec !== 'vp8' || data.length === 0 || (data[0] & 16) !== 0;
}

/**
 * Every frame from a key packet on, in the order in which they are shown. A damaged packet ends it with a MediaError. No more than
 * `ahead` frames wait, since decoders have few.
 * @param {Media} media
 * @param {{from?: any, signal?: AbortSignal, ahead?: number, counts?: {packets: number, shown: number, frames: number}}} [options]
 * from: a key packet; the first one unless told. counts: kept up to date: packets read, those of them that make a frame, frames
 * that came
 * @returns {AsyncGenerator<Decoded, void>}
 */
export async function* decodeFrames(media, { from, signal, ahead = 4, counts = { packets: 0, shown: 0, frames: 0 } } = {}) {
  /** @type {VideoFrame[]} */
  const ready = [];
  /** @type {Map<number, {time: number, duration: number}[]>} */
  const times = new Map();
  let ended = false, over = false;
  /** @type {Error|undefined} */
  let failure;
  // Who feeds and who takes both look again after anything happened.
  /** @type {(() => void)[]} */
  let waiting = [];
  const wake = () => { const all = waiting; waiting = []; for (const go of all) go(); };
  const change = () => new Promise((/** @type {(v?: any) => void} */ go) => { waiting.push(go); });
  /** @param {unknown} reason */
  const fail = (reason) => {
    failure ??= reason instanceof MediaError ? reason
      : new MediaError(`the video is damaged, or cannot be decoded: ${wordsOf(reason)}`, reason);
    wake();
  };
  const decoder = new VideoDecoder({ output: (frame) => { if (over) frame.close(); else ready.push(frame); wake(); },
    error: fail });
  decoder.addEventListener('dequeue', wake);
  signal?.addEventListener('abort', wake);

  const feed = async () => {
    const first = from ?? await media.sink.getFirstPacket();
    if (!first) throw new MediaError('there are no frames in this video');
    if (!from && first.type !== 'key') throw new MediaError('the video does not begin with a whole picture');
    decoder.configure(media.config);
    for await (const packet of media.sink.packets(first)) {
      while (!over && !failure && (ready.length >= ahead || decoder.decodeQueueSize >= 6)) await change();
      if (over || failure) return;
      const chunk = packet.toEncodedVideoChunk(), known = times.get(chunk.timestamp),
        entry = { time: packet.timestamp, duration: packet.duration };
      if (known) known.push(entry);
      else times.set(chunk.timestamp, [entry]);
      counts.packets++;
      if (isShown(media.codec, packet.data)) counts.shown++;
      decoder.decode(chunk);
    }
    await decoder.flush();
    ended = true;
    wake();
  };
  feed().catch((reason) => { if (!over) fail(reason); });

  try {
    for (;;) {
      signal?.throwIfAborted();
      const frame = ready.shift();
      if (frame) {
        wake();
        const known = times.get(frame.timestamp), entry = known?.shift() ??
          { time: frame.timestamp / 1e6, duration: (frame.duration ?? 0) / 1e6 };
        if (known && !known.length) times.delete(frame.timestamp);
        counts.frames++;
        yield { frame, ...entry };
        continue;
      }
      if (failure) throw failure;
      if (ended) return;
      await change();
    }
  } finally {
    over = true;
    signal?.removeEventListener('abort', wake);
    for (const frame of ready) frame.close();
    if (decoder.state !== 'closed') decoder.close();
    wake();
  }
}
