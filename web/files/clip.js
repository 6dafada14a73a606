// SPDX-License-Identifier: MIT
// A clip in, a larger one out: every frame at its own time, the sound's packets as they are, tags, turns and names kept. Frames
// are decoded and encoded by WebCodecs. What cannot be kept is an error that says so, never a file that lacks something.
//
//     const made = await upscaleClip(file, { plan, device, onprogress: ({ share }) => bar(share), signal });
//     saveAs(made.blob, `clip.${made.extension}`);
import { clipEngine } from './clip_engine.js';
import { decodeFrames, MediaError, openMedia } from '../media.js';
import { planesLayout } from './planes.js';

/**
 * @typedef {object} ClipOptions
 * @property {import('../plan.js').Plan} [plan] with `device`: on the GPU
 * @property {GPUDevice} [device]
 * @property {'f16'|'f32'} [form]
 * @property {{scale: number, upscale: Function}} [net] of wasm.js: without a GPU
 * @property {number} [scale] of plans with a free ratio; 2 unless told
 * @property {'mp4'|'webm'|'mkv'} [container] the file's own kind unless told
 * @property {'avc'|'hevc'|'vp9'|'av1'|'vp8'} [codec] the first that the browser encodes unless told
 * @property {number} [bitrate] bits a second of video
 * @property {'copy'|'none'} [audio] none: leaves it out
 * @property {WritableStream} [writable] where to write (createWritable() of a file); in memory unless told
 * @property {any} [mediabunny]
 * @property {AbortSignal} [signal]
 * @property {(at: {share: number, frames: number, time: number}) => void} [onprogress]
 *
 * @typedef {object} Made
 * @property {Blob|null} blob null when it was written elsewhere
 * @property {string} type
 * @property {string} extension
 * @property {string} codec
 * @property {number} frames
 * @property {number} width
 * @property {number} height
 * @property {number} audio tracks that were copied
 * @property {string[]} notices what a person should know
 * @property {number} ms
 */

const KEY_EVERY = 5; // seconds, as seeking wants it
const CONTAINERS = /** @type {const} */ ({ mp4: ['avc', 'hevc', 'av1', 'vp9'], webm: ['vp9', 'av1', 'vp8'],
  mkv: ['avc', 'vp9', 'av1', 'hevc', 'vp8'] });

/** @param {any} kit @param {string} name @param {boolean} stream */
function formatOf(kit, name, stream) {
  return name === 'mp4' ? new kit.Mp4OutputFormat({ fastStart: stream ? false : 'in-memory' }) : name === 'webm'
    ? new kit.WebMOutputFormat() : new kit.MkvOutputFormat();
}

/** Levels by macroblocks of a frame and a second: H.264's table. */
const AVC = [[0x1e, 1620, 40500], [0x1f, 3600, 108000], [0x20, 5120, 216000], [0x28, 8192, 245760], [0x2a, 8704, 522240],
  [0x32, 22080, 589824], [0x33, 36864, 983040],
  [0x34, 36864, 2073600], [0x3c, 139264, 4177920]];

/**
 * Names of a codec for WebCodecs, the likeliest first.
 * @param {string} codec
 * @param {number} width
 * @param {number} height
 * @param {number} rate
 */
export function codecStrings(codec, width, height, rate) {
  const blocks = Math.ceil(width / 16) * Math.ceil(height / 16), pixels = width * height, fast = rate > 35 ? 1 : 0;
  // VP9; AV1 counts from 2.0 in quarters
  const step = pixels <= 1280 * 720 ? 31 : pixels <= 2048 * 1152 ? 40 : pixels <= 4096 * 2304 ? 50 : 60;
  if (codec === 'avc') {
    const level = (AVC.find(([, frame, second]) => blocks <= frame && blocks * rate <= second) ??
      AVC[AVC.length - 1])[0].toString(16).padStart(2, '0');
    return ['6400', '4d00', '42e0', '4200'].map((profile) => `avc1.${profile}${level}`);
  }
  if (codec === 'hevc') return [`hvc1.1.6.L${3 * (step + fast)}.B0`, `hev1.1.6.L${3 * (step + fast)}.B0`];
  if (codec === 'vp9') return [`vp09.00.${step + fast}.08`];
  if (codec === 'av1') return [`av01.0.${String(Math.floor(step / 10) * 4 - 8 + (step % 10 ? 1 : 0) + fast).padStart(2, '0')}M.08`];
  return ['vp8'];
}

