import { Injectable } from '@nestjs/common';
import type { AuthorizationServerOptions } from 'nestjs-mcp-auth';

/** The tenants and their issuers, in memory; yours are in a database. */
@Injectable()
export class Tenants {
  private readonly issuers = new Set<string>();

  add(issuer: string): void {
    this.issuers.add(issuer);
  }

  /** Whole issuers only: what a token names is not verified yet, and a prefix is easily imitated. */
  async find(issuer: string): Promise<AuthorizationServerOptions | undefined> {
    return this.issuers.has(issuer) ? { issuer, algorithms: ['EdDSA'] } : undefined;
  }
}
