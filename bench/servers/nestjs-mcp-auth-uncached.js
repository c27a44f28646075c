/** This library without its cache. Requests that present the same token at the same time still share one verification. */
import { McpAuthModule } from '../../dist/index.js';

export default ({ resource, issuer }) => ({
  imports: [McpAuthModule.forRoot({ resource, authorizationServers: [issuer], cache: false })],
});