/**
 * What an H.264 encoder says of itself (avcC), with level 1.1 in place of 1b: small clips of few bits get that from Chromium's
 * encoder, as the number 9, which its decoder refuses. What a decoder of 1.1 takes includes it.
 * @param {AllowSharedBufferSource} description
 * @returns {Uint8Array}
 */
export function withKnownLevel(description) {
  const from = ArrayBuffer.isView(description) ? description : new Uint8Array(description);
  const bytes = new Uint8Array(from.buffer, from.byteOffset, from.byteLength).slice();
  if (bytes[3] !== 9) return bytes;
  bytes[3] = 11;
  for (let n = bytes[5] & 31, at = 6; n > 0 && at + 5 < bytes.length; n--) { // length, then the parameters of a sequence
    if (bytes[at + 5] === 9) bytes[at + 5] = 11;
    at += 2 + bytes[at] * 256 + bytes[at + 1];
  }
  return bytes;
}

/**
 * @param {string[]} codecs
 * @param {{width: number, height: number, rate: number, bitrate: number}} video
 * @returns {Promise<{codec: string, config: VideoEncoderConfig}|null>}
 */
async function encoderFor(codecs, { width, height, rate, bitrate }) {
  for (const codec of codecs)
    for (const name of codecStrings(codec, width, height, rate)) {
      /** @type {VideoEncoderConfig} */
      const config = { codec: name, width, height, bitrate, framerate: rate, latencyMode: 'quality', bitrateMode: 'variable',
        ...(codec === 'avc' ? { avc: { format: 'avc' } } : {}) };
      if ((await VideoEncoder.isConfigSupported(config).catch(() => null))?.supported) return { codec, config };
    }
  return null;
}

/**
 * Container and encoder. The file's own kind of container first, unless its sound does not fit.
 * @param {import('../media.js').Media} media
 * @param {any[]} tracks of sound
 * @param {ClipOptions} options @param {{width: number, height: number, rate: number, bitrate: number}} video */
async function chooseOutput(media, tracks, options, video) {
  const { kit } = media, of = await media.input.getFormat(), sounds = await Promise.all(tracks.map((t) => t.getCodec()));
  const unknown = sounds.findIndex((s) => !s);
  if (unknown >= 0)
    throw new MediaError(`the codec of sound track ${unknown + 1} cannot be copied; leave sound out (audio: 'none')`);
  const own = of === kit.MP4 || of === kit.QTFF ? 'mp4' : of === kit.WEBM ? 'webm' : 'mkv';
  const names = options.container ? [options.container] : [...new Set([own, own === 'webm' ? 'webm' : 'mp4', 'mkv'])];
  let why = '';
  for (const name of names) {
    const format = formatOf(kit, name, !!options.writable), holds = new Set(format.getSupportedAudioCodecs()),
      odd = sounds.find((s) => !holds.has(s));
    if (odd) {
      why ||= `${name} holds no ${odd} sound`;
      continue;
    }
    const codecs = options.codec ? [options.codec] : CONTAINERS[/** @type {keyof typeof CONTAINERS} */ (name)].slice(),
      can = new Set(format.getSupportedVideoCodecs());
    const encoder = await encoderFor(codecs.filter((c) => can.has(c)), video);
    if (encoder) return { name, format, ...encoder };
    why ||= `this browser encodes no ${codecs.join(', ')} of ${video.width} x ${video.height}`;
  }
  throw new MediaError(`the clip cannot be saved: ${why}`);
}

/**
 * The delay of Opus, which readers take off the times in Matroska: mediabunny 1.61 writes it into the element beside the one where
 * it belongs
 * (SeekPreRoll instead of CodecDelay; both are a number of nanoseconds). Without this, sound comes some milliseconds late.
 * @param {Uint8Array} bytes in which the header is
 */
