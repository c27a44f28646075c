import { Injectable } from '@nestjs/common';
import type { AuthorizationServerOptions } from 'nestjs-mcp-auth';

/** The tenants and their issuers, in memory. Use a database in your application. */
@Injectable()
export class Tenants {
  private readonly issuers = new Set<string>();

  add(issuer: string): void {
    this.issuers.add(issuer);
  }

  /** Compares whole issuers: the token is not verified yet, and a prefix is easy to imitate. */
  async find(issuer: string): Promise<AuthorizationServerOptions | undefined> {
    return this.issuers.has(issuer) ? { issuer, algorithms: ['EdDSA'] } : undefined;
  }
}
