import type { ArgumentsHost } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { mcpOriginOf, noteMcpContext } from '../../lib/request/mcp-origin.js';

// Which calls count as calls of an MCP framework. What a client sends never does, whatever members it has.

const host = (rpcContext: unknown, type = 'rpc'): ArgumentsHost =>
  ({ getType: () => type, switchToRpc: () => ({ getContext: () => rpcContext }) }) as unknown as ArgumentsHost;

/** The context of `@rekog/mcp-nest` 2. */
class FrameworkContext {
  constructor(private readonly session: unknown) {}
  getSession(): unknown {
    return this.session;
  }
  getRawRequest(): undefined {
    return undefined;
  }
}

class WithSessionOnly {
  getSession(): object {
    return { transport: 'stdio' };
  }
}

class WithRequestOnly {
  getRawRequest(): undefined {
    return undefined;
  }
}

describe('the origin of a call', () => {
  it('is what was noted of its execution context or of its RPC context', () => {
    const [execution, context] = [host({}), {}];
    noteMcpContext(execution, { isStdio: true });
    noteMcpContext(context, { isStdio: false });
    expect(mcpOriginOf(execution)).toEqual({ isStdio: true });
    expect(mcpOriginOf(host(context))).toEqual({ isStdio: false });
    const withoutContext = host(undefined);
    noteMcpContext(withoutContext, { isStdio: false });
    expect(mcpOriginOf(withoutContext)).toEqual({ isStdio: false });
  });

  it('is none where the call is no RPC call, even if its context was noted', () => {
    const context = new FrameworkContext({ transport: 'stdio' });
    noteMcpContext(context, { isStdio: true });
    expect(mcpOriginOf(host(context, 'http'))).toBeUndefined();
  });

  it('that was noted of the execution context counts more than the class of the RPC context', () => {
    const execution = host(new FrameworkContext({ transport: 'stdio' }));
    noteMcpContext(execution, { isStdio: false });
    expect(mcpOriginOf(execution)).toEqual({ isStdio: false });
  });

  it.each<[unknown, boolean]>([
    [{ transport: 'stdio' }, true],
    [{ transport: 'streamable-http' }, false],
    [{}, false],
    [undefined, false],
  ])('is the session of a context of the framework: %j', (session, isStdio) => {
    expect(mcpOriginOf(host(new FrameworkContext(session)))).toEqual({ isStdio });
  });

  it.each<[string, unknown]>([
    ['has both methods itself', { getSession: () => ({ transport: 'stdio' }), getRawRequest: () => undefined }],
    ['has the method of one name only', new WithSessionOnly()],
    ['has the method of the other name only', new WithRequestOnly()],
    ['is null', null],
    ['is nothing', undefined],
    ['is a text', 'text'],
    ['is a list', []],
  ])('is none where the RPC context %s', (_what, context) => {
    expect(mcpOriginOf(host(context))).toBeUndefined();
  });
});
