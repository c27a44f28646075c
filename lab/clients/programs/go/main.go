// The official Go SDK with its auth package, through the whole story: connect, call, step up, call again after the token
// expired.
//
// Settings are environment variables: MCP_URL, LAB_USER (the command of the user), PROTOCOL, CLIENT_ID_DOCUMENT, WAIT (seconds).
package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

const redirect = "http://127.0.0.1:33418/callback"

// askUser lets the user sign in, and returns what the authorization server answered.
func askUser(ctx context.Context, request *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	command := append(strings.Fields(os.Getenv("LAB_USER")), "--stop", request.URL)
	output, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("the user: %s", output)
	}
	callback, err := url.Parse(strings.TrimSpace(string(output)))
	if err != nil {
		return nil, err
	}
	answer := callback.Query()
	return &auth.AuthorizationResult{Code: answer.Get("code"), State: answer.Get("state"), Iss: answer.Get("iss")}, nil
}

// handler asks for refresh tokens: without one, the SDK sends nothing at all once a token has expired.
func handler() (*auth.AuthorizationCodeHandler, error) {
	config := &auth.AuthorizationCodeHandlerConfig{
		RedirectURL:              redirect,
		AuthorizationCodeFetcher: askUser,
		RequestRefreshToken:      true,
	}
	if document := os.Getenv("CLIENT_ID_DOCUMENT"); document != "" {
		config.ClientIDMetadataDocumentConfig = &auth.ClientIDMetadataDocumentConfig{URL: document}
	} else {
		config.DynamicClientRegistrationConfig = &auth.DynamicClientRegistrationConfig{
			Metadata: &oauthex.ClientRegistrationMetadata{
				ClientName:              "Go",
				RedirectURIs:            []string{redirect},
				GrantTypes:              []string{"authorization_code", "refresh_token"},
				TokenEndpointAuthMethod: "none",
			},
		}
	}
	return auth.NewAuthorizationCodeHandler(config)
}

func call(ctx context.Context, session *mcp.ClientSession, name string, arguments map[string]any) {
	_, err := session.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: arguments})
	check(err)
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	oauth, err := handler()
	check(err)
	transport := &mcp.StreamableClientTransport{Endpoint: os.Getenv("MCP_URL"), OAuthHandler: oauth}
	client := mcp.NewClient(&mcp.Implementation{Name: "lab", Version: "1.0.0"}, nil)
	options := &mcp.ClientSessionOptions{ProtocolVersion: os.Getenv("PROTOCOL")}
	session, err := client.Connect(ctx, transport, options)
	check(err)
	call(ctx, session, "whoami", map[string]any{})
	call(ctx, session, "add-note", map[string]any{"text": "Buy milk"})
	if seconds := os.Getenv("WAIT"); seconds != "" {
		wait, err := time.ParseDuration(seconds + "s")
		check(err)
		time.Sleep(wait)
		call(ctx, session, "whoami", map[string]any{})
	}
	check(session.Close())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
