import { SharedDownstreamTokens } from '../support/shared-downstream-tokens.js';
import { downstreamTokenStoreContract } from './downstream-token-store.contract.js';

const store = new SharedDownstreamTokens();
downstreamTokenStoreContract('The store of the tests', () => [store, store]);