export function setOpusDelay(bytes) {
  const find = (/** @type {number[]} */ what, /** @type {number} */ from, /** @type {number} */ to) => {
    for (let i = from; i < Math.min(to, bytes.length - what.length); i++) if (what.every((v, k) => bytes[i + k] === v)) return i;
    return -1;
  };
  const text = (/** @type {string} */ t) => [...t].map((c) => c.charCodeAt(0));
  for (let at = find(text('A_OPUS'), 0, 1 << 16); at >= 0; at = find(text('A_OPUS'), at + 6, 1 << 16)) {
    const head = find(text('OpusHead'), at, at + 200), delay = head < 0 ? 0
      : Math.round((bytes[head + 10] + 256 * bytes[head + 11]) / 48e-6);
    const element = head < 0 ? -1 : find([0x56, 0xbb], head + 19, head + 400), length = element < 0 ? 0 : bytes[element + 2] & 15;
    let value = 0;
    for (let k = 0; k < length; k++) value = value * 256 + bytes[element + 3 + k];
    if (delay && value === delay) bytes[element + 1] = 0xaa;
  }
}

/** A file to write into, with the same done to what comes first. @param {WritableStream} writable */
function withOpusDelay(writable) {
  const writer = writable.getWriter();
  return new WritableStream({
    write(/** @type {{data: Uint8Array, position: number}} */ piece) {
      if (piece.position < 1 << 16) setOpusDelay(piece.data);
      return writer.write(piece);
    },
    close: () => writer.close(),
    abort: (reason) => writer.abort(reason),
  });
}

/** How much there is to do, and whether all of the file is there. @param {import('../media.js').Media} media */
async function survey(media) {
  const { kit, track } = media, of = await media.input.getFormat(), listed = of === kit.MP4 || of === kit.QTFF;
  const stats = await track.computePacketStats(listed ? undefined : 100),
    end = (await media.input.getDurationFromMetadata([track]).catch(() => null)) ?? 0;
  if (!stats.packetCount) throw new MediaError('there are no frames in this video');
  return { packets: listed ? stats.packetCount : null, rate: Math.min(240, Math.max(1, stats.averagePacketRate || 30)),
    bits: stats.averageBitrate || 0, end };
}

/**
 * Packets of a sound track into the output, as they are, no further than a time.
 * @param {any} kit
 * @param {any} track
 * @param {any} source
 */
async function copier(kit, track, source) {
  const config = await track.getDecoderConfig(), packets = new kit.EncodedPacketSink(track).packets();
  let next = (await packets.next()).value, first = true, copied = 0;
  return {
    /** @param {number} until */
    async run(until) {
      while (next && next.timestamp <= until) {
        await source.add(next, first ? { decoderConfig: config } : undefined);
        first = false;
        copied++;
        next = (await packets.next()).value;
      }
      return copied;
    },
    end: () => packets.return?.(undefined),
  };
}

/**
 * Enlarges a clip.
 * @param {Blob|string|URL} from
 * @param {ClipOptions} options
 * @returns {Promise<Made>}
 */
export async function upscaleClip(from, options) {
  if (!(options.plan && options.device) && !options.net) throw new TypeError('upscaleClip wants a plan and a device, or a net');
  if (typeof VideoEncoder === 'undefined')
    throw new MediaError('this browser has no WebCodecs to encode video with (VideoEncoder)');
  options.signal?.throwIfAborted();
  const media = await openMedia(from, options);
  try {
    if (media.hdr) throw new MediaError('this is HDR video; results have 8 bits and no more than white');
    if (await media.track.canBeTransparent()) throw new MediaError('this video can be transparent, which the result would not be');
    return await convert(media, options);
  } catch (reason) {
    options.signal?.throwIfAborted();
    throw reason;
  } finally {
    media.close();
  }
}

