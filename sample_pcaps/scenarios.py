"""What happens in each capture: one function per capture, named as the file."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from lab import WORK, Host, Lab, LabError, capture, stop

LAN = "192.0.2"
LAN6 = "2001:db8:1:"
NGINX = """
daemon off;
worker_processes {workers};
pid /run/nginx.pid;
error_log /run/lab/nginx.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  types {{ text/html html; text/css css; application/json json; }}
  keepalive_timeout {keepalive};
{servers}
}}
"""
NSD = """
server:
  ip-address: 0.0.0.0
  ip-address: ::0
  username: nsd
  database: ""
  zonelistfile: "/run/nsd/zone.list"
  xfrdfile: "/run/nsd/xfrd.state"
  pidfile: "/run/nsd/nsd.pid"
  ipv4-edns-size: 4096
  ipv6-edns-size: 4096
  minimal-responses: yes
remote-control:
  control-enable: no
"""
HEAD = """$TTL 300
@ IN SOA ns1.{zone}. hostmaster.{zone}. 2024010101 3600 900 604800 300
@ IN NS ns1.{zone}.
ns1 IN A 192.0.2.53
"""
SHOP = "www IN A 192.0.2.80\napi IN A 192.0.2.80\n"
CORP = """
@ IN MX 10 mail
@ IN TXT "v=spf1 mx -all"
@ IN CAA 0 issue "ca.example"
ns1 IN AAAA 2001:db8:1::53
www IN A 192.0.2.80
www IN AAAA 2001:db8:1::80
www IN HTTPS 1 . alpn="h2,http/1.1"
intranet IN CNAME www
mail IN A 192.0.2.25
files IN A 192.0.2.21
bastion IN A 192.0.2.22
backup IN A 192.0.2.30
_ldap._tcp IN SRV 0 5 389 www
"""
REVERSE = "80 IN PTR www.corp.example.\n25 IN PTR mail.corp.example.\n"


def name_server(host: Host, zones: dict[str, str]) -> None:
    """Serve zones with NSD."""
    config = NSD
    for zone, records in zones.items():
        ns = "ns1.corp.example" if zone.endswith("arpa") else f"ns1.{zone}"
        head = HEAD.format(zone=zone) if ns.endswith(zone) else HEAD.format(zone="corp.example").rsplit("ns1 IN", 1)[0]
        host.write(f"zones/{zone}", head + records)
        config += f'zone:\n  name: "{zone}"\n  zonefile: "/run/lab/zones/{zone}"\n  provide-xfr: {LAN}.0/24 NOKEY\n'
    host.write("nsd.conf", config)
    host.run("chown", "nsd", "/run/nsd")
    host.start("nsd", "-d", "-c", "/run/lab/nsd.conf")
    host.listens(53, "u")


def web_server(host: Host, servers: str, port: int, workers: int = 1, keepalive: int = 5) -> None:
    """Serve ``/run/lab/site`` with nginx."""
    host.write("nginx.conf", NGINX.format(workers=workers, keepalive=keepalive, servers=servers))
    host.write("site/index.html", "<!doctype html><title>Shop</title>\n" + "<p>Nothing is for sale today.</p>\n" * 90)
    host.write("site/shop.css", "p { margin: 1em; color: #234; }\n" * 30)
    host.write("site/v1/status.json", '{"status": "ok", "queue": 3}\n')
    host.write("site/large.bin", bytes(range(256)) * 160)
    host.start("nginx", "-c", "/run/lab/nginx.conf")
    host.listens(port)


def file_server(host: Host, more: str = "") -> None:
    """Serve ``/srv/ftp`` to everybody with vsftpd."""
    host.write(
        "vsftpd.conf",
        "listen=YES\nbackground=NO\nanonymous_enable=YES\nlocal_enable=YES\nanon_root=/srv/ftp\nseccomp_sandbox=NO\n"
        "secure_chroot_dir=/run/vsftpd/empty\nconnect_from_port_20=YES\npasv_min_port=50000\npasv_max_port=50009\n"
        + more,
    )
    host.run("mkdir", "-p", "/srv/ftp/pub", "/srv/ftp/incoming")
    host.run("chown", "ftp", "/srv/ftp/incoming")
    host.run("sh", "-c", "seq 1 900 > /srv/ftp/pub/numbers.txt; echo hello > /srv/ftp/readme.txt")
    host.start("vsftpd", "/run/lab/vsftpd.conf")
    host.listens(21)


def certificates(folder: Path, *names: str) -> None:
    """Make an authority and a certificate for these names, valid for ten years."""
    elliptic = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650"]
    authority = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/O=Example Lab/CN=Example Lab Root"]
    server = ["-keyout", "server.key", "-out", "server.csr", "-subj", f"/O=Example Shop/CN={names[0]}"]
    sign = ["-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-out", "server.pem", "-days", "3650"]
    folder.joinpath("san").write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names))
    for words in (
        ["req", "-x509", *elliptic, *authority],
        ["req", *elliptic, *server],
        ["x509", "-req", *sign, "-extfile", "san"],
    ):
        done = subprocess.run(["openssl", *words], cwd=folder, check=False, capture_output=True, text=True)
        if done.returncode:
            raise LabError(f"openssl: {done.stderr}")


def web(lab: Lab, out: Path) -> None:
    """Two workstations, a shop: HTTP and HTTPS; seen from the switch's mirror port."""
    ws1, ws2 = (lab.host(name, dns=f"{LAN}.53") for name in ("ws1", "ws2"))
    ns, www, probe = lab.host("ns1"), lab.host("www"), lab.host("probe")
    for host, end in ((ws1, 11), (ws2, 12), (ns, 53), (www, 80)):
        lab.cable(host, f"{LAN}.{end}/24")
    lab.mirror(probe)
    name_server(ns, {"shop.example": SHOP})
    certificates(www.folder, "www.shop.example", "api.shop.example")
    tls = "listen 443 ssl; ssl_protocols TLSv1.2 TLSv1.3; "
    tls += "ssl_certificate /run/lab/server.pem; ssl_certificate_key /run/lab/server.key;"
    site = "root /run/lab/site; location /order { return 201 'order 4711\\n'; }"
    servers = f"server {{ listen 80; server_name www.shop.example; {site} }}\n"
    servers += f"server {{ {tls} server_name www.shop.example api.shop.example; {site} }}\n"
    web_server(www, servers, 443)
    for client in (ws1, ws2):
        client.write("ca.pem", (www.folder / "ca.pem").read_bytes())
    with capture(probe, out, interface="span0", recorded=(ws1, ws2)):
        pages = " ".join(f"http://www.shop.example/{page}" for page in ("", "shop.css", "missing.html"))
        ws1.run("sh", "-c", f"curl -sS {pages}; true", user="alice")
        order = "curl -sS -d article=17 -d amount=2 http://www.shop.example/order; true"
        ws1.run("sh", "-c", order, user="alice")
        ca = "--cacert /run/lab/ca.pem"
        ws2.run(
            "sh", "-c", f"curl -sS {ca} https://www.shop.example/ https://www.shop.example/shop.css; true", user="bob"
        )
        ws2.run("sh", "-c", f"curl -sS {ca} --tls-max 1.2 https://api.shop.example/v1/status.json; true", user="bob")


