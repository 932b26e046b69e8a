"""Programs that take secrets in their command lines, and how: tables for `rustnet.probe.redact`."""

from __future__ import annotations

_OPTIONS = """
-p:
    7z 7za 7zr airflow az beeline bloodhound-python buildah certutil cf cqlsh crane cypher-shell docker
    enum4linux groupadd helm hydra ibmcloud influx ipmipower ldapdomaindump mariadb mariadb-admin mariadb-dump
    mariadb-import medusa mongo mongodump mongoexport mongoimport mongorestore mongosh mongostat mycli mydumper
    mysql mysqladmin mysqlbinlog mysqlcheck mysqldump mysqlimport mysqlsh mysqlshow mysqlslap ncftp ncftpget
    ncftpput nerdctl oc oras paexec pfx2jks podman psexec psexec64 psinfo pskill pslist psloglist psservice
    psshutdown rabbitmqadmin racadm rdesktop smbmap sshpass unrar useradd usermod windapsearch xtrabackup
-P:
    proxytunnel bcp go-sqlcmd ipmitool isql mosquitto_pub mosquitto_rr mosquitto_sub osql sqlcmd tsql unzip zip
-w:
    ldapadd ldapcompare ldapdelete ldapmodify ldapmodrdn ldapsearch ldapvi ldapwhoami
-c -A -X -a: -x::
    snmpbulkget snmpbulkwalk snmpget snmpgetnext snmpset snmptable snmptrap snmpwalk
-hashes:
    atexec dcomexec getnpusers getuserspns secretsdump smbexec wmiexec
-U:
    nmblookup pth-winexe smbcacls smbget smbtree winexe
-pw:
    klink plink pscp psftp putty
/p:
    cmdkey sdl-freerdp signtool taskkill tasklist
-p -H:
    cme crackmapexec evil-winrm netexec nxc
-a:
    keydb-cli redis-benchmark valkey-cli
/p -p:
    freerdp wfreerdp xfreerdp
-a --auth:
    http https xh
-pwd:
    dsadd dsmod
-U --user:
    rpcclient smbclient
-c:
    snmp-check snmpcheck
-p -hp:
    rar winrar
--passphrase:
    gpg gpg2
-u -U --user --proxy-user --oauth2-bearer --pass --proxy-pass --tlspassword -b --cookie --key-pass -E --cert:
    curl
-a --pass:
    redis-cli
-w -s -a:
    ldappasswd
-u:
    lftp
-b:
    mosquitto_passwd
-pw -pass:
    kitty
/rp /p -rp:
    schtasks
-p -hashes:
    certipy
-id:
    nikto
-xp:
    sendemail
-ap --auth-password -a::
    swaks
-o:
    curlftpfs
-k -K -hmac -pass -passin -passout -psk -srppass -macopt:
    openssl
-N -P:
    ssh-keygen
-storepass -keypass -srcstorepass -deststorepass:
    keytool
-storepass -keypass:
    jarsigner
-passwd:
    x11vnc
-p --password:
    twine youtube-dl yt-dlp
--user -u:
    etcdctl
-ap:
    sipp
-t:
    doctl
"""


def _options() -> dict[str, tuple[str, ...]]:
    """Options by program: the lines of the table name options up to a colon, then programs."""
    table: dict[str, tuple[str, ...]] = {}
    options: tuple[str, ...] = ()
    for line in _OPTIONS.strip().splitlines():
        if line[:1] != " ":
            options = tuple(line[:-1].split())
        else:
            table.update(dict.fromkeys(line.split(), options))
    return table


SECRET_OPTIONS = _options()
"""Options that carry a secret, by program.

Where the option ends with a colon, its value must be longer than the name of an algorithm."""
KEEPS_USER = frozenset(
    [
        "curl",
        "http",
        "https",
        "lftp",
        "nmblookup",
        "pth-winexe",
        "rpcclient",
        "smbcacls",
        "smbclient",
        "smbget",
        "smbtree",
        "winexe",
        "xh",
    ]
)
"""Programs of which these options have `user:password` or `user%password`: the user remains."""
LOGIN_TOOLS = frozenset(
    ["airflow", "az", "buildah", "cf", "crane", "docker", "helm", "ibmcloud", "nerdctl", "oc", "oras", "podman"]
)
"""Programs whose `-p` is a password only when they log in."""
RUNNERS = frozenset(["docker", "podman", "nerdctl", "kubectl", "oc", "lxc", "docker-compose"])
"""Programs that start another one in a container."""
OTHERS = frozenset(
    [
        "net",
        "net1",
        "htpasswd",
        "wpa_passphrase",
        "nmcli",
        "rabbitmqctl",
        "sqlplus",
        "rman",
        "scp",
        "sftp",
        "rsync",
        "aws",
        "npm",
        "yarn",
        "vault",
        "cargo",
        "ngrok",
        "radtest",
        "mkpasswd",
        "bitsadmin",
        "reg",
    ]
)
"""Programs that have no such option, or whose passwords stand without one."""
WRAPPERS = frozenset(
    [
        "&",
        "&&",
        "(",
        ";",
        "builtin",
        "busybox",
        "call",
        "catchsegv",
        "chroot",
        "chrt",
        "command",
        "do",
        "doas",
        "dumb-init",
        "else",
        "env",
        "exec",
        "flock",
        "gosu",
        "if",
        "ionice",
        "ltrace",
        "nice",
        "nohup",
        "numactl",
        "parallel",
        "proxychains",
        "proxychains4",
        "runuser",
        "script",
        "setsid",
        "ssh",
        "sshpass",
        "start",
        "stdbuf",
        "strace",
        "su",
        "sudo",
        "systemd-run",
        "taskset",
        "then",
        "time",
        "timeout",
        "tini",
        "torify",
        "torsocks",
        "unbuffer",
        "watch",
        "while",
        "xargs",
        "{",
        "|",
        "||",
    ]
)
"""Words after which a program's name may stand."""
IMPACKET = frozenset(
    [
        "secretsdump",
        "wmiexec",
        "smbexec",
        "atexec",
        "dcomexec",
        "psexec",
        "getuserspns",
        "getnpusers",
        "gettgt",
        "getst",
        "getadusers",
        "lookupsid",
        "samrdump",
        "smbclient",
        "mssqlclient",
        "ticketer",
        "raisechild",
        "rpcdump",
        "reg",
        "services",
        "addcomputer",
        "rbcd",
        "ntlmrelayx",
    ]
)
"""Programs that take `domain/user:password`."""
SHELLS = frozenset(
    ["sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "cmd", "powershell", "pwsh", "python", "python3", "perl"]
)
"""Programs that take a command line as an argument."""
PROGRAMS = frozenset((*SECRET_OPTIONS, *OTHERS))
