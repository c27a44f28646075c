import { metadataUrl, type ResourceIdentifier } from '../../core/resource.js';
import { metadataUrls } from '../../issuer/discovery.js';
import { initializeRequest } from './mcp-request.js';
import type { Prober } from './prober.js';
import { documentOf, statusOf } from './probe-result.js';

/** The kind of server at the URL: `unclear` if it answers, but neither as an MCP server nor as an issuer. */
export type TargetKind = 'mcp-server' | 'authorization-server' | 'unclear' | { readonly unreachable: string };

/** Detects the kind of a server: by a challenge or resource metadata, else by authorization server metadata. */
export async function detectTarget(prober: Prober, target: ResourceIdentifier): Promise<TargetKind> {
  const post = await prober.send(target.value, initializeRequest());
  if (post.kind === 'answer' && post.status === 401 && post.headers.has('www-authenticate')) return 'mcp-server';
  if (documentOf(await prober.get(metadataUrl(target)))) return 'mcp-server';
  const forms = await Promise.all(metadataUrls(target.value, 'auto').map((url) => prober.get(url)));
  if (forms.some(documentOf)) return 'authorization-server';
  if (post.kind === 'no-answer' && !forms.some(statusOf)) return { unreachable: post.why };
  return 'unclear';
}
