"""TLS, DTLS and X.509 certificates."""
