/** This library without its cache: every request verifies a signature, as most of the others do. */
import { McpAuthModule } from '../../dist/index.js';

export default ({ resource, issuer }) => ({
  imports: [McpAuthModule.forRoot({ resource, authorizationServers: [issuer], cache: false })],
});