def dns(lab: Lab, out: Path) -> None:
    """Questions of many kinds, a truncated answer that TCP completes, answers in fragments, a zone transfer."""
    ws, ns = lab.host("ws", dns=f"{LAN}.53"), lab.host("ns1")
    lab.cable(ws, f"{LAN}.11/24", f"{LAN6}:11/64")
    lab.cable(ns, f"{LAN}.53/24", f"{LAN6}:53/64")
    long = "".join(f'large IN TXT "{number:03d} {"x" * 96}"\n' for number in range(30))
    name_server(ns, {"corp.example": CORP + long, "2.0.192.in-addr.arpa": REVERSE})
    questions = [
        "corp.example SOA", "corp.example NS", "corp.example MX", "corp.example TXT", "corp.example CAA",
        "www.corp.example A", "www.corp.example AAAA", "www.corp.example TYPE65", "intranet.corp.example A",
        "_ldap._tcp.corp.example SRV", "-x 192.0.2.80", "nowhere.corp.example A", "www.other.example A",
        "+noedns large.corp.example TXT", "+bufsize=4096 +ignore large.corp.example TXT",
        f"@{LAN6}:53 www.corp.example AAAA", f"@{LAN6}:53 +bufsize=4096 large.corp.example TXT",
        "+tcp www.corp.example A", "corp.example AXFR",
    ]  # fmt: skip
    with capture(ws, out):
        for question in questions:
            server = "" if "@" in question else f"@{LAN}.53 "
            ws.run("sh", "-c", f"dig +nocookie {server}{question}; true", user="alice")


