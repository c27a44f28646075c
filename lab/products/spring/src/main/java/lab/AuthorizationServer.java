package lab;

import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.SecurityContext;
import java.security.KeyPairGenerator;
import java.security.interfaces.RSAPrivateKey;
import java.security.interfaces.RSAPublicKey;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import org.apache.catalina.connector.Connector;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.tomcat.servlet.TomcatServletWebServerFactory;
import org.springframework.boot.web.server.WebServerFactoryCustomizer;
import org.springframework.context.annotation.Bean;
import org.springframework.core.annotation.Order;
import org.springframework.http.MediaType;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.userdetails.User;
import org.springframework.security.core.userdetails.UserDetails;
import org.springframework.security.core.userdetails.UserDetailsService;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.server.authorization.OAuth2TokenType;
import org.springframework.security.oauth2.server.authorization.authentication.OAuth2TokenExchangeAuthenticationToken;
import org.springframework.security.oauth2.server.authorization.client.InMemoryRegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClient;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.settings.AuthorizationServerSettings;
import org.springframework.security.oauth2.server.authorization.settings.ClientSettings;
import org.springframework.security.oauth2.server.authorization.settings.TokenSettings;
import org.springframework.security.oauth2.server.authorization.token.JwtEncodingContext;
import org.springframework.security.oauth2.server.authorization.token.OAuth2TokenCustomizer;
import org.springframework.security.provisioning.InMemoryUserDetailsManager;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.security.web.authentication.LoginUrlAuthenticationEntryPoint;
import org.springframework.security.web.util.matcher.MediaTypeRequestMatcher;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.cors.CorsConfiguration;
import org.springframework.web.cors.CorsConfigurationSource;
import org.springframework.web.cors.UrlBasedCorsConfigurationSource;

/** Spring Authorization Server as its guide has it, with a customizer that sets the audience, unless the client is "mcp-default". */
@SpringBootApplication
@RestController
public class AuthorizationServer {
  static final String RESOURCE = System.getenv("RESOURCE");
  static final String SECRET = System.getenv("API_SECRET");
  static final String REDIRECT_URI = "http://127.0.0.1:7777/callback";

  private volatile JWK key;

  public static void main(String[] args) {
    SpringApplication.run(AuthorizationServer.class, args);
  }

  @Bean
  @Order(1)
  SecurityFilterChain protocolEndpoints(HttpSecurity http) throws Exception {
    http.oauth2AuthorizationServer(server -> {
      http.securityMatcher(server.getEndpointsMatcher());
      server.oidc(Customizer.withDefaults());
      server.clientRegistrationEndpoint(registration -> registration.openRegistrationAllowed(true));
    });
    http.authorizeHttpRequests(requests -> requests.requestMatchers("/oauth2/register").permitAll().anyRequest().authenticated());
    http.cors(Customizer.withDefaults());
    http.exceptionHandling(exceptions -> exceptions.defaultAuthenticationEntryPointFor(
        new LoginUrlAuthenticationEntryPoint("/login"), new MediaTypeRequestMatcher(MediaType.TEXT_HTML)));
    return http.build();
  }

  @Bean
  @Order(2)
  SecurityFilterChain otherRequests(HttpSecurity http) throws Exception {
    http.authorizeHttpRequests(requests -> requests.requestMatchers("/rotate", "/keys-of-client").permitAll().anyRequest().authenticated());
    http.csrf(csrf -> csrf.ignoringRequestMatchers("/rotate"));
    return http.formLogin(Customizer.withDefaults()).build();
  }

  @Bean
  UserDetailsService users() {
    return new InMemoryUserDetailsManager(user("alice"), user("bob"));
  }

  private static UserDetails user(String name) {
    return User.withUsername(name).password("{noop}" + name + "-password").roles("USER").build();
  }

