import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Injectable,
  Req,
  UnauthorizedException,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
  type Type,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { createRemoteJWKSet, jwtVerify, type JWTPayload } from 'jose';
import { AuthInfo, McpAuthModule, RequireScopes, type McpAuthInfo } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { listen } from '../support/platforms.js';

/** The code of docs/guides/from-a-guard.md: what the guard that many write lets through, and what the library does. */

const resource = 'https://mcp.example.com/mcp';
const issuer = await TestIssuer.start({ alg: 'ES256', audience: resource });
afterAll(() => issuer.close());

process.env['JWKS_URI'] = issuer.jwksUri;
process.env['ISSUER'] = issuer.issuer;

// #region before
@Injectable()
class JwtGuard implements CanActivate {
  private readonly keys = createRemoteJWKSet(new URL(process.env['JWKS_URI'] ?? ''));

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<{ headers: Record<string, string>; user?: JWTPayload }>();
    const token = request.headers['authorization']?.replace('Bearer ', '');
    if (!token) throw new UnauthorizedException();
    try {
      request.user = (await jwtVerify(token, this.keys)).payload;
      return true;
    } catch {
      throw new UnauthorizedException();
    }
  }
}

@Controller('notes')
@UseGuards(JwtGuard)
class NotesControllerBefore {
  @Get()
  list(@Req() request: { user: JWTPayload }) {
    return { caller: request.user.sub };
  }
}
// #endregion

// #region after
@Controller('notes')
class NotesControllerAfter {
  @Get()
  @RequireScopes('notes:read')
  list(@AuthInfo() auth: McpAuthInfo) {
    return { caller: auth.subject };
  }
}
// #endregion

const AFTER = McpAuthModule.forRoot({
  // #region after-module
  resource: 'https://mcp.example.com/mcp',
  authorizationServers: [process.env['ISSUER'] ?? ''],
  // #endregion
});

async function start(controller: Type, imports: object[], providers: Type[]): Promise<INestApplication> {
  const module = await Test.createTestingModule({
    imports: imports as never[],
    controllers: [controller],
    providers,
  }).compile();
  return module.createNestApplication({ logger: false });
}

describe('moving from a hand-written guard', () => {
  let before: string;
  let after: string;
  const apps: INestApplication[] = [];
  beforeAll(async () => {
    apps.push(await start(NotesControllerBefore, [], [JwtGuard]), await start(NotesControllerAfter, [AFTER], []));
    [before, after] = (await Promise.all(apps.map(listen))) as [string, string];
  });
  afterAll(() => Promise.all(apps.map((app) => app.close())));

  const statuses = async (token: string | undefined): Promise<number[]> => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answers = await Promise.all([before, after].map((origin) => fetch(`${origin}/notes`, { headers })));
    return answers.map(({ status }) => status);
  };

  it('serves a good token as before', async () => {
    expect(await statuses(await issuer.mint({ scope: 'notes:read' }))).toEqual([200, 200]);
  });

  it.each<[string, Record<string, unknown>, number]>([
    ['for somebody else', { aud: 'https://other.example.com' }, 401],
    ['of another issuer that signs with the same keys', { iss: 'https://elsewhere.example' }, 401],
    ['that never expires', { exp: undefined }, 401],
    ['that is bound to a key', { cnf: { jkt: 'x' } }, 401],
    ['that is an ID token', { nonce: 'n' }, 401],
    ['without the scope', { scope: 'other' }, 403],
  ])('refuses a token %s, which passed', async (_what, claims, refused) => {
    expect(await statuses(await issuer.mint({ scope: 'notes:read', ...claims }))).toEqual([200, refused]);
  });

  it('tells the client where to sign in, which it was not told', async () => {
    const challenges = await Promise.all([before, after].map((origin) => fetch(`${origin}/notes`)));
    expect(challenges.map(({ headers }) => headers.get('www-authenticate'))).toEqual([
      null,
      'Bearer scope="notes:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"',
    ]);
  });
});

describe('an authorization server that is down', () => {
  it('was a 401, which signs everybody out, and is a 503', async () => {
    issuer.fail('down', 'all');
    const apps = [await start(NotesControllerBefore, [], [JwtGuard]), await start(NotesControllerAfter, [AFTER], [])];
    const token = await issuer.mint({ scope: 'notes:read' });
    const headers = { authorization: `Bearer ${token}` };
    const answers = await Promise.all(apps.map(async (app) => fetch(`${await listen(app)}/notes`, { headers })));
    expect(answers.map(({ status }) => status)).toEqual([401, 503]);
    await Promise.all(apps.map((app) => app.close()));
    issuer.recover();
  });
});