def ssh(lab: Lab, out: Path) -> None:
    """A login with a key and one with a key that the server does not know."""
    ws, ns, bastion = lab.host("ws", dns=f"{LAN}.53"), lab.host("ns1"), lab.host("bastion")
    for host, end in ((ws, 11), (ns, 53), (bastion, 22)):
        lab.cable(host, f"{LAN}.{end}/24")
    name_server(ns, {"corp.example": CORP})
    for name in ("good", "unknown"):
        ws.run(
            "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name}@ws", "-f", f"/home/alice/{name}", user="alice"
        )
    bastion.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/run/lab/host_key")
    key = ws.run("cat", "/home/alice/good.pub")
    login = f"mkdir -p .ssh && printf '%s' '{key}' > .ssh/authorized_keys && chmod -R go= .ssh"
    bastion.run("sh", "-c", login, user="alice")
    bastion.write(
        "sshd_config",
        "Port 22\nHostKey /run/lab/host_key\nUsePAM no\nPasswordAuthentication no\nPidFile none\nPrintMotd no\n",
    )
    bastion.start("/usr/sbin/sshd", "-D", "-f", "/run/lab/sshd_config")
    bastion.listens(22)
    with capture(ws, out):
        options = "-o StrictHostKeyChecking=accept-new -o BatchMode=yes -o IdentitiesOnly=yes"
        session = f"ssh {options} -i good alice@bastion.corp.example 'uname -s; sleep 0.3; ls -l /; seq 400'; true"
        ws.run("sh", "-c", session, user="alice")
        ws.run("sh", "-c", f"ssh {options} -i unknown root@bastion.corp.example true; true", user="alice")


def mail_ftp(lab: Lab, out: Path) -> None:
    """A mail is sent; files are listed and fetched, passive and active; a login fails."""
    ws, ns = lab.host("ws", dns=f"{LAN}.53"), lab.host("ns1")
    mail, files = lab.host("mail"), lab.host("files")
    for host, end in ((ws, 11), (ns, 53), (mail, 25), (files, 21)):
        lab.cable(host, f"{LAN}.{end}/24")
    name_server(ns, {"corp.example": CORP})
    mail.write(
        "smtpd.conf",
        "listen on 0.0.0.0 hostname mail.corp.example\n"
        'action "local" maildir "/tmp/mail"\nmatch from any for domain "corp.example" action "local"\n',
    )
    mail.run("mkdir", "-p", "-m", "711", "/var/spool/smtpd", "/var/lib/opensmtpd/empty", "/run/opensmtpd/empty")
    mail.start("smtpd", "-d", "-f", "/run/lab/smtpd.conf")
    file_server(files)
    mail.listens(25)
    ws.write(
        "mail.txt", "From: alice@corp.example\r\nTo: bob@corp.example\r\nSubject: minutes\r\n\r\nSee you at ten.\r\n"
    )
    send = (
        "curl -sS smtp://mail.corp.example/ws.corp.example --mail-from alice@corp.example --mail-rcpt bob@corp.example"
    )
    ftp = "ftp://files.corp.example"
    with capture(ws, out):
        ws.run("sh", "-c", f"{send} -T /run/lab/mail.txt; true", user="alice")
        ws.run("sh", "-c", f"curl -sS {ftp}/ {ftp}/pub/numbers.txt; true", user="alice")
        ws.run("sh", "-c", f"curl -sS --ftp-port - {ftp}/readme.txt; true", user="alice")
        ws.run("sh", "-c", f"curl -sS --user bob:not-the-password {ftp}/; true", user="alice")


