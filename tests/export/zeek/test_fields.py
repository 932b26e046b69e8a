"""Fields and types of the logs are Zeek's, in its order; fields of its scripts and of packages follow."""

import re
from pathlib import Path

import pytest

from rustnet.export.zeek.logs import LOGS
from rustnet.export.zeek.page import meaning, page
from rustnet.export.zeek.spec import Log
from rustnet.store.meanings import kind_of
from tests.export.zeek.reading import export
from tests.support.paths import ROOT, SAMPLES
from tests.support.sessions import replay

BY_NAME = {log.path: log for log in LOGS}
ID = "uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port "
ZEEKS = {
    "conn": "ts:time " + ID + "proto:enum service:string duration:interval orig_bytes:count resp_bytes:count "
    "conn_state:string local_orig:bool local_resp:bool missed_bytes:count history:string orig_pkts:count "
    "orig_ip_bytes:count resp_pkts:count resp_ip_bytes:count tunnel_parents:set[string] ip_proto:count",
    "dns": "ts:time " + ID + "proto:enum trans_id:count rtt:interval query:string qclass:count qclass_name:string "
    "qtype:count qtype_name:string rcode:count rcode_name:string AA:bool TC:bool RD:bool RA:bool Z:count "
    "answers:vector[string] TTLs:vector[interval] rejected:bool",
    "http": "ts:time " + ID + "trans_depth:count method:string host:string uri:string referrer:string version:string "
    "user_agent:string origin:string request_body_len:count response_body_len:count status_code:count "
    "status_msg:string info_code:count info_msg:string tags:set[enum] username:string password:string "
    "proxied:set[string] orig_fuids:vector[string] orig_filenames:vector[string] orig_mime_types:vector[string] "
    "resp_fuids:vector[string] resp_filenames:vector[string] resp_mime_types:vector[string]",
    "ssl": "ts:time " + ID + "version:string cipher:string curve:string server_name:string resumed:bool "
    "last_alert:string next_protocol:string established:bool ssl_history:string cert_chain_fps:vector[string] "
    "client_cert_chain_fps:vector[string] sni_matches_cert:bool",
    "x509": "ts:time fingerprint:string certificate.version:count certificate.serial:string "
    "certificate.subject:string certificate.issuer:string certificate.not_valid_before:time "
    "certificate.not_valid_after:time certificate.key_alg:string certificate.sig_alg:string "
    "certificate.key_type:string certificate.key_length:count certificate.exponent:string certificate.curve:string "
    "san.dns:vector[string] san.uri:vector[string] san.email:vector[string] san.ip:vector[addr] "
    "basic_constraints.ca:bool basic_constraints.path_len:count host_cert:bool client_cert:bool",
    "ssh": "ts:time " + ID + "version:count auth_success:bool auth_attempts:count direction:enum client:string "
    "server:string cipher_alg:string mac_alg:string compression_alg:string kex_alg:string host_key_alg:string "
    "host_key:string",
    "files": "ts:time fuid:string " + ID + "source:string depth:count analyzers:set[string] mime_type:string "
    "filename:string duration:interval local_orig:bool is_orig:bool seen_bytes:count total_bytes:count "
    "missing_bytes:count overflow_bytes:count timedout:bool parent_fuid:string md5:string sha1:string sha256:string "
    "extracted:string extracted_cutoff:bool extracted_size:count",
    "weird": "ts:time " + ID + "name:string addl:string notice:bool peer:string source:string",
    "dhcp": "ts:time uids:set[string] client_addr:addr server_addr:addr mac:string host_name:string "
    "client_fqdn:string domain:string requested_addr:addr assigned_addr:addr lease_time:interval "
    "client_message:string server_message:string msg_types:vector[string] duration:interval",
    "ntp": "ts:time " + ID + "version:count mode:count stratum:count poll:interval precision:interval "
    "root_delay:interval root_disp:interval ref_id:string ref_time:time org_time:time rec_time:time xmt_time:time "
    "num_exts:count",
    "smtp": "ts:time " + ID + "trans_depth:count helo:string mailfrom:string rcptto:set[string] date:string "
    "from:string to:set[string] cc:set[string] reply_to:string msg_id:string in_reply_to:string subject:string "
    "x_originating_ip:addr first_received:string second_received:string last_reply:string path:vector[addr] "
    "user_agent:string tls:bool fuids:vector[string]",
    "ftp": "ts:time " + ID + "user:string password:string command:string arg:string mime_type:string file_size:count "
    "reply_code:count reply_msg:string data_channel.passive:bool data_channel.orig_h:addr data_channel.resp_h:addr "
    "data_channel.resp_p:port fuid:string",
    "kerberos": "ts:time " + ID + "request_type:string client:string service:string success:bool error_msg:string "
    "from:time till:time cipher:string forwardable:bool renewable:bool client_cert_subject:string "
    "client_cert_fuid:string server_cert_subject:string server_cert_fuid:string",
    "smb_mapping": "ts:time " + ID + "path:string service:string native_file_system:string share_type:string",
    "smb_files": "ts:time " + ID + "fuid:string action:enum path:string name:string size:count prev_name:string "
    "times.modified:time times.accessed:time times.created:time times.changed:time",
    "rdp": "ts:time " + ID + "cookie:string result:string security_protocol:string keyboard_layout:string "
    "client_build:string client_name:string client_dig_product_id:string desktop_width:count desktop_height:count "
    "requested_color_depth:string cert_type:string cert_count:count cert_permanent:bool encryption_level:string "
    "encryption_method:string",
    "sip": "ts:time " + ID + "trans_depth:count method:string uri:string date:string request_from:string "
    "request_to:string response_from:string response_to:string reply_to:string call_id:string seq:string "
    "subject:string request_path:vector[string] response_path:vector[string] user_agent:string status_code:count "
    "status_msg:string warning:string request_body_len:count response_body_len:count content_type:string",
    "snmp": "ts:time " + ID + "duration:interval version:string community:string get_requests:count "
    "get_bulk_requests:count get_responses:count set_requests:count display_string:string up_since:time",
    "socks": "ts:time " + ID + "version:count user:string password:string status:string request.host:addr "
    "request.name:string request_p:port bound.host:addr bound.name:string bound_p:port",
    "dce_rpc": "ts:time " + ID + "rtt:interval named_pipe:string endpoint:string operation:string",
    "ldap": "ts:time " + ID + "message_id:int version:int opcode:string result:string diagnostic_message:string "
    "object:string argument:string",
    "ldap_search": "ts:time " + ID + "message_id:int scope:string deref_aliases:string base_object:string "
    "result_count:count result:string diagnostic_message:string filter:string attributes:vector[string]",
    "modbus": "ts:time " + ID + "tid:count unit:count func:string pdu_type:string exception:string",
    "syslog": "ts:time " + ID + "proto:enum facility:string severity:string message:string",
    "radius": "ts:time " + ID + "username:string mac:string framed_addr:addr remote_ip:addr connect_info:string "
    "reply_msg:string result:string ttl:interval",
    "mysql": "ts:time " + ID + "cmd:string arg:string success:bool rows:count response:string",
    "irc": "ts:time " + ID + "nick:string user:string command:string value:string addl:string dcc_file_name:string "
    "dcc_file_size:count dcc_mime_type:string fuid:string",
    "tunnel": "ts:time " + ID + "tunnel_type:enum action:enum",
    "quic": "ts:time " + ID + "version:string client_initial_dcid:string client_scid:string server_scid:string "
    "server_name:string client_protocol:string history:string",
}
"""Fields of Zeek's logs with their types."""
ADDED = {
    "conn": "orig_l2_addr:string resp_l2_addr:string vlan:int inner_vlan:int community_id:string",
    "ssl": "ja3:string ja3s:string",
    "ssh": "hassh:string hasshServer:string",
}
"""Fields of Zeek's optional scripts and of packages."""


