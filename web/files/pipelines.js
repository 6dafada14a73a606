// SPDX-License-Identifier: MIT
// Pipelines take seconds to compile where a frame takes milliseconds: those of a plan are made once for a device and stay as long
// as it does.
import { chooseForm, createPipelines } from '../plan.js';

/** @type {WeakMap<GPUDevice, WeakMap<import('../plan.js').Plan, Map<string, ReturnType<typeof createPipelines>>>>} */
const made = new WeakMap();

/**
 * Not to be destroyed by who gets them.
 * @param {GPUDevice} device
 * @param {import('../plan.js').Plan} plan
 * @param {'f16'|'f32'} [form]
 */
export function pipelinesOf(device, plan, form = chooseForm(device, plan)) {
  if (!made.has(device)) made.set(device, new WeakMap());
  const plans = /** @type {NonNullable<ReturnType<typeof made.get>>} */ (made.get(device));
  if (!plans.has(plan)) plans.set(plan, new Map());
  const forms = /** @type {NonNullable<ReturnType<typeof plans.get>>} */ (plans.get(plan)), known = forms.get(form);
  if (known) return known;
  const fresh = createPipelines(device, plan, { form });
  forms.set(form, fresh);
  fresh.catch(() => forms.delete(form));
  return fresh;
}
