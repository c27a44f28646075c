import { describe, expect, it } from '@jest/globals';
import {
  checksOfMessages,
  conditionsOf,
  handlersOf,
  hasPolicies,
  isPublic,
  policiesOfModule,
  policyChecksOf,
  refusalOf,
  requiresNothing,
  withoutScopes,
  type DeclaredOperation,
} from '../../lib/authorization/access-conditions.js';
import type { Declarations, Declared } from '../../lib/handlers/declarations-at-resource.js';
import { UNDECLARED, type HandlerDeclaration } from '../../lib/handlers/handler-declaration.js';
import { readRpcBody, type Operation } from '../../lib/request/rpc-body.js';
import type { ResourceServer } from '../../lib/resource-servers/resource-servers.js';

// What declarations come to, before a caller is known.

const POLICY = (): boolean => true;
const OTHER = (): boolean => false;

const handler = (parts: Partial<HandlerDeclaration> = {}): HandlerDeclaration => ({ ...UNDECLARED, ...parts });
const scopes = (...allOf: string[]): Partial<HandlerDeclaration> => ({ requirement: { allOf, anyOf: [] } });
const asked = handler({ policies: [POLICY] });

const declared = (parts: Partial<Declared> = {}): Declared => ({
  kind: 'tool',
  name: 'erase',
  declaration: handler(),
  policyArguments: 'as-sent',
  ...parts,
});
const declarations = (all: readonly Declared[], parts: Partial<Declarations> = {}): Declarations => ({
  all,
  ofAnnotations: [],
  isElsewhere: false,
  ...parts,
});
const sent: Operation = { kind: 'tool', method: 'tools/call', name: 'erase', args: { x: 1 }, reachesHandler: true };
const subscription: Operation = { ...sent, method: 'resources/subscribe', name: 'folder://7', reachesHandler: false };
const using = (operation: Operation, ...all: Declared[]): DeclaredOperation => ({
  operation,
  declarations: declarations(all),
});
const TEMPLATE = { kind: 'resource-template', name: 'folder://{id}' } as const;

describe('several handlers of one request', () => {
  const server = { baseline: { allOf: ['base'], anyOf: [] } } as unknown as ResourceServer;

  it('need together what each of them needs, and the baseline', () => {
    const authentications = ['a', 'b'].map((acr) => ({ acr: [acr], maxAgeSeconds: undefined }));
    const [first, second] = authentications;
    const handlers = [
      handler({ ...scopes('x'), authentications: [first!] }),
      handler({ ...scopes('y'), authentications: [second!], needsProof: true }),
    ];
    const checks = [{ operation: sent, policies: [POLICY] }];
    expect(conditionsOf(server, handlers, checks)).toEqual({
      server,
      requirement: { allOf: ['base', 'x', 'y'], anyOf: [] },
      authentications,
      needsProof: true,
      policyChecks: checks,
      asksBeforeScopes: false,
      refusal: undefined,
    });
    expect(conditionsOf(server, [handler()], [])).toMatchObject({ needsProof: false, authentications: [] });
  });

  it('keep everything but the scopes where no token is needed', () => {
    const conditions = conditionsOf(server, [handler({ needsProof: true })], [{ operation: sent, policies: [POLICY] }]);
    expect(withoutScopes(conditions)).toEqual({ ...conditions, requirement: { allOf: [], anyOf: [] } });
  });
});

describe('the policy of the whole module', () => {
  it('is one, or none', () => {
    expect(policiesOfModule({ authorize: POLICY })).toEqual([POLICY]);
    expect(policiesOfModule({ authorize: undefined })).toHaveLength(0);
  });

  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'erase' } };
  it.each<[what: string, body: unknown, methods: unknown[]]>([
    ['a list', list, ['tools/list']],
    ['a call, which is asked about as an operation', call, []],
    ['each method of a batch once', [list, list, call, { ...list, method: 'ping' }], ['tools/list', 'ping']],
    ['a response, which has no method', { jsonrpc: '2.0', id: 1, result: {} }, [undefined]],
    ['a request without a message', undefined, [undefined]],
  ])('is asked about %s', (_what, body, methods) => {
    const { messages } = readRpcBody(body);
    const checks = checksOfMessages(messages, [POLICY]);
    expect(checks).toEqual(methods.map((method) => ({ operation: undefined, method, policies: [POLICY] })));
    expect(checksOfMessages(messages, [])).toEqual([]);
  });

  it.each<[what: string, all: Declared[], operations: Operation[]]>([
    ['an operation that nobody declares, as it was sent', [], [sent]],
    ['a declared operation', [declared()], [sent]],
    ['what two handlers serve alike once', [declared(), declared()], [sent]],
    [
      'a template with each of its readings',
      [declared({ ...TEMPLATE, policyArguments: [{ id: '7' }, { id: '07' }] })],
      [
        { ...sent, ...TEMPLATE, args: { id: '7' } },
        { ...sent, ...TEMPLATE, args: { id: '07' } },
      ],
    ],
    [
      'what differs by its kind, name or arguments',
      [
        declared(),
        declared({ name: 'other' }),
        declared({ kind: 'prompt' }),
        declared({ policyArguments: [{ id: '7' }] }),
      ],
      [sent, { ...sent, name: 'other' }, { ...sent, kind: 'prompt' }, { ...sent, args: { id: '7' } }],
    ],
    ['what is not known, with what was sent', [declared({ policyArguments: 'unknown' })], [sent]],
  ])('is asked about %s', (_what, all, operations) => {
    expect(policyChecksOf([using(sent, ...all)], [POLICY])).toEqual(
      operations.map((operation) => ({ operation, policies: [POLICY] })),
    );
    expect(policyChecksOf([using(sent, ...all)], [])).toEqual([]);
  });
});

