/** This library without its cache: it verifies the signature for every request. */
import { McpAuthModule } from '../../dist/index.js';

export default ({ resource, issuer }) => ({
  imports: [McpAuthModule.forRoot({ resource, authorizationServers: [issuer], cache: false })],
});
