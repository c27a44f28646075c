/**
 * An issuer that runs inside your tests, mints any token and fails on demand. For tests only. Start at {@link TestIssuer}.
 *
 * @module nestjs-mcp-auth/testing
 */
export { formatAccessMap } from '../core/access-map.js';
export type { AccessMapRow } from '../core/access-map.js';
export { parseChallenges } from '../core/challenge-parser.js';
export type { Challenge } from '../core/challenge-parser.js';
export { TestCertificate } from './test-certificate.js';
export type { TestCertificateConfirmation } from './test-certificate.js';
export { TestDpopKey } from './test-dpop-key.js';
export type { TestConfirmation, TestProofHeaders, TestProofOptions } from './test-dpop-key.js';
export type { TestFault } from './test-fault.js';
export { TEST_PROOF_FAULTS } from './test-proof-fault.js';
export type { TestProofFault } from './test-proof-fault.js';
export type { AnswerIntrospection, SignedAnswerChanges, TestIntrospectionOptions } from './test-introspection.js';
export { TestIssuer } from './test-issuer.js';
export type { RecordedRequest, TestEndpoint, TestIssuerOptions, WellKnownForm } from './test-issuer.options.js';
export { generateTestKey, symmetricTestKey } from './test-key.js';
export type { TestAlgorithm, TestKey, TestKeyOptions } from './test-key.js';
export type { MintOptions } from './test-token.js';
export type { AnswerToken, TestTokenEndpointOptions } from './test-token-endpoint.js';
