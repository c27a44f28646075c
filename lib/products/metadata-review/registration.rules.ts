import { ownMember } from '../../core/record.js';
import { remedyIn, type Remark, type ReviewedServer } from './finding.js';
import { endpointRemarks, lists, memberText } from './metadata-member.js';

export function takesClientMetadataDocuments({ document, product }: ReviewedServer): Remark[] {
  if (!takesDocuments(document)) {
    if (!registers(document)) return [];
    const seen = memberText(document, 'client_id_metadata_document_supported');
    const consequence = 'clients can only register themselves, which MCP has deprecated';
    const remedy = remedyIn(product, 'registration', 'turn on client ID metadata documents');
    return [{ level: 'note', seen, consequence, remedy }];
  }
  const name = 'token_endpoint_auth_methods_supported';
  if (lists(document, name, 'none') || lists(document, name, 'private_key_jwt')) return [];
  const level = ownMember(document, name) === undefined ? 'note' : 'warning';
  const seen = memberText(document, name);
  const consequence =
    'clients with a metadata document have no secret, and the server offers no method that works without one';
  return [{ level, seen, consequence, remedy: 'allow public clients ("none"), or "private_key_jwt"' }];
}

export function registersClients(server: ReviewedServer): Remark[] {
  const { document, product } = server;
  if (registers(document)) return endpointRemarks(server, 'registration_endpoint', 'clients cannot register there');
  const seen = memberText(document, 'registration_endpoint');
  if (takesDocuments(document)) {
    const consequence = 'clients without support for client ID metadata documents need an ID that you registered';
    const remedy = remedyIn(product, 'registration', 'turn on dynamic client registration for older clients');
    return [{ level: 'note', seen, consequence, remedy }];
  }
  return [
    {
      level: 'warning',
      seen: `${seen}, and ${memberText(document, 'client_id_metadata_document_supported')}`,
      consequence: 'clients need an ID that you registered; those that cannot be given one cannot sign in',
      remedy: remedyIn(product, 'registration', 'turn on client ID metadata documents or dynamic client registration'),
    },
  ];
}

function takesDocuments(document: ReviewedServer['document']): boolean {
  return ownMember(document, 'client_id_metadata_document_supported') === true;
}

function registers(document: ReviewedServer['document']): boolean {
  return ownMember(document, 'registration_endpoint') !== undefined;
}
