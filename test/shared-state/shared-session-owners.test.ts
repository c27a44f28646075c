import { SharedSessionOwners } from '../support/shared-session-owners.js';
import { sessionOwnerStoreContract } from './session-owner-store.contract.js';

const store = new SharedSessionOwners();
sessionOwnerStoreContract('The store of the tests', () => [store, store]);
