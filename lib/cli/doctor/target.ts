import { metadataUrl, type ResourceIdentifier } from '../../core/resource.js';
import { metadataUrls } from '../../issuer/discovery.js';
import { initializeRequest } from './mcp-request.js';
import type { Prober } from './prober.js';
import { documentOf, statusOf } from './probe-result.js';

/** What there is at the URL: `unclear` answers, and shows neither what an MCP server nor what an issuer shows. */
export type TargetKind = 'mcp-server' | 'authorization-server' | 'unclear' | { readonly unreachable: string };

/** Finds out by looking: a challenge or the metadata of a resource, else the metadata of an authorization server. */
export async function detectTarget(prober: Prober, target: ResourceIdentifier): Promise<TargetKind> {
  const post = await prober.send(target.value, initializeRequest());
  if (post.kind === 'answer' && post.status === 401 && post.headers.has('www-authenticate')) return 'mcp-server';
  if (documentOf(await prober.get(metadataUrl(target)))) return 'mcp-server';
  const forms = await Promise.all(metadataUrls(target.value, 'auto').map((url) => prober.get(url)));
  if (forms.some(documentOf)) return 'authorization-server';
  if (post.kind === 'no-answer' && !forms.some(statusOf)) return { unreachable: post.why };
  return 'unclear';
}