  @Bean
  RegisteredClientRepository clients() {
    RegisteredClient api = client("notes-api")
        .clientSecret("{noop}" + SECRET)
        .clientAuthenticationMethod(ClientAuthenticationMethod.CLIENT_SECRET_BASIC)
        .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS)
        .authorizationGrantType(AuthorizationGrantType.TOKEN_EXCHANGE)
        .build();
    return new InMemoryRegisteredClientRepository(
        publicClient("mcp-public"), publicClient("mcp-default"), confidentialClient(), certifiedClient(), api);
  }

  private static RegisteredClient publicClient(String id) {
    return client(id)
        .clientAuthenticationMethod(ClientAuthenticationMethod.NONE)
        .authorizationGrantType(AuthorizationGrantType.AUTHORIZATION_CODE)
        .redirectUri(REDIRECT_URI)
        .clientSettings(ClientSettings.builder().requireProofKey(true).requireAuthorizationConsent(true).build())
        .build();
  }

  /** It issues refresh tokens to confidential clients only. */
  private static RegisteredClient confidentialClient() {
    return client("mcp-confidential")
        .clientSecret("{noop}confidential-" + SECRET)
        .clientAuthenticationMethod(ClientAuthenticationMethod.CLIENT_SECRET_BASIC)
        .authorizationGrantType(AuthorizationGrantType.AUTHORIZATION_CODE)
        .authorizationGrantType(AuthorizationGrantType.REFRESH_TOKEN)
        .redirectUri(REDIRECT_URI)
        .clientSettings(ClientSettings.builder().requireProofKey(true).build())
        .build();
  }

  /** It authenticates with a certificate that it issued itself, to which its tokens are bound. */
  private static RegisteredClient certifiedClient() {
    return client("mcp-certified")
        .clientAuthenticationMethod(ClientAuthenticationMethod.SELF_SIGNED_TLS_CLIENT_AUTH)
        .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS)
        .clientSettings(ClientSettings.builder().jwkSetUrl(System.getenv("ISSUER") + "/keys-of-client").build())
        .tokenSettings(TokenSettings.builder().x509CertificateBoundAccessTokens(true).build())
        .build();
  }

  /** The certificate of that client, which a real one publishes itself. */
  @GetMapping("/keys-of-client")
  String keysOfClient() {
    return System.getenv("KEYS_OF_CLIENT");
  }

  /** Besides TLS, which its settings turn on. */
  @Bean
  WebServerFactoryCustomizer<TomcatServletWebServerFactory> plainHttp() {
    return factory -> {
      var connector = new Connector();
      connector.setPort(Integer.parseInt(System.getenv("PLAIN_PORT")));
      connector.setProperty("address", "127.0.0.1");
      factory.addAdditionalConnectors(connector);
    };
  }

  private static RegisteredClient.Builder client(String id) {
    return RegisteredClient.withId(id)
        .clientId(id)
        .scope("openid")
        .scope("notes:read")
        .scope("notes:write")
        .tokenSettings(TokenSettings.builder().accessTokenTimeToLive(Duration.ofMinutes(5)).build());
  }

  @Bean
  OAuth2TokenCustomizer<JwtEncodingContext> audience() {
    return context -> {
      boolean isForNotes = !context.getRegisteredClient().getClientId().equals("mcp-default");
      if (isForNotes && OAuth2TokenType.ACCESS_TOKEN.equals(context.getTokenType())) {
        context.getClaims().audience(audiencesFor(context));
      }
    };
  }

  /** Those that a token exchange asks for; otherwise that of the notes. A real server checks which client may ask for which. */
  private static List<String> audiencesFor(JwtEncodingContext context) {
    if (context.getAuthorizationGrant() instanceof OAuth2TokenExchangeAuthenticationToken exchange && !exchange.getAudiences().isEmpty()) {
      return List.copyOf(exchange.getAudiences());
    }
    return List.of(RESOURCE);
  }

  @Bean
  JWKSource<SecurityContext> keys() throws Exception {
    key = newKey();
    return (selector, context) -> selector.select(new JWKSet(key));
  }

  /** Replaces the key. The old one is not published any more. */
  @PostMapping("/rotate")
  String rotate() throws Exception {
    key = newKey();
    return key.getKeyID();
  }

  private static JWK newKey() throws Exception {
    var generator = KeyPairGenerator.getInstance("RSA");
    generator.initialize(2048);
    var pair = generator.generateKeyPair();
    return new RSAKey.Builder((RSAPublicKey) pair.getPublic())
        .privateKey((RSAPrivateKey) pair.getPrivate())
        .keyID(UUID.randomUUID().toString())
        .build();
  }

  @Bean
  AuthorizationServerSettings settings() {
    return AuthorizationServerSettings.builder().issuer(System.getenv("ISSUER")).build();
  }

  @Bean("corsConfigurationSource")
  CorsConfigurationSource cors() {
    var configuration = new CorsConfiguration();
    configuration.addAllowedOrigin("*");
    configuration.addAllowedHeader("*");
    configuration.addAllowedMethod("*");
    var source = new UrlBasedCorsConfigurationSource();
    source.registerCorsConfiguration("/**", configuration);
    return source;
  }
}
