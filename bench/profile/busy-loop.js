/** Keeps a processor busy until its parent stops it. */
import { answer } from '../child.js';

const SLICE_MS = 20;

answer({});
spin();

function spin() {
  const end = performance.now() + SLICE_MS;
  while (performance.now() < end);
  setImmediate(spin);
}
