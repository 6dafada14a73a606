// SPDX-License-Identifier: MIT
import type { Engine } from './still.js';

export type ClipOptions = Engine & {
  /** Of networks that take any ratio; 2 unless told. */
  scale?: number;
  /** The file's own kind unless told. */
  container?: 'mp4' | 'webm' | 'mkv';
  /** The first that the browser encodes unless told. */
  codec?: 'avc' | 'hevc' | 'vp9' | 'av1' | 'vp8';
  /** Bits a second of video. */
  bitrate?: number;
  audio?: 'copy' | 'none';
  /** Where to write; in memory unless told. */
  writable?: WritableStream;
  /** The module, where no import map or bundler finds that name. */
  mediabunny?: any;
  signal?: AbortSignal;
  onprogress?: (at: { share: number; frames: number; time: number }) => void;
};

export interface Made {
  /** null when it was written elsewhere. */
  blob: Blob | null;
  type: string;
  extension: string;
  codec: string;
  frames: number;
  width: number;
  height: number;
  /** Tracks that were copied. */
  audio: number;
  /** What a person should know. */
  notices: string[];
  ms: number;
}

export function upscaleClip(from: Blob | string | URL, options: ClipOptions): Promise<Made>;