def test_every_log_is_compared() -> None:
    assert set(BY_NAME) == set(ZEEKS)
    assert len(BY_NAME) == len(LOGS)


@pytest.mark.parametrize("log", LOGS, ids=list(BY_NAME))
def test_fields_are_zeeks(log: Log) -> None:
    wanted = [*ZEEKS[log.path].split(), *ADDED.get(log.path, "").split()]
    assert [f"{field.name}:{field.type}" for field in log.fields] == wanted


@pytest.mark.parametrize("log", LOGS, ids=list(BY_NAME))
def test_every_field_is_explained(log: Log) -> None:
    assert log.text.endswith(".")
    for field in log.fields:
        assert meaning(log, field), field.name
        for table, column in re.findall(r"`([a-z]\w+)\.(\w+)`", meaning(log, field)):
            assert kind_of(table, column), (field.name, table, column)


def test_page_is_up_to_date() -> None:
    assert (ROOT / "docs/zeek.md").read_text("utf-8") == page() + "\n"


def test_header_and_times_of_packets(tmp_path: Path) -> None:
    session = tmp_path / "dns.duckdb"
    replay(session, SAMPLES / "dns.pcap").con.close()
    export(session, tmp_path / "logs")
    lines = (tmp_path / "logs/zeek/dns.log").read_text("utf-8").splitlines()
    names, types = zip(*(field.split(":") for field in ZEEKS["dns"].split()), strict=True)
    assert lines[:8] == [
        "#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", "#path\tdns",
        "#open\t2026-11-23-16-23-35", "#fields\t" + "\t".join(names), "#types\t" + "\t".join(types),
    ]  # fmt: skip
    assert re.fullmatch(r"#close\t2026-11-23-16-23-\d\d", lines[-1])
    assert not [line for line in lines[8:-1] if line.startswith("#")]
