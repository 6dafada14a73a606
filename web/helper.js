// SPDX-License-Identifier: MIT
// A worker of pages or of Node, and its unanswered questions. Messages to it are {id, op, ...}; answers {id, result} or {id,
// error}, with `broken` when it cannot go on; what has no id answers nothing: news.

export class Helper {
  #worker; #what; #listen; #waiting = new Map(); #next = 1; #broken = '';

  /**
   * @param {any} worker
   * @param {string} what works there, for messages
   * @param {{onnews?: (news: any) => void, onend?: (why: string) => void}} [listen] onend: told once, with the reason, when no more
   *   answers come
   */
  constructor(worker, what, listen = {}) {
    this.#worker = worker;
    this.#what = what;
    this.#listen = listen;
    const failed = (/** @type {any} */ error) => this.end(`${what}'s worker failed: ${error.message ?? 'it cannot be loaded'}`);
    if (worker.on) {
      worker.on('message', (/** @type {any} */ data) => this.#hear(data));
      worker.on('error', failed);
    } else {
      worker.onmessage = (/** @type {any} */ { data }) => this.#hear(data);
      worker.onmessageerror = () => this.end(`a message to ${what} was lost`);
      worker.onerror = (/** @type {any} */ event) => {
        event.preventDefault();
        failed(event);
      };
    }
  }

  /** @param {any} message */
  #hear(message) {
    if (message.id === undefined) return this.#listen.onnews?.(message);
    const { id, result, error, broken } = message, waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error !== undefined) waiting?.reject(Object.assign(new Error(error), { broken: !!broken }));
    else waiting?.resolve(result);
    if (broken) this.end(error);
  }

  /** @param {string} op @param {object} [message] @param {any[]} [transfer] @returns {Promise<any>} */
  ask(op, message, transfer = []) {
    if (this.#broken) return Promise.reject(new Error(this.#broken));
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, op, ...message }, transfer);
    });
  }

  /** Without an answer. @param {any} message @param {any[]} transfer */
  tell(message, transfer) {
    this.#worker.postMessage(message, transfer);
  }

  /** No more answers: what waits for one fails, and what is asked from now on. @param {string} why */
  end(why) {
    if (this.#broken) return;
    this.#broken = why;
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) reject(Object.assign(new Error(why), { broken: true }));
    this.#waiting.clear();
    this.#listen.onend?.(why);
  }
}