def slow_link(lab: Lab, out: Path) -> None:
    """An upload over a link of 4 Mbit/s with 80 ms round-trip time that loses frames; seen at the sender."""
    ws, backup = lab.host("ws"), lab.host("backup")
    lab.cable(ws, f"{LAN}.11/24", delay=0.02, loss=0.002)
    lab.cable(backup, f"{LAN}.30/24", delay=0.02, loss=0.015, rate=4e6)
    file_server(backup, "write_enable=YES\nanon_upload_enable=YES\nanon_umask=022\n")
    ws.write("backup.tar", bytes(range(256)) * 4800)
    with capture(ws, out, snaplen=96):
        ws.run("sh", "-c", f"curl -sS -T /run/lab/backup.tar ftp://{LAN}.30/incoming/; true", user="alice")


def scan(lab: Lab, out: Path) -> None:
    """A TCP SYN scan of 1000 ports of a host with three open ones, and a UDP scan of five; seen at the target."""
    scanner, target = lab.host("scanner"), lab.host("target")
    lab.cable(scanner, f"{LAN}.66/24", delay=0.001)
    lab.cable(target, f"{LAN}.80/24", delay=0.001)
    name_server(target, {"corp.example": CORP})
    web_server(target, "server { listen 80; root /run/lab/site; }", 80)
    target.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/run/lab/host_key")
    target.write("sshd_config", "Port 22\nHostKey /run/lab/host_key\nUsePAM no\nPidFile none\n")
    target.start("/usr/sbin/sshd", "-D", "-f", "/run/lab/sshd_config")
    target.listens(22)
    plain = out.with_suffix("")
    with capture(target, plain, interval=0.1):
        scanner.run("nmap", "-n", "-Pn", "-sS", "-p", "1-1000", "--max-rate", "800", f"{LAN}.80")
        scanner.run("nmap", "-n", "-Pn", "-sU", "-p", "53,69,123,161,500", "--max-retries", "1", f"{LAN}.80")
    compress(plain, out)


def compress(plain: Path, out: Path) -> None:
    """Compress a capture; its sidecar gets the name that belongs to it."""
    subprocess.run(["zstd", "-q", "-19", "--rm", "-f", str(plain), "-o", str(out)], check=True)
    for kind in ("jsonl", "meta.json"):
        plain.with_name(f"{plain.name}.connections.{kind}").rename(out.with_name(f"{out.name}.connections.{kind}"))