/** @param {import('../media.js').Media} media @param {ClipOptions} options @returns {Promise<Made>} */
async function convert(media, options) {
  const { kit } = media, { signal, onprogress } = options, start = performance.now(), notices = /** @type {string[]} */ ([]);
  const known = await survey(media), tracks = options.audio === 'none' ? [] : await media.input.getAudioTracks();
  if ((await media.input.getVideoTracks()).length > 1) notices.push('only the main video track is in the result');
  const counts = { packets: 0, shown: 0, frames: 0 };
  /** @type {Awaited<ReturnType<typeof clipEngine>>|undefined} */
  let engine;
  /** @type {Awaited<ReturnType<typeof openOutput>>|undefined} */
  let out;
  let lastKey = -Infinity, end = 0, passed = 0;
  let waiting = /** @type {{bytes: Promise<Uint8Array>, time: number, duration: number}|null} */ (null);
  const finish = async () => {
    if (!waiting || !out || !engine) return;
    const { bytes, time, duration } = waiting, key = time - lastKey >= KEY_EVERY;
    waiting = null;
    if (key) lastKey = time;
    await out.put(await bytes, time, duration, key);
    onprogress?.({ share: Math.min(1, known.end > 0 ? (time + duration) / known.end : 0), frames: out.frames, time });
  };
  try {
    for await (const { frame, time, duration } of decodeFrames(media, { signal, counts })) {
      try {
        end = Math.max(end, time + duration);
        if (time < 0 && time + duration <= 1e-6) { // before the beginning, by the file's edit list: only there to decode others
          passed++;
          continue;
        }
        if (frame.format?.includes('A') && !/^(RGB|BGR)/.test(frame.format))
          throw new MediaError('this video is transparent, which the result would not be');
        if (!engine) {
          engine = await clipEngine(frame, options);
          out = await openOutput(media, tracks, options, engine, known);
        }
        const { bytes } = await engine.begin(frame);
        bytes.catch(() => {});
        await finish();
        waiting = { bytes, time, duration };
      } finally {
        frame.close();
      }
    }
    await finish();
    if (!out || !engine) throw new MediaError('there are no frames in this video');
    if (known.packets !== null && counts.packets < known.packets)
      throw new MediaError(`the file is cut off: ${counts.packets} of ${known.packets} frames are there`);
    if (known.packets === null && known.end > 0 && end < known.end - 1)
      throw new MediaError(`the file is cut off after ${end.toFixed(1)} of ${known.end.toFixed(1)} seconds`);
    const short = counts.shown - counts.frames;
    if (short > 0) throw new MediaError(`the video is damaged: ${short} of ${counts.shown} frames were not decoded`);
    const made = await out.close(counts.frames - passed);
    return { ...made, width: engine.width, height: engine.height, notices, ms: performance.now() - start };
  } catch (reason) {
    await out?.cancel();
    throw reason;
  } finally {
    engine?.destroy();
  }
}

/** Encoder and file. @param {import('../media.js').Media} media @param {any[]} tracks @param {ClipOptions} options
 * @param {Awaited<ReturnType<typeof clipEngine>>} engine @param {Awaited<ReturnType<typeof survey>>} known */
