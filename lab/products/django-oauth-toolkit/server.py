"""An authorization server on django-oauth-toolkit in one file, with a sign-in page of its own and the consent page it brings."""
import os

import django
from django.conf import settings

PORT = os.environ["PORT"]
SECRET = os.environ["API_SECRET"]
SCOPES = {"openid": "OpenID", "notes:read": "Read", "notes:write": "Write", "introspection": "Introspect"}

settings.configure(
    DEBUG=True,
    SECRET_KEY="a key of this run, which protects nothing",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    LOGIN_URL="/login/",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"]}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                ]
            },
        }
    ],
    STATIC_URL="/static/",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    OAUTH2_PROVIDER={
        "SCOPES": SCOPES,
        "DEFAULT_SCOPES": ["notes:read"],
        "ACCESS_TOKEN_EXPIRE_SECONDS": 300,
        "ALLOWED_REDIRECT_URI_SCHEMES": ["http", "https"],
        "ALLOWED_SCHEMES": ["http", "https"],
        "ALLOW_LOCALHOST_LOOPBACK": True,
        "OIDC_ENABLED": True,
        "OIDC_RSA_PRIVATE_KEY": open("key.pem").read(),
        "DCR_ENABLED": True,
        "DCR_REGISTRATION_PERMISSION_CLASSES": ("oauth2_provider.dcr.AllowAllDCRPermission",),
        "CIMD_ENABLED": True,
        "OAUTH2_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED": ["client_secret_post", "client_secret_basic", "none"],
    },
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.contrib.auth.views import LoginView  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.middleware.csrf import get_token  # noqa: E402
from django.urls import include, path  # noqa: E402
from oauth2_provider import cimd, urls as oauth_urls  # noqa: E402
from oauth2_provider.models import get_application_model  # noqa: E402


# As it comes, it fetches no document from this machine.
cimd._ip_is_public = lambda address: True


class Login(LoginView):
    def render_to_response(self, context, **kwargs):
        token = f'<input type="hidden" name="csrfmiddlewaretoken" value="{get_token(self.request)}">'
        fields = '<input name="username"><input name="password" type="password"><button name="go" value="1">Sign in</button>'
        return HttpResponse(f'<form method="post">{token}{fields}</form>')


urlpatterns = [
    path("login/", Login.as_view()),
    path("", include((oauth_urls.metadata_urlpatterns, "metadata"))),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
]


def prepare():
    """Makes the users and the two clients, unless they are there."""
    call_command("migrate", verbosity=0)
    for name in ("alice", "bob"):
        if not User.objects.filter(username=name).exists():
            User.objects.create_user(name, password=f"{name}-password")
    applications = get_application_model().objects
    applications.update_or_create(
        client_id="mcp-public",
        defaults={
            "name": "mcp-public",
            "client_type": "public",
            "authorization_grant_type": "authorization-code",
            "redirect_uris": "http://127.0.0.1:7777/callback",
            "algorithm": "RS256",
        },
    )
    applications.update_or_create(
        client_id="notes-api",
        defaults={
            "name": "notes-api",
            "client_secret": SECRET,
            "client_type": "confidential",
            "authorization_grant_type": "client-credentials",
            "user": User.objects.get(username="alice"),
        },
    )


prepare()
call_command("runserver", f"127.0.0.1:{PORT}", use_reloader=False, verbosity=0)
