"""The protocols that rustnet reads, in probe order."""

from functools import cache

from rustnet.dissect.amqp.parser import AMQP
from rustnet.dissect.arp import ARP
from rustnet.dissect.bgp import BGP
from rustnet.dissect.bittorrent.parser import BITTORRENT
from rustnet.dissect.cassandra import CASSANDRA
from rustnet.dissect.cdp import CDP
from rustnet.dissect.coap import COAP
from rustnet.dissect.dcerpc.parser import DCERPC
from rustnet.dissect.dhcp import DHCP
from rustnet.dissect.dhcpv6 import DHCPV6
from rustnet.dissect.dnp3 import DNP3
from rustnet.dissect.dns.parser import DNS, LLMNR, MDNS
from rustnet.dissect.finger import FINGER
from rustnet.dissect.framework.conversation import Dissector
from rustnet.dissect.ftp import FTP
from rustnet.dissect.gopher import GOPHER
from rustnet.dissect.http.http2 import HTTP2
from rustnet.dissect.http.parser import HTTP
from rustnet.dissect.icmp import ICMP
from rustnet.dissect.icmpv6 import ICMPV6
from rustnet.dissect.igmp import IGMP
from rustnet.dissect.imap import IMAP
from rustnet.dissect.ipsec import IPSEC
from rustnet.dissect.irc import IRC
from rustnet.dissect.kafka import KAFKA
from rustnet.dissect.kerberos import KERBEROS
from rustnet.dissect.lacp import LACP
from rustnet.dissect.ldap import LDAP
from rustnet.dissect.lldp import LLDP
from rustnet.dissect.managesieve import MANAGESIEVE
from rustnet.dissect.memcached import MEMCACHED
from rustnet.dissect.modbus import MODBUS
from rustnet.dissect.mongodb.parser import MONGODB
from rustnet.dissect.mqtt import MQTT
from rustnet.dissect.mysql import MYSQL
from rustnet.dissect.netbios import NETBIOS
from rustnet.dissect.nfs.parser import NFS
from rustnet.dissect.nntp import NNTP
from rustnet.dissect.ntp import NTP
from rustnet.dissect.openvpn import OPENVPN
from rustnet.dissect.pop3 import POP3
from rustnet.dissect.postgresql import POSTGRESQL
from rustnet.dissect.proxy import PROXY
from rustnet.dissect.quic.parser import QUIC
from rustnet.dissect.radius import RADIUS
from rustnet.dissect.rdp import RDP
from rustnet.dissect.redis import REDIS
from rustnet.dissect.rtp import RTCP, RTP
from rustnet.dissect.rtsp import RTSP
from rustnet.dissect.sip import SIP
from rustnet.dissect.smb.parser import SMB
from rustnet.dissect.smtp import LMTP, SMTP
from rustnet.dissect.snmp import SNMP
from rustnet.dissect.socks import SOCKS
from rustnet.dissect.ssdp import SSDP
from rustnet.dissect.ssh import SSH
from rustnet.dissect.stp import STP
from rustnet.dissect.stun import STUN
from rustnet.dissect.syslog import SYSLOG
from rustnet.dissect.tds import TDS
from rustnet.dissect.telnet import TELNET
from rustnet.dissect.tftp import TFTP
from rustnet.dissect.tls.dtls import DTLS
from rustnet.dissect.tls.parser import TLS
from rustnet.dissect.vnc import VNC
from rustnet.dissect.wireguard import WIREGUARD
from rustnet.dissect.xmpp import XMPP

# Dissectors that name one of a flow's ports are probed first; this is the order of the others, and of those that share
# a port.
DISSECTORS: tuple[Dissector, ...] = (
    PROXY,
    # The most frequent first, each with a probe that answers NO by the first bytes.
    TLS,
    HTTP2,  # ahead of HTTP, whose probe would wait for the end of the preface's first line
    HTTP,
    SSH,
    LMTP,
    SMTP,  # ahead of FTP, whose greeting has the same code
    FTP,
    POP3,
    IMAP,
    MANAGESIEVE,
    NNTP,
    MYSQL,
    POSTGRESQL,
    SOCKS,
    XMPP,
    RDP,
    VNC,
    TDS,
    REDIS,
    MQTT,
    TELNET,
    IRC,
    FINGER,
    GOPHER,
    KAFKA,
    MONGODB,
    MEMCACHED,
    CASSANDRA,
    AMQP,
    # Recognised by magic numbers, lengths that fit, or first lines.
    SMB,
    KERBEROS,
    LDAP,
    DCERPC,
    NFS,
    SIP,
    RTSP,
    BITTORRENT,
    NETBIOS,
    DHCP,
    DHCPV6,
    NTP,
    SNMP,
    SSDP,
    SYSLOG,
    TFTP,
    BGP,
    DNP3,
    MODBUS,
    # mDNS and LLMNR are probed on their ports only, and before DNS, which would take their messages too.
    MDNS,
    LLMNR,
    DNS,
    # Datagrams with a magic number or an exact length. STUN passes on DTLS and RTP, which may share its flow.
    QUIC,
    STUN,
    DTLS,
    WIREGUARD,
    OPENVPN,
    IPSEC,
    RADIUS,
    COAP,
    RTCP,
    RTP,  # last: it asks for two datagrams that continue each other
    # Protocols without ports: each has a transport of its own, so no other probe runs.
    ARP,
    ICMP,
    ICMPV6,
    IGMP,
    LLDP,
    CDP,
    STP,
    LACP,
)


@cache
def tables() -> tuple[type, ...]:
    """Record classes of all protocols, in registry order."""
    return tuple(dict.fromkeys(row for dissector in DISSECTORS for row in dissector.records))
