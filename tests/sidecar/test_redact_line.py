"""What is hidden in command lines of which only the text is known: those of logs, foreign sidecars and comments."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.probe.redact import redact_line

MARK = "Zq7-hunter2"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


def encoded(script: str) -> str:
    """A script as PowerShell takes it in Base64."""
    return base64.b64encode(script.encode("utf-16-le")).decode("ascii")


SECRET = [
    "mysql -u root -p{} shop", "mysql -p{}", "/usr/bin/mysql --user=root --password={} shop", "mysqldump -uroot -p{} --all",
    "sudo mysql -p{} -e 'select 1'", "mysqladmin -u root password {}", "env MYSQL_PWD={} mysql", "PGPASSWORD={} psql -h db",
    "sshpass -p {} ssh -p 22 bob@h", "sshpass -p{} ssh h", "curl -u bob:{} https://h/", "curl -sSu bob:{} https://h/",
    "curl --user bob:{} h", "curl --user=bob:{} h", 'curl -H "Authorization: Bearer {}" h', "curl -H Authorization: Bearer {} https://h/",
    "curl -H 'Authorization: Basic {}' h", "curl -H X-Api-Key: {} https://h/", "curl -H 'X-Auth-Token: {}' h",
    "curl --oauth2-bearer {} h", "curl -b session={} h", "curl -H Cookie: session={} https://h/", "curl -d password={} https://h/",
    "curl -d 'user=bob&pass={}' https://h/", "curl 'https://h/?token={}&x=1'", "curl https://bob:{}@h/x",
    "wget --password={} https://h/", "wget --http-password={} h", "wget --ftp-password {} ftp://h/",
    "openssl pkcs12 -in a.p12 -passin pass:{}", "openssl enc -aes-256-cbc -k {} -in a", "openssl rsa -passout pass:{} -in k",
    "AWS_SECRET_ACCESS_KEY={} aws s3 ls", "aws configure set aws_secret_access_key={}", "aws --secret-access-key {} s3 ls",
    "app --token {}", "app --token={}", "app --api-key {}", "app --api-key={}", "app --apikey={}", "app -token {}",
    "app --client-secret {}", "app --access-token={} --region eu", "app --secret={}", "app --private-key={}", "app --pass {}",
    "app --passwd={}", "app --passphrase {}", "app --auth-token {}", "app --db-password={}", "app --dbpass={}", "app PASS={}",
    "app DB_PASS={} x", "app 'password: {}'", "app {{\"password\": \"{}\"}}", "app {{'api_key': '{}'}}", "app pwd={}",
    "net use \\\\srv\\share /user:DOM\\bob {}", "net use X: \\\\srv\\share {} /user:bob", "net user bob {} /add",
    "C:\\Windows\\System32\\net.exe use \\\\srv\\c$ /user:bob {}", "cmdkey /add:srv /user:bob /pass:{}",
    "psexec \\\\srv -u bob -p {} cmd.exe", "PsExec64.exe \\\\srv -u bob -p {} cmd", "wmic /node:srv /user:bob /password:{} os",
    "schtasks /create /ru bob /rp {} /tn x", "plink -ssh bob@h -pw {}", "xfreerdp /u:bob /p:{} /v:h", "rdesktop -u bob -p {} h",
    "sqlcmd -S srv -U sa -P {}", "bcp db.t out f -U sa -P{}", "osql -U sa -P {}",
    "redis-cli -a {} info", "redis-cli -h h -a {}", "mongo -u bob -p {} db", "mongodump --password {}",
    "mongosh mongodb://bob:{}@h/db", "psql postgresql://bob:{}@h/db", "psql 'host=h password={} user=bob'",
    "smbclient -U bob%{} //h/s", "smbclient //h/s -U DOM\\bob%{}", "rpcclient -U bob%{} h", "winexe -U DOM/bob%{} //h cmd",
    "ldapsearch -x -D cn=admin -w {} -b dc=x", "ldapmodify -w{} -f x", "docker login -u bob -p {} reg.example",
    "podman login -u bob --password {} reg.example", "docker run -e MYSQL_ROOT_PASSWORD={} mysql",
    "docker exec db mysql -uroot -p{}", "kubectl exec pod -- mysql -p{}", "kubectl create secret generic x --from-literal=password={}",
    "helm registry login -u bob -p {} h", "oc login --token={}", "vault login token={}", "VAULT_TOKEN={} vault read x",
    "powershell ConvertTo-SecureString '{}' -AsPlainText -Force", "powershell -c \"ConvertTo-SecureString -String {} -AsPlainText\"",
    "powershell \"'{}' | ConvertTo-SecureString -AsPlainText -Force\"", "powershell Connect-X -Password {}",
    "powershell New-Object PSCredential('bob', '{}')", "powershell [Net.NetworkCredential]::new('bob','{}')",
    "powershell $password = \"{}\"", "pwsh -Credential (New-Object System.Net.NetworkCredential('bob','{}'))",
    "zip -P {} a.zip f", "unzip -P {} a.zip", "7z a -p{} a.7z f", "rar a -hp{} a.rar f", "gpg --batch --passphrase {} -c f",
    "sh -c 'mysql -p{} shop'", "sh -c \"PGPASSWORD='{}' psql\"", "bash -c \"echo {} | sudo -S ls\"", "echo {} | docker login --password-stdin",
    "cmd /c net use \\\\srv\\x /user:bob {}", "git clone https://bob:{}@git.example/x", "git clone https://oauth2:{}@git.example/x",
    "mount -t cifs //h/s /m -o username=bob,password={}", "mount.cifs //h/s /m -o user=bob,pass={}",
    "java -Djavax.net.ssl.keyStorePassword={} -jar x.jar", "keytool -list -storepass {}", "htpasswd -b f bob {}",
    "htpasswd -nb bob {}", "mosquitto_pub -u bob -P {} -t x", "snmpwalk -v2c -c {} h", "snmpget -v3 -A {} h",
    "ipmitool -U bob -P {} h", "secretsdump.py DOM/bob:{}@10.0.0.1", "impacket-psexec bob:{}@10.0.0.1",
    "crackmapexec smb h -u bob -p {}", "evil-winrm -i h -u bob -p {}", "sendemail -xu bob -xp {}", "useradd -p {} bob",
    "http -a bob:{} GET h", "svn --username bob --password {} co x", "svn co x --password={}", "lftp -u bob,{} h",
    "mysql -e \"ALTER USER bob IDENTIFIED BY '{}'\"", "psql -c \"ALTER USER bob WITH PASSWORD '{}'\"",
    "mysql -e \"SET PASSWORD FOR bob = '{}'\"", "nmcli dev wifi connect x password {}", "wpa_passphrase net {}",
    "sqlplus scott/{}@db", "export TOKEN={}", "set PASSWORD={}", "SECRET_KEY={} python x.py", "DJANGO_SECRET_KEY='{}' run",
    "DATABASE_URL=postgres://bob:{}@h/db run", "app --connection-string 'Server=h;Password={};'", "app /password:{}", "app /pwd:{}",
    "app --proxy http://bob:{}@proxy:3128", "ftp://bob:{}@h/x", "restic -r s3:x --password={}", "curl -x http://bob:{}@p h",
    "https://h/x?access_token={}", "https://h/x?sig={}&se=1", "amqp://bob:{}@h/vhost", "redis://:{}@h:6379/0",
]  # fmt: skip
TOKENS = [
    JWT, "ghp_0123456789abcdefghijABCDEFGHIJ012345", "glpat-abcdefghij0123456789", "AKIAIOSFODNN7EXAMPLE",
    "xoxb-123456789012-abcdefghijkl", "AIzaSyA0123456789abcdefghijklmnopqrstuv", "hvs.CAESIJ0123456789abcdef",
    "sk_live_0123456789abcdefghij", "npm_0123456789abcdefghijABCDEFGHIJ012345", "SG.abcdefghijklmnop.qrstuvwxyz0123456789",
]  # fmt: skip
INNOCENT = [
    "curl -u bob https://h/", "smbclient -U bob //h/s", "ssh -p 22 bob@h", "ssh -p 2222 -i /home/bob/key h", "mkdir -p /tmp/x", "cp -p a b", "docker run -p 80:80 nginx",
    "docker run --name mysql -p 3306:3306 mysql:8", "ps -u root -p 1", "curl --compressed https://h:80/passage",
    "ftp --passive h", "git clone ssh://git@h.example/x", "git push origin main", "scp -P 2222 f h:", "nmap -p 1-1000 h",
    "psql --no-password -h db -U bob shop", "app --ask-pass", "app --password-file=/etc/x", "docker login --password-stdin",
    "python train.py --max-tokens 100 --tokenizer bert", "tokenize --tokens=3", "compass=north bypass=1", "app --bypass yes",
    "PWD=/home/bob OLDPWD=/tmp ls", "env PWD=/srv/app node x.js", "SSH_ASKPASS=/usr/bin/x ssh h", "passwd bob",
    "/usr/sbin/sshd -D -p 22", "keyboard --layout de", "monkey --key-size=2048", "openssl s_client -connect h:443",
    "curl https://h/users?sort=key&page=2", "wget https://h/secrets-of-the-sea.html", "vim password.txt", "cat /etc/passwd",
    "C:\\Program Files\\App\\app.exe --type=renderer --lang=de", "svchost.exe -k netsvcs -p -s Schedule",
    "C:\\Windows\\system32\\svchost.exe -k LocalService -p", "net use", "net start spooler", "net user bob", "net user /domain",
    "java -Xmx2g -Dfile.encoding=UTF-8 -jar app.jar", "kubectl get secrets", "kubectl get secret my-secret -o yaml",
    "sh -c 'ls -la | grep pass'", "bash -c 'for i in 1 2; do echo $i; done'", "app --password=$DB_PASSWORD", "app --token ${TOKEN}",
    "rsync -avp a b", "tar -xpf a.tar", "mysqld --port=3306", "redis-server *:6379", "postgres: bob shop [local] idle",
    "nginx: worker process", "sshd: bob@pts/0", "http-server -p 8080", "python -m http.server -b 127.0.0.1",
    "chrome --user-data-dir=/home/bob/.config --auth-server-allowlist=x", "basic training --level 3",
    "journalctl -u nginx -p err", "node --inspect=127.0.0.1:9229 server.js", "socat TCP:h:80 -",
]  # fmt: skip


@pytest.mark.parametrize("template", SECRET)
def test_a_secret_is_hidden_and_the_rest_remains(template: str) -> None:
    line = template.format(MARK)
    shown = redact_line(line)
    assert MARK not in shown
    assert "hunter2" not in shown
    assert "***" in shown
    assert shown.split()[0] == line.split()[0] or "***" in shown.split()[0]
    assert redact_line(shown) == shown


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("template", ["app {}", "app -x {} y", "app --flag={}", "https://h/{}/x"])
def test_a_token_is_hidden_wherever_it_stands(template: str, token: str) -> None:
    assert token[:-8] not in redact_line(template.format(token))


@pytest.mark.parametrize("line", INNOCENT)
def test_an_innocent_line_is_left_alone(line: str) -> None:
    assert redact_line(line) == line


@pytest.mark.parametrize("flag", ["-enc", "-EncodedCommand", "-e", "/ec"])
def test_an_encoded_script_is_hidden_if_it_has_a_secret(flag: str) -> None:
    secret = encoded(f"net use \\\\srv\\x /user:bob {MARK}")
    assert redact_line(f"powershell.exe -nop {flag} {secret}") == f"powershell.exe -nop {flag} ***"
    innocent = f"powershell.exe -nop {flag} {encoded('Get-Process')}"
    assert redact_line(innocent) == innocent


@given(st.text(max_size=200))
def test_any_text_can_be_read(line: str) -> None:
    assert isinstance(redact_line(line), str)
