import { parseChallenges } from 'nestjs-mcp-auth/testing';

/** Plain objects, since `params` has no prototype. */
function parsed(header: string | string[]): unknown[] {
  return parseChallenges(header).map((challenge) => ({ ...challenge, params: { ...challenge.params } }));
}

describe('parseChallenges', () => {
  it.each<[string, unknown[]]>([
    ['Bearer', [{ scheme: 'Bearer', params: {} }]],
    [' \tBearer\t ', [{ scheme: 'Bearer', params: {} }]],
    ['Bearer realm=mcp', [{ scheme: 'Bearer', params: { realm: 'mcp' } }]],
    ['Bearer   realm = "a b"', [{ scheme: 'Bearer', params: { realm: 'a b' } }]],
    ['bearer REALM="x", Scope="a b"', [{ scheme: 'bearer', params: { realm: 'x', scope: 'a b' } }]],
    ['Bearer a=1,b=2\t,\tc=3', [{ scheme: 'Bearer', params: { a: '1', b: '2', c: '3' } }]],
    ['Bearer realm=""', [{ scheme: 'Bearer', params: { realm: '' } }]],
    ['Bearer realm="a \\"b\\" \\\\ \\c"', [{ scheme: 'Bearer', params: { realm: 'a "b" \\ c' } }]],
    ['Bearer realm="a, DPoP b=c"', [{ scheme: 'Bearer', params: { realm: 'a, DPoP b=c' } }]],
    ['Bearer realm="caf\u00E9"', [{ scheme: 'Bearer', params: { realm: 'caf\u00E9' } }]],
    ['Negotiate YWJj/+-._~==', [{ scheme: 'Negotiate', params: {}, token68: 'YWJj/+-._~==' }]],
    ['Negotiate abc', [{ scheme: 'Negotiate', params: {}, token68: 'abc' }]],
    [
      'Bearer, DPoP algs="ES256"',
      [
        { scheme: 'Bearer', params: {} },
        { scheme: 'DPoP', params: { algs: 'ES256' } },
      ],
    ],
    [
      'Bearer realm="x", error="invalid_token", DPoP algs="ES256 EdDSA", Negotiate YQ==, Basic',
      [
        { scheme: 'Bearer', params: { realm: 'x', error: 'invalid_token' } },
        { scheme: 'DPoP', params: { algs: 'ES256 EdDSA' } },
        { scheme: 'Negotiate', params: {}, token68: 'YQ==' },
        { scheme: 'Basic', params: {} },
      ],
    ],
    [
      'Bearer realm="x", Bearer realm="y"',
      [
        { scheme: 'Bearer', params: { realm: 'x' } },
        { scheme: 'Bearer', params: { realm: 'y' } },
      ],
    ],
    [
      'Bearer , DPoP',
      [
        { scheme: 'Bearer', params: {} },
        { scheme: 'DPoP', params: {} },
      ],
    ],
  ])('reads %j', (header, challenges) => {
    expect(parsed(header)).toEqual(challenges);
  });

  it('reads several header lines in order', () => {
    expect(parsed(['Bearer a=1, Basic b=2', 'DPoP'])).toEqual([
      { scheme: 'Bearer', params: { a: '1' } },
      { scheme: 'Basic', params: { b: '2' } },
      { scheme: 'DPoP', params: {} },
    ]);
    expect(parsed([])).toEqual([]);
  });

  it('takes parameter names that objects inherit as names like any other', () => {
    const [challenge] = parseChallenges('Bearer __proto__=a, constructor=b');
    expect(Object.entries(challenge!.params)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ]);
    expect('toString' in challenge!.params).toBe(false);
  });

  it.each([
    ['nothing at all', ''],
    ['only white space', '  '],
    ['a parameter twice', 'Bearer realm="x", realm="y"'],
    ['a parameter twice in another case', 'Bearer scope="x", SCOPE="x"'],
    ['a parameter without a scheme', 'realm="x"'],
    ['a parameter after a bare scheme and a comma', 'Bearer, realm="x"'],
    ['a parameter after token68', 'Negotiate YQ==, realm="x"'],
    ['parameters without commas', 'Bearer realm="x" scope="y"'],
    ['a scheme that only a space separates', 'Bearer DPoP algs="ES256"'],
    ['a comma at the end', 'Bearer realm="x",'],
    ['a comma at the beginning', ', Bearer'],
    ['two commas in a row', 'Bearer realm="x",, scope="y"'],
    ['two commas between challenges', 'Bearer,, DPoP'],
    ['a quotation that does not end', 'Bearer realm="x'],
    ['a quotation that ends in a backslash', 'Bearer realm="x\\"'],
    ['a quotation in a quotation', 'Bearer error_description="Expected "Bearer <token>""'],
    ['text after a quotation', 'Bearer realm="x"y'],
    ['single quotes around a space', "Bearer realm='a b'"],
    ['an unquoted URL', 'Bearer resource_metadata=https://mcp.example/'],
    ['a value missing between parameters', 'Bearer realm= , scope="x"'],
    ['a scheme that is not a token', 'Bear:er realm="x"'],
    ['a tab between scheme and parameters', 'Bearer\trealm="x"'],
    ['a line break', 'Bearer realm="x\r\nSet-Cookie: a=b"'],
    ['a line break at the end', 'Bearer realm="x"\n'],
    ['a control character', 'Bearer realm="\u0000"'],
    ['a character beyond Latin-1', 'Bearer realm="\u{1F511}"'],
    ['a semicolon', 'Bearer realm="x"; scope="y"'],
  ])('refuses %s', (_, header) => {
    expect(() => parseChallenges(header)).toThrow(/^Malformed challenge: expected .+ at position \d+/);
  });

  it('refuses the whole when one of several header lines is malformed', () => {
    expect(() => parseChallenges(['Bearer', 'DPoP,'])).toThrow('Malformed challenge');
    expect(() => parseChallenges(['Bearer', ''])).toThrow('Malformed challenge');
  });

  it('reads a long header in linear time', () => {
    const value = '\\"'.repeat(50_000);
    expect(parseChallenges(`Bearer realm="${value}"`)[0]!.params['realm']).toHaveLength(50_000);
    expect(() => parseChallenges(`Bearer ${'a'.repeat(100_000)} !`)).toThrow('Malformed challenge');
  });
});