def download(
    lab: Lab, out: Path, size: int, *, options: str = "", pings: int = 0, rate: float = 0,
    queue: float = 0.25, burst: int = 0, delay: float = 0.01, control: str = "cubic",
) -> None:  # fmt: skip
    """A download over the workstation's link, with pings before, meanwhile and after; seen at its own end."""
    ws, files = lab.host("ws"), lab.host("files")
    lab.cable(ws, f"{LAN}.11/24", delay=delay, rate=rate, queue=queue, burst=burst)
    lab.cable(files, f"{LAN}.21/24", delay=delay)
    files.run("sysctl", "-qw", f"net.ipv4.tcp_congestion_control={control}")
    files.write("site/image.bin", bytes(range(256)) * (size // 256))
    files.start("/usr/bin/python3", "-m", "http.server", "80", "--directory", "/run/lab/site")
    files.listens(80)
    plain = out.with_suffix("")
    with capture(ws, plain, snaplen=96, interval=0.1):
        echoes = [ws.start("ping", "-q", "-c", str(pings), "-i", "0.2", f"{LAN}.21", user="alice")] if pings else []
        time.sleep(2 if pings else 0)
        ws.run("sh", "-c", f"curl -sS {options} -o /dev/null http://{LAN}.21/image.bin; true", user="alice")
        for echo in echoes:
            echo.wait(60)
    compress(plain, out)


def bufferbloat(lab: Lab, out: Path) -> None:
    """A download over a link of 4 Mbit/s whose queue holds 250 ms; a round trip takes 40 ms without it."""
    download(lab, out, 2_700_000, pings=48, rate=4e6, queue=0.25, control="reno")


def short_queue(lab: Lab, out: Path) -> None:
    """The same over a queue that holds 15 ms."""
    download(lab, out, 2_700_000, pings=48, rate=4e6, queue=0.015, control="reno")


def policed(lab: Lab, out: Path) -> None:
    """A download over a link that lets 8 Mbit/s pass and 250,000 bytes beyond, and drops the rest."""
    download(lab, out, 6_000_000, rate=8e6, queue=0, burst=250_000)


def paced(lab: Lab, out: Path) -> None:
    """A download over an unlimited link by a program that reads 600,000 bytes a second."""
    download(lab, out, 3_600_000, options="--limit-rate 600000")


SHARED = """exec 3<>/dev/tcp/192.0.2.11/80
sleep 2 &
printf 'GET /index.html HTTP/1.0\\r\\nHost: ws.corp.example\\r\\n\\r\\n' >&3
cat <&3 >/dev/null
wait
"""
SAME_PORT = """import socket
link = socket.socket()
link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
link.bind(("192.0.2.80", 45000))
link.connect(("192.0.2.11", 80))
link.sendall(b"GET /slow/large.bin HTTP/1.0\\r\\nHost: ws.corp.example\\r\\n\\r\\n")
while link.recv(65536):
    pass
"""


def contested(lab: Lab, out: Path) -> None:
    """Owners that are shared, missing, or two for one tuple; the recorder looks only twice a second."""
    app, ws = lab.host("app"), lab.host("ws")
    lab.cable(app, f"{LAN}.80/24", delay=0.0002)
    lab.cable(ws, f"{LAN}.11/24", delay=0.0002)
    slow = "root /run/lab/site; location /slow/ { alias /run/lab/site/; limit_rate 20k; }"
    web_server(app, f"server {{ listen 8080; {slow} }}", 8080, workers=2)
    web_server(ws, f"server {{ listen 80; {slow} }}", 80, keepalive=0)
    app.write("shared.sh", SHARED)
    app.write("same_port.py", SAME_PORT)
    app.run("sysctl", "-qw", "net.ipv4.tcp_tw_reuse=1")
    with capture(app, out, interval=0.5) as recorders:
        ws.run("curl", "-sS", f"http://{LAN}.80:8080/slow/large.bin", user="bob")
        for _ in range(3):
            ws.run("curl", "-sS", f"http://{LAN}.80:8080/shop.css", user="bob")
        app.run("bash", "/run/lab/shared.sh", user="alice")
        app.run("curl", "-sS", f"http://{LAN}.11/shop.css", user="alice")
        for user in ("alice", "bob"):
            app.run("python3", "/run/lab/same_port.py", user=user)
            app.run("sleep", "1.5")  # the kernel lets the port be used again one second after its end
        stop(recorders[0])
        app.run("curl", "-sS", f"http://{LAN}.11/index.html", user="alice")


def network(lab: Lab, out: Path) -> None:
    """Two routers between three VLANs: neighbours, echoes, traces; pcapng with nanoseconds from a mirror port."""
    ws, r1, r2, srv, probe = (lab.host(name) for name in ("ws", "r1", "r2", "srv", "probe"))
    lab.mirror(probe)
    for router in (r1, r2):
        router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    hop = "2001:db8:43:"
    lab.cable(r1, "192.0.2.1/24", "2001:db8:42::1/64", interface="eth0", vlan=42)
    lab.cable(
        r1, "198.51.100.1/24", f"{hop}:1/64", interface="eth1", vlan=43, gateway="198.51.100.2", gateway6=f"{hop}:2"
    )
    lab.cable(
        r2, "198.51.100.2/24", f"{hop}:2/64", interface="eth0", vlan=43, gateway="198.51.100.1", gateway6=f"{hop}:1"
    )
    lab.cable(r2, "203.0.113.1/24", "2001:db8:44::1/64", interface="eth1", vlan=44)
    lab.cable(srv, "203.0.113.80/24", "2001:db8:44::80/64", vlan=44, gateway="203.0.113.1", gateway6="2001:db8:44::1")
    with capture(probe, out, tool="dumpcap", interface="span0", recorded=(ws,)):
        lab.cable(
            ws,
            "192.0.2.11/24",
            "2001:db8:42::11/64",
            vlan=42,
            quiet=False,
            gateway="192.0.2.1",
            gateway6="2001:db8:42::1",
        )
        ws.run("sleep", "2")  # until duplicate address detection is through
        ws.run("ping", "-q", "-c", "3", "-i", "0.2", "203.0.113.80", user="alice")
        ws.run("ping", "-q", "-c", "3", "-i", "0.2", "2001:db8:44::80", user="alice")
        ws.run("ping", "-q", "-c", "1", "-s", "2000", "203.0.113.80", user="alice")
        ws.run("traceroute", "-n", "-q", "1", "-N", "3", "-m", "6", "203.0.113.80", user="alice")
        ws.run("traceroute", "-6", "-n", "-q", "1", "-N", "3", "-m", "6", "2001:db8:44::80", user="alice")
        ws.run("ping", "-q", "-c", "1", "-W", "1", "203.0.113.99", user="alice", status=None)


def damaged(lab: Lab, out: Path) -> None:
    """A download whose capture ends in the middle of a record, as when a disk is full."""
    ws, www = lab.host("ws"), lab.host("www")
    lab.cable(ws, f"{LAN}.11/24")
    lab.cable(www, f"{LAN}.80/24")
    web_server(www, "server { listen 80; root /run/lab/site; }", 80)
    with capture(ws, out):
        ws.run("sh", "-c", f"curl -sS http://{LAN}.80/index.html http://{LAN}.80/large.bin; true", user="alice")
    content = out.read_bytes()
    out.write_bytes(content[: cut_at(content, 30) + 16 + 400])


def cut_at(content: bytes, record: int) -> int:
    """Offset of a record (counted from 0) that holds at least 1000 bytes, at or after the given one, in a pcap file."""
    at, number = 24, 0
    while at < len(content):
        size = int.from_bytes(content[at + 8 : at + 12], "little")
        if number >= record and size >= 1000:
            return at
        at, number = at + 16 + size, number + 1
    raise LabError("the capture is too short to be cut")


SCENARIOS: dict[str, tuple[str, Callable[[Lab, Path], None]]] = {
    "web": ("web.pcap", web),
    "dns": ("dns.pcap", dns),
    "ssh": ("ssh.pcap", ssh),
    "mail-ftp": ("mail-ftp.pcap", mail_ftp),
    "slow-link": ("slow-link.pcap", slow_link),
    "scan": ("scan.pcap.zst", scan),
    "contested": ("contested.pcap", contested),
    "network": ("network.pcapng", network),
    "damaged": ("damaged.pcap", damaged),
    "bufferbloat": ("bufferbloat.pcap.zst", bufferbloat),
    "short-queue": ("short-queue.pcap.zst", short_queue),
    "policed": ("policed.pcap.zst", policed),
    "paced": ("paced.pcap.zst", paced),
}


def play(name: str, folder: Path) -> Path:
    """Play one scenario and return its capture in ``folder``."""
    file, scenario = SCENARIOS[name]
    WORK.mkdir(parents=True, exist_ok=True)
    with Lab(name) as lab:
        scenario(lab, folder / file)
    return folder / file
