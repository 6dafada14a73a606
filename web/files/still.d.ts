// SPDX-License-Identifier: MIT

/** What calculates: a plan (framemill's loadPlan) and a GPUDevice, or a network of framemill/wasm.js. */
export type Engine = { plan: object; device: object; form?: 'f16' | 'f32'; net?: undefined }
  | { net: { scale: number; upscale: (...a: any[]) => Promise<any> } };

export interface Picture {
  /** RGBA, rows without gaps, colours not multiplied by alpha. */
  data: Uint8Array | Uint8ClampedArray;
  width: number;
  height: number;
  /** Whether any of it is transparent. */
  alpha: boolean;
}

export type Source = Blob | ImageBitmap | ImageData | HTMLImageElement | HTMLCanvasElement | OffscreenCanvas;

export type StillOptions = Engine & {
  /** Of networks that take any ratio; 2 unless told. */
  scale?: number;
  /** Pixels of a tile's side; 512 unless told. */
  tile?: number;
  signal?: AbortSignal;
  onprogress?: (share: number) => void;
};

export function openPicture(from: Source): Promise<Picture>;
export function upscalePicture(from: Source | Picture, options: StillOptions): Promise<Picture & { tiles: number; ms: number }>;
export function savePicture(picture: Picture, options?: {
  type?: 'image/png' | 'image/webp' | 'image/jpeg';
  /** 0 to 1, of WebP and JPEG. */
  quality?: number;
  signal?: AbortSignal;
}): Promise<Blob>;
