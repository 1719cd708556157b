# Makes an LDAP server over TLS on this machine, for a trial: slapd with a certificate of an authority of its own.
# $1: name of this machine, as in the certificate; $2: the reader's password; $3: public key of ben, who may log in.
# Prints the authority's certificate. Everything lies in /srv/trial-directory; the unit is trial-directory.
set -eu
name=$1 password=$2 key=$3
place=/srv/trial-directory
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
apt-get -qq install --no-install-recommends -y slapd >/dev/null 2>&1
rm -f /usr/sbin/policy-rc.d
install -d -m 0755 "$place"; install -d -m 0700 "$place/data"
cd "$place"
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -keyout ca.key -out ca.pem -subj /CN=trial-authority 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj "/CN=$name" 2>/dev/null
printf 'subjectAltName=DNS:%s\n' "$name" > extensions
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile extensions -out server.pem \
  2>/dev/null
cat > slapd.conf <<END
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
attributetype ( 1.3.6.1.4.1.99999.1 NAME 'sshPublicKey' EQUALITY octetStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile $place/ca.pem
TLSCertificateFile $place/server.pem
TLSCertificateKeyFile $place/server.key
security tls=1
database mdb
suffix dc=trial
directory $place/data
rootdn cn=root,dc=trial
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact=cn=reader,dc=trial read by * none
END
cat > data.ldif <<END
dn: dc=trial
objectClass: dcObject
objectClass: organization
o: trial
dc: trial

dn: cn=reader,dc=trial
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: $password

dn: uid=ben,dc=trial
objectClass: account
objectClass: posixAccount
objectClass: extensibleObject
uid: ben
cn: Ben
uidNumber: 3001
gidNumber: 3001
homeDirectory: /nowhere
sshPublicKey: $key

dn: uid=eve,dc=trial
objectClass: account
objectClass: posixAccount
objectClass: extensibleObject
uid: eve
cn: Eve
uidNumber: 3002
gidNumber: 3002
homeDirectory: /nowhere
sshPublicKey: $key

dn: uid=mallory,dc=trial
objectClass: account
objectClass: posixAccount
uid: mallory
cn: Mallory
uidNumber: 0
gidNumber: 0
homeDirectory: /root

dn: cn=ben,dc=trial
objectClass: posixGroup
cn: ben
gidNumber: 3001

dn: cn=people,dc=trial
objectClass: posixGroup
cn: people
gidNumber: 4001
memberUid: ben
END
rm -f data/*
/usr/sbin/slapadd -q -f slapd.conf -l data.ldif
systemctl reset-failed trial-directory 2>/dev/null || :
systemctl stop trial-directory 2>/dev/null || :
systemd-run --quiet --collect --unit=trial-directory /usr/sbin/slapd -d 0 -h ldaps://:636/ -f "$place/slapd.conf"
cat ca.pem
