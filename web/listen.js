// SPDX-License-Identifier: MIT

/**
 * Hears events of several names until a signal ends it. None of them is ever prevented.
 * @param {EventTarget} target
 * @param {string} names with blanks between them
 * @param {(event: any) => void} f
 * @param {AbortSignal} signal
 */
export function listen(target, names, f, signal) {
  for (const name of names.split(' ')) target.addEventListener(name, f, { signal, passive: true });
}
