import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Inject, Injectable } from '@nestjs/common';
import { McpController, Tool } from '@rekog/mcp-nest';
import { AuthInfo, McpAuthService, Public, type McpAuthInfo } from 'nestjs-mcp-auth';
import { importAsEsm } from '../support/import-as-esm.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';

const { ClsModule, ClsService } = await importAsEsm<typeof import('nestjs-cls')>('nestjs-cls');

// #region cls
const cls = ClsModule.forRoot({
  global: true,
  middleware: { mount: true },
  interceptor: {
    mount: true, // an interceptor runs after every guard, so the caller is verified
    setup: (store, context) => {
      if (context.getType() === 'http') store.set('auth', context.switchToHttp().getRequest<{ auth?: unknown }>().auth);
    },
  },
});
// #endregion

type ClsStore = InstanceType<typeof ClsService>;

@Injectable()
class Below {
  constructor(
    @Inject(ClsService) private readonly store: ClsStore,
    @Inject(McpAuthService) private readonly service: McpAuthService,
  ) {}

  /** The caller, as both know it after other requests have run. */
  async subjects(): Promise<(string | undefined)[]> {
    await new Promise((resolve) => void setImmediate(resolve));
    return [this.store.get<McpAuthInfo | undefined>('auth')?.subject, this.service.authInfo?.subject];
  }
}

@Controller('who')
class Who {
  constructor(@Inject(Below) private readonly below: Below) {}

  @Get()
  async who(@AuthInfo('subject') subject: string): Promise<unknown> {
    return [subject, ...(await this.below.subjects())];
  }

  @Get('open')
  @Public()
  async open(): Promise<unknown> {
    return (await this.below.subjects()).map((one) => one ?? null);
  }
}

@McpController()
class WhoTools {
  constructor(@Inject(Below) private readonly below: Below) {}

  @Tool({ name: 'who-below', description: 'The caller' })
  async who(@AuthInfo('subject') subject: string): Promise<object> {
    return { content: [{ type: 'text', text: JSON.stringify([subject, ...(await this.below.subjects())]) }] };
  }
}

const ORDERS = ['before', 'after'] as const;
const CASES = PLATFORMS.flatMap((platform) => ORDERS.map((order) => ({ platform, order })));

describe.each(CASES)('nestjs-cls, imported $order McpAuthModule, on $platform', ({ platform, order }) => {
  let server: NotesServer;
  afterEach(() => server.close());

  it('has the caller of each request, in routes and in tools', async () => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      [order === 'before' ? 'importsBefore' : 'imports']: [cls],
      controllers: [Who, WhoTools],
      providers: [Below],
    });
    const subjects = ['alice', 'bob', 'carol', 'dave'];
    const answers = await Promise.all(
      subjects.map(async (sub) => {
        const token = await server.mint({ sub });
        const route = await fetch(`${server.origin}/who`, { headers: bearer(token) });
        const tool = await server.callTool('who-below', token);
        const text = /"text":"(.*?)"\}/.exec(await tool.text())?.[1] ?? '';
        return [await route.json(), JSON.parse(text.replaceAll('\\"', '"'))] as unknown;
      }),
    );
    expect(answers).toEqual(subjects.map((sub) => [Array(3).fill(sub), Array(3).fill(sub)]));
    expect(await (await fetch(`${server.origin}/who/open`)).json()).toEqual([null, null]);
  });
});
