/** Measures a decision of the guard about a known token: for a plain route, and for a call of one tool of ten. */
import { TestIssuer } from '../../dist/testing/index.js';
import { interleaved, median } from '../measure.js';
import { RESOURCE } from '../resource.js';
import { guardOf, plainRequest, toolCall } from './guard.js';

/** @param {{ quick: boolean }} options */
export async function decisions({ quick }) {
  const issuer = await TestIssuer.start({ alg: 'ES256', audience: RESOURCE });
  const token = await issuer.mint({ scope: 'tools' });
  const guard = await guardOf({ tools: 10, issuer: issuer.issuer });
  const run = (context) => guard.canActivate(context);
  const times = await interleaved(
    {
      'a plain route': { prepare: () => plainRequest(token), run },
      'an MCP `tools/call`': { prepare: () => toolCall(token, 'tool-9'), run },
    },
    { rounds: quick ? 10 : 40, calls: 2_000 },
  );
  await issuer.close();
  return Object.entries(times).map(([label, micros]) => ({ label, micros: median(micros) }));
}
