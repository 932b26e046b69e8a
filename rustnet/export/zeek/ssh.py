"""ssh.log."""

from rustnet.export.zeek.spec import JOIN_PLACES, Field, message_log, unset


def _both(to_server: str, to_client: str) -> str:
    """Zeek's text of an algorithm in both directions."""
    return (
        f"CASE WHEN m.{to_server} = m.{to_client} THEN m.{to_server} "
        f"ELSE 'To server: ' || m.{to_server} || ', to client: ' || m.{to_client} END"
    )


def _major(banner: str) -> str:
    return (
        f"CASE WHEN m.{banner} LIKE 'SSH-2%' OR m.{banner} LIKE 'SSH-1.99%' THEN 2 "
        f"WHEN m.{banner} LIKE 'SSH-1%' THEN 1 END"
    )


_VERSION = f"""CASE
    WHEN m.client_banner LIKE 'SSH-2%' AND m.server_banner LIKE 'SSH-2%' THEN 2
    WHEN m.client_banner LIKE 'SSH-1%' AND m.server_banner LIKE 'SSH-1%'
        THEN CASE WHEN m.client_banner LIKE 'SSH-1.99%' AND m.server_banner LIKE 'SSH-1.99%' THEN 2 ELSE 1 END
    WHEN {_major("client_banner")} = 2 AND {_major("server_banner")} = 2 THEN 2
    WHEN {_major("client_banner")} <> {_major("server_banner")} THEN 0 END"""

SSH = message_log(
    "ssh",
    "ssh",
    "One row for each connection.",
    Field("version", "count", _VERSION, "2, 1, or 0 if the two banners do not agree; unset unless both were seen"),
    unset("auth_success", "bool", "Zeek guesses it by the sizes of encrypted packets"),
    unset("auth_attempts", "count", "Zeek guesses it by the sizes of encrypted packets"),
    Field(
        "direction",
        "enum",
        "CASE WHEN o.local AND NOT r.local THEN 'OUTBOUND' WHEN r.local AND NOT o.local THEN 'INBOUND' END",
        "by `addresses.scope`; unset if both ends are local, or none is",
    ),
    Field("client", "string", "m.client_banner"),
    Field("server", "string", "m.server_banner"),
    Field("cipher_alg", "string", _both("cipher", "server_cipher"), "`cipher` and `server_cipher`"),
    Field(
        "mac_alg",
        "string",
        _both("mac", "server_mac"),
        "`mac` and `server_mac`; unset if a cipher needs none (Zeek names what was negotiated)",
    ),
    Field(
        "compression_alg",
        "string",
        _both("compression", "server_compression"),
        "`compression` and `server_compression`",
    ),
    Field("kex_alg", "string", "m.kex"),
    Field("host_key_alg", "string", "m.host_key"),
    unset("host_key", "string", "fingerprints of keys are not in a session"),
    Field("hassh", "string", "m.hassh", "as by the package hassh"),
    Field("hasshServer", "string", "m.hassh_server", "as by the package hassh"),
    needs=("places",),
    tables=("addresses",),
    joins=JOIN_PLACES,
)
