"""All logs, in the order in which they are written."""

from rustnet.export.zeek.conn import CONN
from rustnet.export.zeek.conversations import DHCP, KERBEROS, RADIUS, SIP, SMTP, SNMP
from rustnet.export.zeek.dns import DNS
from rustnet.export.zeek.files import FILES
from rustnet.export.zeek.http import HTTP
from rustnet.export.zeek.messages import (
    DCE_RPC,
    FTP,
    IRC,
    LDAP,
    LDAP_SEARCH,
    MODBUS,
    MYSQL,
    NTP,
    QUIC,
    RDP,
    SMB_FILES,
    SMB_MAPPING,
    SOCKS,
    SYSLOG,
    TUNNEL,
)
from rustnet.export.zeek.spec import Log
from rustnet.export.zeek.ssh import SSH
from rustnet.export.zeek.tls import SSL, X509
from rustnet.export.zeek.weird import WEIRD

LOGS: tuple[Log, ...] = (
    *(CONN, DNS, HTTP, SSL, X509, SSH, FILES, WEIRD),
    *(DCE_RPC, DHCP, FTP, IRC, KERBEROS, LDAP, LDAP_SEARCH, MODBUS, MYSQL, NTP, QUIC, RADIUS, RDP, SIP),
    *(SMB_FILES, SMB_MAPPING, SMTP, SNMP, SOCKS, SYSLOG, TUNNEL),
)
