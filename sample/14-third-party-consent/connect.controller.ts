import { Body, Controller, Get, Headers, HttpException, Post, Query, Req, Res } from '@nestjs/common';
import { type ConsentUser, McpAuthConsents, Public } from 'nestjs-mcp-auth';
import { AcmeService } from './acme.service.js';
import { BrowserSessions } from './browser-sessions.js';
import { escapeHtml, Pages } from './pages.js';
import { SignIn } from './sign-in.controller.js';

/** The pages that a user sees between the MCP client and Acme Code. They are for browsers: no access token comes with them. */
// #region connect
@Controller('connect')
@Public()
export class ConnectController {
  constructor(
    private readonly consents: McpAuthConsents,
    private readonly acme: AcmeService,
    private readonly sessions: BrowserSessions,
    private readonly signIn: SignIn,
    private readonly pages: Pages,
  ) {}

  /** The page of the option `consent.url`. */
  @Get()
  async show(@Query('consent') link: unknown, @Res() response: unknown, @Headers('cookie') cookies?: string) {
    const user = this.sessions.of(cookies)?.user;
    if (!user) return this.#signInFirst(link, response, cookies);
    const { clientId } = this.consents.open(link, user);
    this.pages.show(
      response,
      `<p>The MCP client ${escapeHtml(clientId)} asks this server to use your account at Acme Code:</p>
      <ul><li>List your repositories</li></ul>
      <form method="post" action="/connect/confirm">
        <input type="hidden" name="consent" value="${escapeHtml(String(link))}"><button>Go to Acme Code</button>
      </form>`,
    );
  }

  @Post('confirm')
  async confirm(@Body('consent') link: unknown, @Res() response: unknown, @Headers('cookie') cookies?: string) {
    const { state, codeChallenge } = this.consents.open(link, this.#userOf(cookies));
    this.pages.redirect(response, await this.acme.authorizationUrl(state, codeChallenge));
  }

  /** The redirect URI at Acme Code, and at no other third party. */
  @Get('acme')
  async finish(@Req() request: { url: string }, @Res() response: unknown, @Headers('cookie') cookies?: string) {
    const answer = new URL(request.url, 'http://localhost').searchParams;
    const state = answer.get('state') ?? '';
    const consent = await this.consents.finish(state, this.#userOf(cookies), 'acme');
    const tokens = await this.acme.redeem(answer, { state, codeVerifier: consent.codeVerifier }).catch(() => {
      throw new HttpException('Acme Code did not allow it. Ask your MCP client again to try once more.', 403);
    });
    await consent.keep(tokens);
    this.pages.show(response, '<p>Done. You can close this page and go on in your MCP client.</p>');
  }

  #userOf(cookies: string | undefined): ConsentUser {
    const user = this.sessions.of(cookies)?.user;
    if (user) return user;
    throw new HttpException('Nobody is signed in here. Open the link of your MCP client again.', 403);
  }

  async #signInFirst(link: unknown, response: unknown, cookies: string | undefined) {
    const returnTo = `/connect?${new URLSearchParams({ consent: String(link) })}`;
    const { url, pending } = await this.signIn.begin(returnTo);
    this.pages.redirect(response, url, this.sessions.begin({ pending }, cookies));
  }
}
// #endregion
