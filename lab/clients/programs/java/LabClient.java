// The official Java SDK, through the whole story: connect, call, step up, call again after the token expired.
//
// The SDK has no OAuth: it tells a handler of the application about each 401 and 403, which says whether to send the request
// again. Here the handler runs HOST_OAUTH, a command that takes the challenge and prints the token response.
//
// Settings are environment variables: MCP_URL, HOST_OAUTH, PROTOCOL, WAIT (seconds).
import io.modelcontextprotocol.client.transport.HttpClientStreamableHttpTransport;
import io.modelcontextprotocol.client.transport.customizer.McpHttpClientAuthorizationErrorHandler;
import io.modelcontextprotocol.modern.client.transport.HttpClientMcpTransport;
import io.modelcontextprotocol.modern.client.transport.McpHttpAuthorizationErrorHandler;
import io.modelcontextprotocol.modern.client.transport.McpHttpRequestCustomizer;
import io.modelcontextprotocol.spec.McpSchema.CallToolRequest;
import java.net.URI;
import java.net.http.HttpHeaders;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

public class LabClient {
  static final String URL = System.getenv("MCP_URL");
  static final String PROTOCOL = System.getenv("PROTOCOL");
  static final Duration PATIENCE = Duration.ofSeconds(60);
  static final Map<String, Object> NOTE = Map.of("text", "Buy milk");
  static volatile String token;

  interface Tools {
    void call(String name, Map<String, Object> arguments);
  }

  public static void main(String[] arguments) {
    try {
      story(PROTOCOL.startsWith("2025") ? withHandshake() : withoutHandshake());
      System.exit(0);
    } catch (Throwable error) {
      while (error.getCause() != null) error = error.getCause();
      System.err.println(error);
      System.exit(1);
    }
  }

  static void story(Tools tools) throws InterruptedException {
    tools.call("whoami", Map.of());
    tools.call("add-note", NOTE);
    String seconds = System.getenv("WAIT");
    if (seconds == null) return;
    Thread.sleep(Long.parseLong(seconds) * 1000);
    tools.call("whoami", Map.of());
  }

  /** Versions until 2025-11-25. */
  static Tools withHandshake() {
    var address = URI.create(URL);
    var transport = HttpClientStreamableHttpTransport.builder(address.getScheme() + "://" + address.getAuthority())
        .endpoint(address.getPath())
        .supportedProtocolVersions(List.of(PROTOCOL))
        .httpRequestCustomizer((request, method, uri, body, context) -> {
          if (token != null) request.setHeader("Authorization", "Bearer " + token);
        })
        .authorizationErrorHandler(McpHttpClientAuthorizationErrorHandler
            .fromSync((answer, context) -> authorize(answer.headers())))
        .build();
    var client = io.modelcontextprotocol.client.McpClient.sync(transport)
        .requestTimeout(PATIENCE).initializationTimeout(PATIENCE).build();
    client.initialize();
    return (name, arguments) -> client.callTool(new CallToolRequest(name, arguments));
  }

  /** Versions since 2026-07-28. */
  static Tools withoutHandshake() {
    var transport = HttpClientMcpTransport.builder(URL)
        .requestCustomizer(McpHttpRequestCustomizer.fromSync((request, headers, context) -> {
          if (token != null) headers.set("Authorization", "Bearer " + token);
        }))
        .authorizationErrorHandler(McpHttpAuthorizationErrorHandler
            .fromSync((request, answer, context) -> authorize(answer.headers())))
        .build();
    var client = io.modelcontextprotocol.modern.client.McpClient.sync(transport).roundTimeout(PATIENCE).build();
    client.discover();
    return (name, arguments) -> client.tool(name).arguments(arguments).call();
  }

  /** Whether to send the request again. */
  static boolean authorize(HttpHeaders headers) {
    var challenge = headers.firstValue("www-authenticate");
    if (challenge.isEmpty()) return false;
    try {
      var command = new ArrayList<>(List.of(System.getenv("HOST_OAUTH").split(" ")));
      command.add(challenge.get());
      var host = new ProcessBuilder(command).redirectErrorStream(true).start();
      var output = new String(host.getInputStream().readAllBytes());
      if (host.waitFor() != 0) throw new IllegalStateException(output);
      var found = Pattern.compile("\"access_token\":\"([^\"]*)\"").matcher(output);
      if (!found.find()) throw new IllegalStateException("no access token");
      token = found.group(1);
      return true;
    } catch (java.io.IOException | InterruptedException error) {
      throw new IllegalStateException(error);
    }
  }
}
