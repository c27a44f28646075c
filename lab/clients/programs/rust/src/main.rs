//! The official Rust SDK, through the whole story: connect, call, step up, call again after the token expired.
//!
//! The SDK does not ask the user by itself: a refused call returns the challenge, and the host authorizes and calls again.
//!
//! Settings are environment variables: MCP_URL, LAB_USER (the command of the user), PROTOCOL, CLIENT_ID_DOCUMENT, WAIT (seconds).
use anyhow::{Context, Result, anyhow, bail};
use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient,
    model::{CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion},
    service::{RunningService, ServiceError},
    transport::{
        AuthClient, AuthorizationManager, AuthorizationRequest, AuthorizationSession, StreamableHttpClientTransport,
        WWWAuthenticateParams, auth::AuthorizationCallback,
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use std::{env, process::Command, time::Duration};

const REDIRECT: &str = "http://127.0.0.1:33418/callback";

type HttpClient = AuthClient<reqwest::Client>;
type Session = RunningService<RoleClient, Host>;

#[derive(Clone)]
struct Host(ProtocolVersion);

impl ClientHandler for Host {
    fn get_info(&self) -> ClientConfig {
        let mut config = ClientConfig::new(ClientCapabilities::default(), Implementation::new("lab", "1.0.0"));
        config.protocol_version = self.0.clone();
        config
    }
}

/// Lets the user sign in, and returns the callback URL.
fn ask_user(url: &str) -> Result<String> {
    let user = env::var("LAB_USER")?;
    let mut command = user.split_whitespace();
    let program = command.next().context("LAB_USER is empty")?;
    let output = Command::new(program).args(command).args(["--stop", url]).output()?;
    if !output.status.success() {
        bail!("the user: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_string())
}

async fn connect(url: &str, protocol: &str, client: &HttpClient) -> Result<Session, rmcp::service::ClientInitializeError> {
    let version = match protocol {
        "2025-06-18" => ProtocolVersion::V_2025_06_18,
        "2025-11-25" => ProtocolVersion::V_2025_11_25,
        _ => ProtocolVersion::V_2026_07_28,
    };
    let lifecycle = if protocol.starts_with("2025") {
        ClientLifecycleMode::Initialize
    } else {
        ClientLifecycleMode::Discover { preferred_versions: vec![version.clone()] }
    };
    let config = StreamableHttpClientTransportConfig::with_uri(url.to_string());
    let transport = StreamableHttpClientTransport::with_client(client.clone(), config);
    Host(version).serve_with_lifecycle(transport, lifecycle).await
}

async fn sign_in(url: &str, challenge: String) -> Result<HttpClient> {
    let mut manager = AuthorizationManager::new(url).await?;
    let found = manager.resolve_metadata_from_challenge(Some(&challenge)).await?;
    manager.set_metadata(found.metadata);
    let mut request = AuthorizationRequest::new(REDIRECT)
        .with_client_name("Rust")
        .with_challenge(challenge)
        .with_initial_scope_selection();
    if let Ok(document) = env::var("CLIENT_ID_DOCUMENT") {
        request = request.with_client_metadata_url(document);
    }
    let session = AuthorizationSession::new(manager, request).await.map_err(|(_, error)| error)?;
    session.handle_callback_url(&ask_user(session.get_authorization_url())?).await?;
    Ok(AuthClient::new(reqwest::Client::new(), session.auth_manager))
}

async fn step_up(url: &str, challenge: &str, client: &HttpClient) -> Result<()> {
    let wanted = WWWAuthenticateParams::parse(challenge, &url.parse()?);
    let manager = client.auth_manager.lock().await;
    let address = manager.request_scope_upgrade(wanted.scope.as_deref().unwrap_or("")).await?;
    let callback = AuthorizationCallback::from_redirect_url(&ask_user(&address)?)?;
    manager
        .exchange_code_for_token_with_issuer(&callback.code, &callback.csrf_token, callback.issuer.as_deref())
        .await?;
    Ok(())
}

async fn call(session: &Session, name: &'static str) -> Result<(), ServiceError> {
    let mut request = CallToolRequestParams::new(name);
    if name == "add-note" {
        request.arguments = serde_json::json!({ "text": "Buy milk" }).as_object().cloned();
    }
    session.call_tool(request).await.map(|_| ())
}

#[tokio::main]
async fn main() -> Result<()> {
    let (url, protocol) = (env::var("MCP_URL")?, env::var("PROTOCOL")?);
    let anonymous = AuthClient::new(reqwest::Client::new(), AuthorizationManager::new(&url).await?);
    let Err(refused) = connect(&url, &protocol, &anonymous).await else { bail!("let in without a token") };
    let challenge = refused.auth_challenge().map(str::to_string).ok_or_else(|| anyhow!("no challenge: {refused:?}"))?;
    let client = sign_in(&url, challenge).await?;
    let session = connect(&url, &protocol, &client).await.map_err(|error| anyhow!("{error:?}"))?;
    call(&session, "whoami").await?;
    if let Err(refused) = call(&session, "add-note").await {
        let challenge = refused.auth_challenge().map(str::to_string).ok_or_else(|| anyhow!("no challenge: {refused:?}"))?;
        step_up(&url, &challenge, &client).await?;
        call(&session, "add-note").await?;
    }
    if let Ok(seconds) = env::var("WAIT") {
        tokio::time::sleep(Duration::from_secs(seconds.parse()?)).await;
        call(&session, "whoami").await?;
    }
    session.cancel().await?;
    Ok(())
}
