import { Controller, Delete, HttpCode } from '@nestjs/common';
import { AuthInfo, type McpAuthInfo } from 'nestjs-mcp-auth';
import { AccessTokens } from './access-tokens.service.js';

/** A plain HTTP route, protected like the tools. */
@Controller('access-token')
export class AccessTokenController {
  constructor(private readonly tokens: AccessTokens) {}

  /** Revokes the token of the caller. */
  @Delete()
  @HttpCode(204)
  async revoke(@AuthInfo() auth: McpAuthInfo): Promise<void> {
    await this.tokens.revoke(auth.token);
  }
}
