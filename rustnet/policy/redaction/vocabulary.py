"""Words that stay under policies that keep common words: they are the same on very many systems and identify nobody.

A word that is not listed is replaced. Nothing is recognised by its looks: what a name could be is not known.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.lower().split())


SUFFIXES = _words("""
    academy aero agency app arpa art bar bet biz blog cat center chat city click cloud club com community company
    consulting coop corp dating design dev digital earth edu education email energy events example expert finance fit
    foundation fun games global gov group guru health home hosting house icu info institute int intranet internal
    international invalid io jobs lan life link live local localdomain localhost lol love ltd market marketing media
    mil mobi money museum name net network news ninja one onion online org page party photography photos pics plus post
    press pro rocks run sale school science security services shop show site social software solutions space store
    studio support systems team tech technology tel test today tools top travel tv university video vip watch web
    website wiki win work works world xyz zone
""")
"""Last labels of names that stay; those of registries stay too (`suffixes`)."""
HOST_LABELS = _words("""
    * _afpovertcp _airplay _airport _amt _appletv _autodiscover _companion-link _device-info _dmarc _dns _dns-sd
    _domainkey _ftp _gc _googlecast _gss-tsig _hap _homekit _http _https _imap _imaps _ipp _ipps _jabber _kerberos
    _kpasswd _ldap _ldaps _mail _matter _msdcs _mta-sts _nfs _pdl-datastream _pop3 _printer _privet _quic _raop
    _rdlink _rfb _scanner _services _sftp-ssh _sip _sips _sites _sleep-proxy _smb _smtp _spf _spotify-connect _ssh
    _stun _sub _submission _tcp _telnet _tls _turn _udp _uscan _uscans _vlmcs _workstation _xmpp-client _xmpp-server
    api app apps auth autoconfig autodiscover blog cache cdn cloud cms data db dc dev dns docs domaindnszones download
    downloads edge email files forestdnszones forum ftp gateway gc git gw help home host image images imap img in-addr
    ip6 isatap kb lb ldap login mail media mirror mobile mx news ns ntp outlook pdc pop pop3 portal prod proxy public
    relay remote root router search secure server sftp shop sip sites smtp sso stage staging static stats status
    storage support svc test time update updates upload uploads video voip vpn web webmail wiki wpad ws www xmpp
""")
HOST_NAMES = _words("* localhost ip6-localhost broadcasthost wpad isatap workgroup mshome __msbrowse__") | {
    "\1\2__msbrowse__\2"
}
"""Names of one label."""
ACCOUNTS = _words("""
    - ? _chrony adm admin administrator anonymous apache authority avahi backup bin changepw cifs cron daemon dbus
    debian-tor dns dnsmasq ftp games gc gnats guest halt host http imap irc kadmin krbtgt ldap list local lp mail man
    messagebus mysql network networkservice news nfs nginx nobody nt ntp operator polkitd postfix postgres proxy
    public redis restrictedkrbhost root rpc rpcss rtkit service shutdown smtp sshd sync sys syslog system systemd
    systemd-network systemd-resolve systemd-timesync tcpdump termsrv unbound usbmux user uucp uuidd wsman www www-data
    wwwrun
