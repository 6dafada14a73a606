// SPDX-License-Identifier: MIT
// The demo page. Its choices may stand in the address:
// ?model=rt27&split=0.4&time=1.5&paused&mode=decoded&backend=wasm&zoom=2.5&x=0.7&y=0.4
import { adaptiveSection } from './adaptive.js';
import { Files } from './files.js';
import { Stage } from './stage.js';

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);
const SAMPLE = { clip: new URL('../samples/harbour.mp4', import.meta.url).href,
  picture: new URL('../samples/harbour.png', import.meta.url).href };
const NETWORKS = [['auto', 'auto: what this machine manages'], ['rt3', 'rt3: the lightest'], ['rt9', 'rt9: light'],
  ['rt9-h264', 'rt9-h264: light, for compressed video'], ['rt14', 'rt14: balanced'],
  ['rt14-h264', 'rt14-h264: balanced, for compressed video'], ['rt27', 'rt27: finer'], ['ivs', 'ivs: any ratio'],
    ['rt105', 'rt105: finest of its kind'], ['piper', 'piper: heaviest']];

const asked = new URLSearchParams(location.search), among = (/** @type {string} */ id, /** @type {string} */ name) => {
  const wanted = asked.get(name) ?? '';
  return [...$(id).options].some((o) => o.value === wanted) ? wanted : $(id).options[0].value;
};
$('network').replaceChildren(...NETWORKS.map(([value, text]) => new Option(text, value)));
const choices = { model: among('network', 'model'), mode: among('mode', 'mode'), backend: among('backend', 'backend'),
  split: Math.min(1, Math.max(0, Number(asked.get('split') ?? 0.5) || 0)) };
for (const [id, value] of [['network', choices.model], ['mode', choices.mode], ['backend', choices.backend]]) $(id).value = value;

const stage = new Stage(choices), files = new Files(stage), stream = adaptiveSection(stage);
const still = asked.has('paused') || matchMedia('(prefers-reduced-motion: reduce)').matches, at = Number(asked.get('time')) || 0;
if (at) stage.video.addEventListener('loadedmetadata', () => { stage.video.currentTime = at; }, { once: true });
stage.open(SAMPLE.clip, !still);
if (Number(asked.get('zoom')) > 1) stage.near(Math.min(8, Number(asked.get('zoom'))), Number(asked.get('x') ?? 0.5) || 0.5,
  Number(asked.get('y') ?? 0.5) || 0.5);

$('network').addEventListener('change', () => stage.choose({ model: $('network').value }));
$('mode').addEventListener('change', () => stage.choose({ mode: $('mode').value }));
$('backend').addEventListener('change', () => stage.choose({ backend: $('backend').value }));

/** @param {File|string} clip */
function openClip(clip) {
  const name = typeof clip === 'string' ? 'harbour.mp4' : clip.name, list = $('clip');
  const own = [...list.options].find((o) => o.value === 'own');
  if (typeof clip !== 'string') {
    const option = own ?? new Option('', 'own');
    option.textContent = name;
    if (!own) list.add(option);
    list.value = 'own';
    mine = clip;
  } else list.value = 'sample';
  $('clip-name').textContent = name;
  stage.open(clip);
}
/** @type {File|null} */
let mine = null;
$('clip').addEventListener('change', () => openClip($('clip').value === 'own' && mine ? mine : SAMPLE.clip));

const CLIP = /\.(mp4|m4v|mov|webm|mkv|ogv|avi)$/i;
/** @param {File|undefined} file */
function take(file) {
  if (!file) return;
  if (file.type.startsWith('video/') || CLIP.test(file.name)) {
    openClip(file);
    $('stage').scrollIntoView({ block: 'center' });
  } else {
    $('files').scrollIntoView();
    files.picture(file, file.name);
  }
}
const picker = $('file');
for (const [id, accept] of [['open', 'video/*,.mkv,.mov'], ['drop', 'image/*,video/*,.mkv,.mov']])
  $(id).addEventListener('click', () => {
    picker.accept = accept;
    picker.click();
  });
picker.addEventListener('change', () => {
  take(picker.files[0]);
  picker.value = '';
});
$('sample-picture').addEventListener('click', async () => {
  try {
    const answer = await fetch(SAMPLE.picture);
    if (!answer.ok) throw new Error(`the sample is not here (${answer.status})`);
    await files.picture(await answer.blob(), 'harbour.png');
  } catch (reason) {
    $('still-error').hidden = false;
    $('still-error').textContent = /** @type {Error} */ (reason).message;
  }
});
let inside = 0;
const carries = (/** @type {DragEvent} */ event) => [...(event.dataTransfer?.types ?? [])].includes('Files');
addEventListener('dragenter', (event) => { if (carries(event)) { inside++; $('veil').hidden = false; } });
addEventListener('dragleave', (event) => { if (carries(event) && --inside <= 0) { inside = 0; $('veil').hidden = true; } });
addEventListener('dragover', (event) => { if (carries(event)) event.preventDefault(); });
addEventListener('drop', (event) => {
  if (!carries(event)) return;
  event.preventDefault();
  inside = 0;
  $('veil').hidden = true;
  take(event.dataTransfer?.files[0]);
});
$('about').textContent = globalThis.crossOriginIsolated ? 'This page is cross-origin isolated: threads share memory.' : '';
Object.assign(globalThis, { demo: { stage, files, stream } }); // to try things in the console
