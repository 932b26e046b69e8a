"""Names of the fields of ``eve.json``, HTTP archives and the Elastic Common Schema, as far as they are written.

They are the formats' own words, in every file of these formats; the leak scan does not take them for originals.
"""

import re

_LISTED = """
    A AAAA CNAME MX PTR TXT aa access ack address age alerted alternative_names anomaly answers app_proto as
    assigned_ip blocked body bodySize bytes bytes_toclient bytes_toserver cache capture_id category cipher city_name
    class client client_ip client_mac code command command_data command_line community community_id completion_code
    conn_state connect connection container content cookies country_iso_code creator curve cwr data dataset dest_ip
    dest_macs dest_port destination dhcp dhcp_type dialect direction directory disposition dns dns_servers domain
    duration dynamic_port ecn ecs end entries established ether event event_type executable file filename fin
    fingerprint flags flow flow_id fragment from ftp full geo grouped has_authorization has_cookie has_set_cookie hash
    hassh header_flags headers headersSize host hostname hosts http httpVersion http_content_type http_method http_port
    http_refer http_user_agent iana_number icmp_code icmp_type id image in_iface ingress inner interface ip issuer
    issuerdn ja3 ja3s ja4 kind labels layer lease_time length log mac method mimeType mode module name namespace
    native_lm native_os network next_protocol next_server_ip not_after not_before notafter notbefore ntlmssp number
    observer op_code orchestrator organization original outcome packet packets pair_unknown parent parent_id path
    pcap_cnt pcap_filename pdu_type pid pkts_toclient pkts_toserver port process process_contested product proto
    proto_version protocol psh public_key_algorithm public_key_size qr query queryString question quic ra rcode rd
    rdata reason receive redirect redirectURL referrer related relay_ip rename reply reply_received request resolved_ip
    resource response response_code response_headers resumed routers rrname rrtype rst runtime scheme send serial
    serial_number server serverIPAddress server_name session_id session_resumed sha256 share signature_algorithm sip
    size smb sni snmp software_version source src_ip src_macs src_port ssh ssl start startedDateTime state status
    statusText status_code string subject subnet_mask syn tc tc_gap tcp tcp_flags tcp_flags_tc tcp_flags_ts tftp time
    timestamp timings tls to transport tree_id ts_gap ttl type ua urg uri url user user_agent usm value vars version
    version_protocol vlan wait working_directory x509 xff
"""
FIELD_NAMES = frozenset(_LISTED.split())

_KEYS = re.compile(rf'"[_@]?(?:{"|".join(sorted(FIELD_NAMES))})"[ \t]*:')


def without_field_names(text: str) -> str:
    """JSON without the names of these formats' fields; within values, quotation marks are escaped, and nothing fits."""
    return _KEYS.sub(" ", text)