""")
"""Accounts of systems, services of Kerberos, and the words of Windows' own accounts."""
FOLDERS = _words("""
    (x86) - . .. aarch64-linux-gnu admin$ and any appdata application applications apps assets atsvc backup besteffort
    bin boot browse burstable c$ cache caches cgroup common commonfiles conf config containerd content contents cpu
    css data desktop dev devices dist docker docs documents downloads drivers epmapper etc etc.d eventlog exe
    extensions fd files files(x86) fonts framework frameworks frontend games globalroot home html images img include
    index init init.d init.scope initrd ipc$ js kubepods kubepods.slice lanman lib lib32 lib64 libexec library lo
    local log logs lost+found lsarpc macos mailslot media microsoft mnt modules music net netlogon node_modules ntsvcs
    null opt packages pictures pipe plugins print$ proc program programdata programs public python resources root run
    runtime samr sbin scripts sd security self services session settings share shared shm site-packages snap spool
    spoolss src srv srvsvc state static stderr stdin stdout svcctl system system.slice system32 systemd sysvol
    syswow64 task temp templates tmp tools user user.slice users usr utilities var versions video videos web windows
    winreg winsxs wkssvc worker www x86 x86_64 x86_64-linux-gnu ~
""")
"""Directories and names in them that systems have."""
ENDINGS = _words("""
    1 2 3 7z a aac apk app asp aspx avi bak bash bat bin bmp bz2 c cab cap cc cdx cer cfg cgi class cmd conf cpp crt
    csr css csv dat db deb der dll dmg doc docx duckdb dylib eml etl evtx exe flac flv gif gpg gz h htm html ico img
    inf ini ipa ipynb iso jar java jpeg jpg js json jsonl jsp key ko lib lnk lock log lua lz4 m3u8 m4a m4s map md mdb
    mkv mmdb mov mp3 mp4 mpd mpg msg msi ndjson o odp ods odt ogg old orig otf out parquet part pcap pcapng pdb pdf
    pem pfx php pid pl png pol ppt pptx ps1 psd py pyc rar rb rpm rtf scope scr scss service sh slice so sock socket
    sql sqlite svg swf sys tar tgz tif tiff tmp toml torrent ts tsv ttf txt vbs vhd vmdk wal wasm wav webm webp wim
    wma wmv woff woff2 xls xlsx xml xz yaml yml zip zst
""")
"""Endings of files."""
SOFTWARE = _words("""
    aarch64 agent airplay akamai alpine amazon amd64 android ansible apache apachebench api apple applewebkit
    application apt aria2 arm arm64 armv7l armv8 audio avahi aws azure backend bash bbot bind bing bingbot bits
    bittorrent bluetooth bot boto3 browser build busybox caddy cam camera centos cfnetwork charon chrome chrome.exe
    chromeos chromium cisco client cloudflare cloudfront cmd cmd.exe code com compatible conhost conhost.exe connect
    containerd core coredns cpu cron crond cscript cups cupsd curl daemon dart darwin dash datacenter db dbus debian
    deluge deno desktop device dhclient dhcpcd dig discord dnsmasq docker dockerd dotnet dovecot dropbear dropbox
    dynamic edg edge edition elasticsearch electron embedded engine enterprise envoy epiphany esp32 espressif exim
    explorer explorer.exe facebook fedora feed fetch filezilla firefox firefox.exe fox framework freebsd ftp galaxy
    gecko generic git github gnome gnu go golang google googlebot gunicorn gvfsd h2o haproxy headless hp hpe http
    httpclient httpd https httpx huawei i386 i486 i586 i686 iexplore iexplore.exe iis imap init intel internet ios iot
    ip ipad iphone ipp irssi java java_home jdk jetty jre juniper kafka kde kernel kernel32 khtml kube-proxy kubelet
    kworker laptop launchd lib libcurl libtorrent libwww lighttpd like linksys linux linuxmint lsass lsass.exe lynx
    mac mac_os_x macbook macintosh macos mail manager mariadb microsoft microsoft-ds mikrotik mobile mongod mongodb
    mosquitto mozilla mqtt ms msedge msedge.exe mshta msie mtr mutt mysql mysqld named nas nc ncat netbsd netcat
    netflix netgear network networkmanager nfs nginx nmap node nodejs nokia notepad ns nss nt ntp ntpd ntpdate office
    ok okhttp onedrive onedrive.exe openbsd openresty openssh openssl openvpn opera oracle os outlook outlook.exe pack
    paramiko pc perl phone php php-fpm ping pip plex postfix postgres postgresql powershell powershell.exe preempt
    presto printer professional proftpd proxy puma puppet pure-ftpd putty pwsh python python2 python3 qbittorrent qt
    quic raspberry raspbian razor rclone rdp red redhat redis redis-server regsvr32 release requests resolver
    restsharp rhel router rpc rsync rsyslogd ruby runc rundll32 rundll32.exe rust rv s3 safari salt samba samsung
    scanner scapy schtasks scp screen sdk search security sendmail server service services services.exe sftp sh shell
    shellexperiencehost signal sip skype slack smart smartphone smb smbd smp smtp snapd snmp snmpd solaris sony spark
    spotify spotlight squid ssdp ssh ssh-agent sshd ssl standard steam storage stun sudo suse svchost svchost.exe svn
    switch synology syslog system system32 systemd systemd-networkd systemd-resolved systemd-timesyncd tablet tcp
    tcpdump teams teams.exe telegraf telegram telnet test thunderbird tls tmux tomcat tor touch transmission trident
    tshark tv u ua ubuntu udev udp unix update upnp urllib urllib2 urllib3 user-agent uvicorn version viber video
    virtualbox vivaldi vlc vm vmware vpn vscode vsftpd wayland web webkit wechat werkzeug wget whatsapp wifi win32
    win64 windows windowsupdate winhttp wininet winlogon winrm wireguard wireless wireshark wmic workstation wow64
    wpa_supplicant wscript wsl wslhost x11 x64 x86 x86_64 xbox xen xfce xiaomi xorg yahoo yum zabbix zeek zoom zsh
""")
"""Programs, systems, makers and devices of which there are very many."""
TERMS = _words("""
    1.0 1.1 2 2.0 3des abor accept acct acl adat add aes aes128 aes192 aes256 aggregate allo announce ansi apop appe
    append application arcfour atom audio auth authenticate avp base64 bdat bind blowfish boundary buildinfo burl
    bytes c caching_sha2_password calendar capa capability cast128 cbc cbor ccc cdup cert chacha20 charset check
    chunked cleartext client client_error client_port close cmac cn component compress configurationnamingcontext
    connect connection content copy count cram create createindexes css csv ctr curve25519 curve448 cwd data dc de
    decr defaultnamingcontext deflate dele delete deleted des describe description dh dialup diffie digest directory
    displayname distinct dn dnshostname drop dsa dss dtd dumb ecdh ecdhe ecdsa ed25519 ed448 ehlo en enable enc
    encoded encrypted end endsessions eprt epsv error es etm etrn event examine excel exchange exists expn expunge ext
    external feat fetch file find flac flush_all font font-woff form form-data fr gb gcm get get-parameter
    getlasterror getmore getquota getquotaroot gets gex gif givenname graphql group group1 group14 group15 group16
    group17 group18 grpc gs2 gss gssapi gzip h2 h2c h3 h3-29 head hellman hello helo help highestcommittedusn hmac
    hostkey html http http/0.9 http/1.0 http/1.1 icon id idea identity idle image incr info insert interleaved invite
    iq isdbgrid ismaster iso ja jabber javascript jpeg json keep-alive kex killcursors kyber ldapservicename
    libssh.org link linux list listcollections listdatabases lock login logout lsub lysator.liu.se mail manifest md5
    mdtm media member memberof merge message mic mixed mkcol mkd mlkem768 mlkem768x25519 mlsd mlst mode move mp2t mp4
    mpeg mpegurl ms msword multicast multipart mysql_clear_password mysql_native_password name namespace
    namingcontexts nat negotiate netlogon network nist nistp nistp256 nistp384 nistp521 nlst none noop not_found
    not_stored notify ntlm ntlmv2 number oauthbearer objectclass objectguid objectsid ocsp ocsp-request ocsp-response
    octet octet-stream officedocument ogg ok openssh.com openxmlformats options opts ou pack pass password pasv patch
    pause pbsz pdf ping pipelining pkix-cert pkix-crl plain play plus png poly1305 port post powerpoint prack prepend
    problem propfind proppatch prot proto protobuf publish put pwd q quit range rcpt rdf record redirect refer
    register rein rename replace report rest retr rfc822 rijndael ripemd160 rmd rnfr rnto rootdomainnamingcontext rsa
    rsa1024 rsa2048 rset rss rtf rtp rtp/avp rtp/savp rtp/savpf rtsp s samaccountname sasl saslcontinue saslstart savp
    schemanamingcontext scram screen sctp search select server server_error server_port serviceprincipalname set
    set-parameter setup sha sha1 sha2 sha256 sha256_password sha384 sha512 sheet shockwave-flash simple sip/2.0 site
    size sk smil smnt sn sntrup761 sntrup761x25519 soap sort spdy spnego sql ssh sspi starttls stat stats status stls
    stor store stored stou stream strict stru subschemasubentry subscribe supportedcapabilities supportedcontrol
    supportedextension supportedldapversion supportedsaslmechanisms svg syst tar tcp teardown text thread tiff tls top
    touch touched trace trust turn txt type udp uid uidl umac unicast unlock unsubscribe update url urlencoded us
    us-ascii user useraccountcontrol userprincipalname utf-8 utf8 v00 v01 v1 v2 v3 verbosity version video vnd vorbis
    vrfy vt100 vt220 wasm wav wbxml webm webp websocket whencreated windows wml woff woff2 word ws wss x x-bittorrent
    x-gzip x-icon x-javascript x-tar x-www-form-urlencoded x25519 xclient xforward xhtml xml xoauth2 xpm xterm
    xterm-256color yaml zh zip zlib
""")
"""Words of protocols where a sender may choose another."""
TERMS |= _words("""
    acme-tls apns-pack-v1 apns-security-v3 c-webrtc co coap dicom doq dot ftp grpc-exp h3-q043 h3-q046 h3-q050 hq hq-29
    hq-interop http%2f1.1 imap irc managesieve mqtt netconf nntp ntske pop3 postgresql radius sip smb smtp
    stun.nat-discovery stun.turn sunrpc tds webrtc xmpp-client xmpp-server
""")  # names of protocols that TLS negotiates (ALPN), which redacted packets keep too
TERMS |= _words("""
    admin away bad bye cap clnt done getacl host ison join kick kill lang lhlo links lusers motd names nick no notice
    oper part pong preauth privmsg time topic unselect userhost who whois whowas xcwd xmkd xpwd xrmd
""")  # commands and answers of mail, FTP and IRC, which redacted packets keep too
TEXT = _words("""
    -all ?all a aaaa abort aborted about accept accepted access account ack acknowledged action active activity add
    added address addresses administered after again all allowed alpn already an and announced anonymous another answer
    answered any app appears are argument arguments arp as ascii ask asked at attempt audio authenticated
    authentication authorization authorized available awaiting bad be because been before begin begins begun between
    bgp block blocked boot both bridge broadcast broken browser but by byte bytes calico camera cannot capture captured
    card cert certificate certificates challenge changed channel checksum cipher class client close closed closing
    cname code codes column columns command commands complete completed compression configuration connect connected
    connecting connection connections contains content continue control controller copies copy count create created
    credentials cut data database datagram day days decode decoded default delivered denied description destination
    device dhcp differ different digest direction directory disabled disconnect disconnected dissector dkim1 dmarc1 dns
    do docker does dohpath domain done down dropped duplicate during each ech either empty enabled encrypted encryption
    end ended ends entering error errors established exceeded exceeds exist exists exp expected expired extension
    failed failure field fields file files filter fin first flag flags flow flows for forbidden format found fragment
    fragments frame frames from ftp full gap gateway given goodbye got gre greeting group gtp handshake has have header
    headers hello here hex high hop host hour hours http https icmp icmpv6 id identifier idle if igmp ignored illegal
    imap in include incomplete incorrect input inside instead insufficient interface internal invalid iodef ip ip4 ip6
    ipsec ipv4 ipv4hint ipv4only ipv6 ipv6hint is issue issuewild it item its json jump jumped kerberos key kind known
    krbtgt kubernetes large larger last later layer ldap lease left length less level limit limits line lines link list
    load local locally locked log logged login logon long longer lookup lost mail mailbox malformed mandatory many
    master match matches maximum may means memory message messages method milliseconds minimum minute minutes missed
    missing mode more most moved mpls mqtt mss mtu multiple must mx name named names nat negotiated network never new
    next nfs no no-default-alpn none not nothing notice ns ntp null number numbers object of off offset ok old on once
    one only open opened operation option options or order ospf other out outside overlap overlapping own packet
    packets page parameter parameters parser part partial pass pass_failed password path payload peer permanent
    permanently permission permitted phone please pleased plugin point policy pop3 port ports present presented printer
    private process profile program protocol provided psh ptr public qemu quarantine query queue quic quit quota radius
    rate rdp read reading ready reason received record records redirect refused register registered reject rejected
    relay relaying remote renewed repeat repeated replaced reply request requested requests required reserved reset
    resource response responses restart result retransmission retransmitted retry return root rootdevice router row
    row_cut row_not_stored rows rpc rsa rst rtp rtsp rule same schemas-upnp-org sctp second seconds seen segment
    segments send sender sending sent sequence sequence_jump server service session sessions set sets shorter should
    shut shutdown sign signature since sip size skipped small smaller smb smtp snmp so soa socks some source spf spf1
    srv ssdp:all ssh start started state states stop stopped stored stream string stun success successful successfully
    such support supported switch syn syntax system table tables target tcp temporarily temporary terminated test text
    than that the their them then there these they this through time timed timeout times tls to token too total
    transaction transfer transport truncated try ttl two txt type udp unable unauthorized unavailable under unexpected
    unexpectedly unique unit unknown unreachable unsupported until up update upnp urn used user users using usual utf-8
    v valid value value_not_stored values verification verify version very via video virtual vlan vxlan wait waiting
    warning was way we welcome were when where which while window with within without word write wrong xml yes you your
    zero zone ~all
""") | _words("nxdomain nxrrset ohttp prereq yxdomain yxrrset")  # the latter of dynamic updates and service bindings
"""Words of messages, and of those that rustnet writes itself."""
OBJECTS = _words("""
    0 admin analytics any app data default dev guest home information_schema internet iot kube-node-lease kube-public
    kube-system lan lo local log logs main master model msdb mysql office performance_schema postgres private prod
    production public queue replication root staging sys system temp tempdb template0 template1 test trunk users vlan
    wan web wifi
""")
"""Names of databases, queues, networks and namespaces that systems come with."""
INTERFACES = _words(
    "any awdl bond br bridge cni dummy en em ens eno eth llw lo rmnet_data tap tun utun vlan wlan wg wwan"
)
"""Beginnings of names of network interfaces, before a number."""
OPTIONS = _words("""
    a address all api arg args background bind browser c cache cert class client code color conf config config-file
    connect connection core count cpu d daemon data database date db debug default device dir disable display dns
    domain dport e enable encoding env error exec execute f features field file flag for force foreground format g gpu
    group h handle header help host http https id in include info init input insecure interface interval ip ipv4 ipv6
    json k keep key l lang length level lib limit line list listen local locale location log log-level m master max
    memory message method min mode module mojo monitor n name net network new no node nofork none o off offset on only
    option options out output p package parent password path pid pidfile plugin port process profile protocol proxy q
    quiet r rate read recursive release remote renderer request retry root s seconds secure security server service
    session silent size socket sort source sport start state stdin stdout sub system t target tcp test text threads
    time timeout tls to token trace type u udp uid unit update url use user user-agent v verbose version w wait web
    window with worker workers write x y yes z
""")
"""Words of options of programs."""
URI_WORDS = _words("""
    .well-known about acme-challenge action admin ajax api app apple-touch-icon assets auth category cgi-bin check
    client cmd connecttest contact content control count crl css data date default desc description device dist
    dns-query docs download downloads en error event events favicon feed fetch file files fonts form format gateway
    generate_204 get graphql health help home hotspot-detect html id image images img include index info js json key
    lang latest lib limit list load locale login logout main media message messages metrics mode name ncsi new news
    next null ocsp offset order page pages path ping plugins post products profile public q query ready redirect
    register report resources result robots root rootdesc rss search session set settings signup site sitemap size
    sort start static stats status style styles success svc system tag test text theme themes time title token ts type
    update upload uploads upnp url user users utf8 v v1 v2 v3 v4 value version video view web well-known wp-admin
    wp-content wp-includes wp-login ws xml
""")
"""Parts of paths and names of parameters in URIs."""
SCHEMES = _words("""
    aaa about amqp amqps bolt coap coaps data dav dict dns ed2k file ftp ftps gemini geo git gopher h323 http https
    icap imap imaps info ipp ipps irc ircs jdbc ldap ldaps magnet mailto mid mms mongodb mqtt mqtts mysql news nfs
    nntp pop postgres postgresql redis rediss rmi rsync rtmp rtmps rtsp rtsps s3 sftp sip sips smb sms smtp snmp socks
    socks5 ssh stun svn tcp tel telnet tftp tls turn udp unix urn vnc ws wss xmpp
""")
"""Schemes of URIs."""
AUTHORITIES = frozenset(
    line.strip()
    for line in """
    amazon
    apple inc.
    baltimore
    buypass as-983163327
    certum
    cloudflare, inc.
    comodo ca limited
    default company ltd
    digicert
    digicert inc
    entrust, inc.
    geotrust inc.
    globalsign
    globalsign nv-sa
    godaddy.com, inc.
    google trust services
    google trust services llc
    identrust
    internet security research group
    internet widgits pty ltd
    isrg
    let's encrypt
    microsoft corporation
    quovadis limited
    sectigo limited
    starfield technologies, inc.
    swisssign ag
    symantec corporation
    thawte, inc.
    the usertrust network
    trustwave holdings, inc.
    verisign, inc.
    zerossl
""".splitlines()
)
"""Names of certification authorities, and those that programs put in certificates by default."""
