import { createHash, randomBytes } from 'node:crypto';
import { Controller, Get, Headers, HttpException, Injectable, Req, Res } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { Public } from 'nestjs-mcp-auth';
import { getValidatedIdTokenClaims } from 'oauth4webapi';
import { BrowserSessions } from './browser-sessions.js';
import { OAuthClient } from './oauth-client.js';
import { Pages } from './pages.js';

const random = () => randomBytes(32).toString('base64url');

/** Signs users in at the authorization server that issues the tokens of this MCP server (OpenID Connect). */
@Injectable()
export class SignIn {
  readonly client: OAuthClient;

  constructor(config: ConfigService) {
    const redirectUri = `${config.getOrThrow<string>('PUBLIC_ORIGIN')}/sign-in/callback`;
    this.client = new OAuthClient(config.getOrThrow('MCP_AUTH_ISSUER'), redirectUri);
  }

  /** @param returnTo a path of this application; the session keeps it, so that nobody can change it on the way */
  async begin(returnTo: string) {
    const pending = { state: random(), nonce: random(), codeVerifier: random(), returnTo };
    const url = await this.client.authorizationUrl({
      scope: 'openid',
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: createHash('sha256').update(pending.codeVerifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    return { url, pending };
  }
}

@Controller('sign-in')
@Public()
export class SignInController {
  constructor(
    private readonly signIn: SignIn,
    private readonly sessions: BrowserSessions,
    private readonly pages: Pages,
  ) {}

  @Get('callback')
  async callback(@Req() request: { url: string }, @Res() response: unknown, @Headers('cookie') cookies?: string) {
    const session = this.sessions.of(cookies);
    const pending = session?.pending;
    // An answer to a sign-in that this browser did not begin would sign the user in as somebody else.
    if (!session || !pending) throw new HttpException('No sign-in has begun in this browser.', 400);
    delete session.pending;
    const answer = new URL(request.url, 'http://localhost').searchParams;
    const tokens = await this.signIn.client.redeem(answer, pending).catch(() => {
      throw new HttpException('You are not signed in.', 403);
    });
    const { iss, sub } = getValidatedIdTokenClaims(tokens)!;
    const cookie = this.sessions.begin({ user: { issuer: iss, subject: sub } }, cookies);
    this.pages.redirect(response, pending.returnTo, cookie);
  }
}
