import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import { McpAuthModule } from 'nestjs-mcp-auth';
import { expectProblems, GOOD, HTTP_WHY, start, stop, type Row } from '../options/started-app.js';
import { CONSENT_SECRET, startConsentServer, TokenTable } from '../support/consent-server.js';
import { PLATFORMS } from '../support/platforms.js';

const CONSENT = { url: 'https://mcp.example.com/connect', secret: CONSENT_SECRET };

const withConsent = (members: object): object => ({ ...GOOD, consent: { ...CONSENT, ...members } });

const ROWS: readonly Row[] = [
  ['true', { ...GOOD, consent: true }, ['consent', 'true', /must be an object/], ...missing()],
  ['nothing', { ...GOOD, consent: {} }, ...missing()],
  ['a misspelt option', withConsent({ second: 60 }), ['consent.second', 'a value', /no such option/]],
  ['a path', withConsent({ url: '/connect' }), ['consent.url', '"/connect"', /must be an absolute URL/]],
  [
    'plain http',
    withConsent({ url: 'http://mcp.example.com/connect' }),
    ['consent.url', '"http://mcp.example.com/connect"', HTTP_WHY],
  ],
  [
    'a fragment',
    withConsent({ url: 'https://mcp.example.com/#connect' }),
    ['consent.url', '"https://mcp.example.com/#connect"', /fragment/],
  ],
  [
    'its own parameter',
    withConsent({ url: 'https://mcp.example.com/?consent=1' }),
    ['consent.url', '"https://mcp.example.com/?consent=1"', /parameter consent/],
  ],
  [
    'a short secret',
    withConsent({ secret: 'short' }),
    ['consent.secret', 'a value that is not shown', /nobody can guess/],
  ],
  [
    'a short old secret',
    withConsent({ secret: [CONSENT_SECRET, 'short'] }),
    ['consent.secret', 'a value that is not shown', /nobody can guess/],
  ],
  ['a day', withConsent({ seconds: 86_400 }), ['consent.seconds', '86400', /from 60 to 3600/]],
  [
    'a Map, and an object without methods',
    withConsent({ tokenStore: new Map(), replayStore: {} }),
    ['consent.tokenStore', 'an object', /get\(owner, to\), set/],
    ['consent.replayStore', 'an object', /insertOnce/],
  ],
];

/** What is said of the options that are required. */
function missing(): Row extends readonly [string, unknown, ...infer Expected] ? Expected : never {
  return [
    ['consent.url', 'nothing', /must be an absolute URL/],
    ['consent.secret', 'nothing', /nobody can guess/],
  ];
}

describe('the option consent', () => {
  afterEach(stop);

  it.each(ROWS)('refuses %s', expectProblems);

  it('may come from a factory, with a list of secrets', async () => {
    const consent = { ...CONSENT, secret: [CONSENT_SECRET, `${CONSENT_SECRET} before`], tokenStore: new TokenTable() };
    const { log } = await start(McpAuthModule.forRootAsync({ useFactory: () => ({ ...GOOD, consent }) }));
    expect(log.filter(({ level }) => level !== 'log')).toEqual([]);
  });
});

describe.each(PLATFORMS)('McpAuthConsents on %s', (platform) => {
  it.each([
    ['the option', { consent: undefined }, 'set consent in the options of McpAuthModule'],
    ['a store', { consent: CONSENT }, 'set consent.tokenStore in the options of McpAuthModule'],
  ])('says what is missing without %s', async (_what, options, write) => {
    const server = await startConsentServer(platform, {}, { options: options as object });
    expect((await server.call('token', 'alice')).result).toMatchObject({ isError: true });
    expect(server.server.log.join('\n')).toContain(write);
    await server.close();
  });
});