describe('the policies of declarations', () => {
  it.each<[what: string, all: Declared[], args: unknown[]]>([
    ['with what was sent', [declared({ declaration: asked })], [{ x: 1 }]],
    ['not where there is none', [declared({ policyArguments: [{ id: '7' }] })], []],
    ['not with arguments that are unknown', [declared({ declaration: asked, policyArguments: 'unknown' })], []],
    ['with each reading', [declared({ declaration: asked, policyArguments: [{ id: '7' }, {}] })], [{ id: '7' }, {}]],
    [
      'once for each handler',
      [declared({ declaration: asked }), declared({ declaration: asked })],
      [{ x: 1 }, { x: 1 }],
    ],
  ])('are asked %s', (_what, all, args) => {
    expect(policyChecksOf([using(sent, ...all)], [])).toEqual(
      args.map((one) => ({ operation: { ...sent, args: one }, policies: [POLICY] })),
    );
  });

  it('are told the operation as it is declared where arguments come from a template, after the policy of the module', () => {
    const template = declared({ ...TEMPLATE, declaration: asked, policyArguments: [{ id: '7' }] });
    const operation = { ...subscription, ...TEMPLATE, args: { id: '7' } };
    expect(policyChecksOf([using(subscription, template)], [OTHER])).toEqual([
      { operation, policies: [OTHER] },
      { operation, policies: [POLICY] },
    ]);
  });

  it('are none in a declaration without policies', () => {
    expect([handler(), asked].map(hasPolicies)).toEqual([false, true]);
  });
});

describe('operations are refused with any token', () => {
  const unknown = declared({ ...TEMPLATE, declaration: asked, policyArguments: 'unknown' });
  const known = declared({ ...TEMPLATE, declaration: asked });
  const unasked = declared({ ...TEMPLATE, policyArguments: 'unknown' });
  const elsewhere = { operation: sent, declarations: declarations([], { isElsewhere: true }) };
  const completion = { ...subscription, name: TEMPLATE.name };

  it.each<[when: string, operations: DeclaredOperation[], ofModule: readonly (typeof POLICY)[], refusal: unknown]>([
    ['never if there are none', [], [POLICY], undefined],
    ['not if they are declared here', [using(sent, declared())], [], undefined],
    ['if one of them is served at another resource', [using(sent), elsewhere], [], 'resource_mismatch'],
    [
      'if nobody can ask the policy, and no handler will',
      [using(sent), using(subscription, known, unknown)],
      [],
      'policy_not_asked',
    ],
    ['not if their handler will ask', [using({ ...subscription, reachesHandler: true }, unknown)], [], undefined],
    ['not if the arguments are known', [using(subscription, known)], [], undefined],
    ['not if there is no policy', [using(subscription, unasked)], [], undefined],
    ['if the policy of the module cannot be asked', [using(sent, declared(), unasked)], [POLICY], 'policy_not_asked'],
    ['not if nobody declares them', [using(sent)], [POLICY], undefined],
    ['not if the policy of the module can be asked', [using(sent, known)], [POLICY], undefined],
    ['not if a completion names its template', [using(completion, unasked)], [POLICY], undefined],
  ])('%s', (_when, operations, ofModule, refusal) => {
    expect(refusalOf(operations, ofModule)).toBe(refusal);
  });
});

describe('a declaration', () => {
  it('counts with what annotations need, if there is one', () => {
    const [own, ofAnnotations] = [handler(), handler()];
    const found = handlersOf(declarations([declared({ declaration: own })], { ofAnnotations: [ofAnnotations] }));
    expect(found).toHaveLength(2);
    expect(found[0]).toBe(own);
    expect(found[1]).toBe(ofAnnotations);
    expect(handlersOf(undefined)).toEqual([]);
  });

  const open = declared({ declaration: handler({ isPublic: true }) });
  it.each<[is: boolean, when: string, Declarations]>([
    [true, 'all its handlers are public', declarations([open, open])],
    [false, 'one handler is not', declarations([open, declared()])],
    [false, 'nobody declares it', declarations([])],
    [false, 'it belongs to another resource', declarations([open], { isElsewhere: true })],
  ])('is public (%s) if %s', (is, _when, found) => {
    expect(isPublic(found)).toBe(is);
  });

  it.each<[what: string, is: boolean, HandlerDeclaration]>([
    ['nothing', true, handler()],
    ['a scope', false, handler(scopes('a'))],
    ['a recent sign-in', false, handler({ authentications: [{ acr: [], maxAgeSeconds: 1 }] })],
    ['a proof', false, handler({ needsProof: true })],
    ['a policy', false, asked],
  ])('that needs %s requires nothing: %s', (_what, is, declaration) => {
    expect(requiresNothing(declaration)).toBe(is);
  });
});
