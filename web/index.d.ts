// SPDX-License-Identifier: MIT

export type Model = 'auto' | 'rt3' | 'rt8' | 'rt9' | 'rt14' | 'rt27' | 'rt105' | 'rt9-h264' | 'rt14-h264' | 'ivs' | 'piper' | 'lanczos2x' | (string & {}) | URL | object;
export type State = 'starting' | 'running' | 'paused' | 'passthrough';

export interface Rules {
  /** Share of a frame's time above which the 95th percentile is too much. */
  down: number;
  /** Share of it that the next better network may be expected to take. */
  up: number;
  /** Milliseconds between changes. */
  pause: number;
  /** Milliseconds without trouble before a step up, and the most that grows to. */
  calm: number;
  patience: number;
  /** Times that are needed to judge. */
  few: number;
}

export interface Faults {
  delay?: number;
  black?: boolean;
}

export interface Options {
  model?: Model | Model[];
  mode?: 'element' | 'decoded';
  backend?: 'auto' | 'webgpu' | 'wasm' | 'none';
  models?: string | URL;
  stats?: boolean;
  battery?: 'auto' | boolean;
  compare?: number | null;
  maxRatio?: number;
  power?: 'low-power' | 'high-performance';
  fetch?: typeof globalThis.fetch;
  wasm?: { base?: string | URL; threads?: number };
  rules?: Partial<Rules>;
  faults?: Faults;
  onevent?: (event: CustomEvent) => void;
}

export interface Stats {
  state: State;
  reason: string;
  backend: 'webgpu' | 'wasm' | null;
  /** WebGPU's work is done in a worker. */
  inWorker: boolean;
  gpu: string;
  network: string;
  form: 'f16' | 'f32' | null;
  step: number;
  steps: number;
  limited: '' | 'throttled' | 'saving power';
  width: number;
  height: number;
  outWidth: number;
  outHeight: number;
  canvasWidth: number;
  canvasHeight: number;
  fps: number;
  mediaFps: number;
  drawn: number;
  dropped: number;
  budget: number;
  p50: number;
  p95: number;
  networkMs: number;
  blitMs: number;
  mainMs: number;
  bytes: number;
  floorBytes: number;
  matrix: 'bt601' | 'bt709' | 'bt2020';
}

export interface PlayerEvents {
  state: CustomEvent<{ state: State; reason: string; before: State }>;
  step: CustomEvent<{ step: number; network: string | null; reason: 'late' | 'room' | 'saver' | 'throttled' | 'again' | 'size' | 'chosen' }>;
  fallback: CustomEvent<{ reason: string }>;
  stats: CustomEvent<Stats>;
  error: CustomEvent<{ message: string }>;
}

export class Player extends EventTarget {
  constructor(video: HTMLVideoElement, options?: Options);
  readonly state: State;
  readonly reason: string;
  readonly video: HTMLVideoElement;
  readonly canvas: HTMLCanvasElement;
  compare: number | null;
  model: Model | Model[];
  faults: Faults;
  stats(): Stats;
  detach(): void;
  addEventListener<K extends keyof PlayerEvents>(type: K, listener: (event: PlayerEvents[K]) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
}

export function attach(video: HTMLVideoElement, options?: Options): Player;

export interface Rung {
  name: string;
  from: string | URL | object;
  cost: number;
}

export const MODELS: readonly string[];
export function ladderOf(model?: Model | Model[], base?: string | URL): Rung[];
export function loadPlan(from: string | URL | object, options?: { fetch?: typeof globalThis.fetch }): Promise<any>;
