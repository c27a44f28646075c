/** Measures a decision for a call of the last of 10, 100, 1,000 and 5,000 decorated tools. The cost must stay the same. */
import { TestIssuer } from '../../dist/testing/index.js';
import { interleaved, median, ratioOf } from '../measure.js';
import { RESOURCE } from '../resource.js';
import { guardOf, toolCall } from './guard.js';

const COUNTS = [10, 100, 1_000, 5_000];

/** @param {{ quick: boolean }} options */
export async function operations({ quick }) {
  const issuer = await TestIssuer.start({ alg: 'ES256', audience: RESOURCE });
  const token = await issuer.mint({ scope: 'tools' });
  const subjects = {};
  for (const tools of COUNTS) {
    const guard = await guardOf({ tools, issuer: issuer.issuer });
    subjects[tools] = {
      prepare: () => toolCall(token, `tool-${tools - 1}`),
      run: (context) => guard.canActivate(context),
    };
  }
  const times = await interleaved(subjects, { rounds: quick ? 10 : 25, calls: 2_000 });
  await issuer.close();
  return COUNTS.map((tools) => ({
    tools,
    micros: median(times[tools]),
    ratio: ratioOf(times[tools], times[COUNTS[0]]),
  }));
}