async function openOutput(media, tracks, options, engine, known) {
  const { kit } = media, { width, height } = engine, pixels = width * height * known.rate;
  // Twice the area does not want twice the bits; what the source was given is what its maker thought right.
  const bitrate = Math.round(options.bitrate ?? Math.min(Math.max(known.bits * 2, 0.05 * pixels), Math.max(0.25 * pixels, 200000)));
  const chosen = await chooseOutput(media, tracks, options, { width, height, rate: known.rate, bitrate });
  const target = options.writable ? new kit.StreamTarget(chosen.name === 'mp4' ? options.writable
    : withOpusDelay(options.writable), { chunked: true }) : new kit.BufferTarget();
  const output = new kit.Output({ format: chosen.format, target }), video = new kit.EncodedVideoPacketSource(chosen.codec);
  // In MP4 the clock of the result is that of the file, so that times are the same to the tick.
  output.addVideoTrack(video, { rotation: media.rotation, flip: media.flip, languageCode: await media.track.getLanguageCode(),
    name: (await media.track.getName()) ?? undefined,
    ...(chosen.name === 'mp4' && Number.isInteger(media.unit) && media.unit <= 1e6 ? { frameRate: media.unit } : {}) });
  const sounds = [];
  for (const track of tracks) {
    const source = new kit.EncodedAudioPacketSource(await track.getCodec());
    output.addAudioTrack(source, { languageCode: await track.getLanguageCode(), name: (await track.getName()) ?? undefined,
      disposition: await track.getDisposition() });
    sounds.push({ source, copy: await copier(kit, track, source) });
  }
  output.setMetadataTags(await media.input.getMetadataTags().catch(() => ({})));
  await output.start();

  /** @type {Map<number, {time: number, duration: number}>} */
  const times = new Map();
  /** @type {unknown} */
  let failure;
  let frames = 0, packets = 0, written = Promise.resolve(), wake = () => {};
  /** @param {unknown} reason */
  const fail = (reason) => { failure ??= reason; wake(); };
  const check = () => { if (failure) throw failure instanceof MediaError ? failure
    : new MediaError(`the result cannot be written: ${/** @type {any} */ (failure)?.message ?? failure}`, failure); };
  const encoder = new VideoEncoder({
    output(chunk, meta) {
      const data = new Uint8Array(chunk.byteLength), at = times.get(chunk.timestamp);
      chunk.copyTo(data);
      times.delete(chunk.timestamp);
      packets++;
      const packet = new kit.EncodedPacket(data, chunk.type, at?.time ?? chunk.timestamp / 1e6, at?.duration ??
        (chunk.duration ?? 0) / 1e6);
      const told = meta?.decoderConfig, description = told?.description && chosen.codec === 'avc'
        ? withKnownLevel(told.description) : told?.description;
      const about = told ? { decoderConfig: { ...told, description, colorSpace: engine.colour.tags } } : undefined;
      written = written.then(async () => { if (!failure) await video.add(packet, about); }).catch(fail);
    },
    error: fail,
  });
  encoder.addEventListener('dequeue', () => wake());
  encoder.configure(chosen.config);
  const copySound = async (/** @type {number} */ until) => {
    let copied = 0;
    for (const { copy } of sounds) copied += await copy.run(until);
    return copied;
  };

  return {
    get frames() { return frames; },
    /** @param {Uint8Array} bytes @param {number} time @param {number} duration @param {boolean} keyFrame */
    async put(bytes, time, duration, keyFrame) {
      while (!failure && encoder.encodeQueueSize > 3) await new Promise((go) => { wake = () => go(undefined); });
      check();
      const timestamp = Math.round(time * 1e6);
      if (times.has(timestamp)) throw new MediaError(`two frames at ${time.toFixed(6)} s`);
      times.set(timestamp, { time, duration });
      const frame = new VideoFrame(bytes, { format: 'I420', codedWidth: width, codedHeight: height,
        layout: planesLayout(width, height).layout, timestamp,
        duration: Math.round(duration * 1e6), colorSpace: engine.colour.tags });
      encoder.encode(frame, { keyFrame });
      frame.close();
      frames++;
      await copySound(time + 0.5);
    },
    /** @param {number} wanted frames */
    async close(wanted) {
      await encoder.flush();
      await copySound(Infinity);
      await written;
      check();
      encoder.close();
      if (packets !== wanted || frames !== wanted) throw new MediaError(`the encoder gave ${packets} frames back, not ${wanted}`);
      await output.finalize();
      const type = await output.getMimeType();
      if (!options.writable && chosen.name !== 'mp4') setOpusDelay(new Uint8Array(target.buffer));
      return { blob: options.writable ? null : new Blob([target.buffer], { type: type.split(';')[0] }), type,
        extension: chosen.name, codec: chosen.config.codec, frames, audio: sounds.length };
    },
    async cancel() {
      fail(new MediaError('stopped'));
      if (encoder.state !== 'closed') encoder.close();
      for (const { copy } of sounds) await copy.end()?.catch?.(() => {});
      if (output.state !== 'finalized') await output.cancel().catch(() => {});
    },
  };
}
