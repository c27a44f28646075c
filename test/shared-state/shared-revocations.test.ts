import { SharedRevocations } from '../support/shared-revocations.js';
import { revocationStoreContract } from './revocation-store.contract.js';

revocationStoreContract('The store of the tests', async () => {
  const store = new SharedRevocations();
  store.pageSize = 200;
  return { store, lose: () => store.lose() };
});
