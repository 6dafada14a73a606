// SPDX-License-Identifier: MIT
// The line between before and after: dragged, or moved with the keys of a slider.

/**
 * @param {HTMLElement} box whose width it divides
 * @param {{value?: number, label: string, onchange: (share: number) => void}} options
 */
export function splitter(box, { value = 0.5, label, onchange }) {
  const line = document.createElement('div');
  line.className = 'split';
  line.tabIndex = 0;
  for (const [name, text] of Object.entries({ role: 'slider', 'aria-label': label, 'aria-valuemin': '0', 'aria-valuemax': '100',
    'aria-orientation': 'horizontal' })) line.setAttribute(name, text);
  const set = (/** @type {number} */ share) => {
    value = Math.max(0, Math.min(1, share));
    line.style.left = `${value * 100}%`;
    line.setAttribute('aria-valuenow', String(Math.round(value * 100)));
    line.setAttribute('aria-valuetext', `${Math.round(value * 100)} % plain`);
    onchange(value);
  };
  line.addEventListener('pointerdown', (event) => {
    line.setPointerCapture(event.pointerId);
    event.preventDefault();
    line.focus();
    const move = (/** @type {PointerEvent} */ e) => {
      const { left, width } = box.getBoundingClientRect();
      if (width > 0) set((e.clientX - left) / width);
    };
    const end = () => {
      line.removeEventListener('pointermove', move);
      for (const name of ['pointerup', 'pointercancel']) line.removeEventListener(name, end);
    };
    line.addEventListener('pointermove', move);
    for (const name of ['pointerup', 'pointercancel']) line.addEventListener(name, end);
  });
  line.addEventListener('keydown', (event) => {
    const step = event.shiftKey ? 0.1 : 0.01;
    const to = { ArrowLeft: value - step, ArrowDown: value - step, ArrowRight: value + step, ArrowUp: value + step,
      PageDown: value - 0.1, PageUp: value + 0.1, Home: 0, End: 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    set(to);
  });
  box.append(line);
  set(value);
  return { get value() { return value; }, set, line };
}
