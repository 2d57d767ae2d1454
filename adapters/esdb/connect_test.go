package esdb_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"samtykke/adapters/esdb"
	"samtykke/adapters/esdb/esdbtest"
	"samtykke/adapters/ledger/ledgertest"
)

const password = "pa55-word"

func TestConnectionStringsThatAreRefused(t *testing.T) {
	for connection, why := range map[string]string{
		"":                                                                "not a connection string",
		"http://localhost":                                                "not a connection string",
		"esdb://":                                                         "not a connection string",
		"esdb://[::1]:2113":                                               "not a connection string",
		"esdb://localhost/path":                                           "not a connection string",
		"esdb://:pa55-word@localhost":                                     "not a connection string",
		"esdb://me:pa55-word/x@localhost":                                 "not a connection string", // a slash that was not written %2F
		"esdb://me:pa55-word%zz@localhost":                                "not a connection string",
		"esdb://localhost?tls=%zz":                                        "not a connection string",
		"esdb://me:pa55-word@localhost?tls=false":                         "would send none",
		"esdb://me@localhost":                                             "would send neither",
		"esdb://localhost?tlss=true":                                      "does not know",
		"esdb://localhost?tls=no":                                         "tls is true or false",
		"esdb://localhost?tls=true&tls=false":                             "more than once",
		"esdb://localhost?defaultDeadline=soon":                           "defaultDeadline is a number",
		"esdb://localhost?defaultDeadline=0":                              "defaultDeadline is a number",
		"esdb://localhost?gossipTimeout=500":                              "seconds, not milliseconds",
		"esdb://localhost?maxDiscoverAttempts=0":                          "maxDiscoverAttempts is a number",
		"esdb://localhost?keepAliveInterval=1000":                         "keepAliveInterval is a number",
		"esdb://localhost?nodePreference=follower":                        "nodePreference is leader",
		"esdb://localhost?tlsCAFile=/nowhere":                             "cannot be read",
		"esdb://localhost?userCertFile=/nowhere":                          "cannot be read",
		"esdb://me:pa55-word@localhost?tlsVerifyCert=false":               "whoever answers",
		"esdb://localhost?userCertFile=connect.go":                        "both or none",
		"esdb://localhost?userCertFile=connect.go&userKeyFile=connect.go": "no certificate",
		"esdb://localhost?tlsCAFile=connect.go":                           "without a certificate",
		"esdb://localhost?tls=false&userCertFile=connect.go&userKeyFile=connect.go": "would send none",
	} {
		err := esdb.Configured(connection)
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", connection, err, why)
		}
		if err != nil && (strings.Contains(err.Error(), password) || strings.Contains(err.Error(), "localhost")) {
			t.Errorf("the error repeats the connection string: %v", err)
		}
	}
	for _, connection := range []string{
		"esdb://localhost?tls=false", "esdb+discover://cluster.example", "esdb://a,b:2114,c?nodePreference=leader",
		"esdb://me:pa55%2Fword@localhost", "esdb://localhost?tls=false&keepAliveInterval=-1&defaultDeadline=5000&GOSSIPTIMEOUT=3",
	} {
		if err := esdb.Configured(connection); err != nil {
			t.Errorf("%s: %v", connection, err)
		}
	}
}

// authority makes certificates for this test.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	a := &authority{dir: t.TempDir(), pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = a.make(t, "ca", template, nil)
	a.pool.AddCert(a.cert)
	return a
}

// make writes a certificate and its key to <name>.crt and <name>.key.
func (a *authority) make(t *testing.T, name string, template, parent *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer := a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: pkcs8}}
	for file, block := range blocks {
		if err := os.WriteFile(a.file(name+file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// issue makes a certificate for a server on this machine, or for a client.
func (a *authority) issue(t *testing.T, name string, use x509.ExtKeyUsage) tls.Certificate {
	a.make(t, name, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), ExtKeyUsage: []x509.ExtKeyUsage{use},
	}, a.cert)
	cert, err := tls.LoadX509KeyPair(a.file(name+".crt"), a.file(name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestUserAndPassword(t *testing.T) {
	a := newAuthority(t)
	n := esdbtest.Start(t, esdbtest.Options{
		TLS:  &tls.Config{Certificates: []tls.Certificate{a.issue(t, "server", x509.ExtKeyUsageServerAuth)}},
		User: "ledger", Password: "pa55/word",
	})
	ca := "?maxDiscoverAttempts=1&discoveryInterval=1&tlsCAFile=" + url.QueryEscape(a.file("ca.crt"))
	s := open(t, "esdb://ledger:pa55%2Fword@"+n.Address()+ca, esdb.Options{})
	if _, err := s.Append(t.Context(), "a", 0, ledgertest.Records(0, 3)...); err != nil {
		t.Fatal(err)
	}
	ledgertest.Check(t, s)
	if users := n.Users(); len(users) != 1 || users["ledger"] == 0 {
		t.Errorf("calls by user: %v, want only those of the one given", users)
	}
	for what, connection := range map[string]string{
		"another password":    "esdb://ledger:pa55-word@" + n.Address() + ca,
		"no user":             "esdb://" + n.Address() + ca,
		"unknown authority":   "esdb://ledger:pa55%2Fword@" + n.Address() + "?maxDiscoverAttempts=1",
		"another host's name": "esdb://ledger:pa55%2Fword@" + strings.Replace(n.Address(), "localhost", "127.0.0.1", 1) + ca,
	} {
		_, _, err := esdb.Open(t.Context(), connection, esdb.Options{Pause: quick})
		if err == nil {
			t.Errorf("%s: opened", what)
		} else if strings.Contains(err.Error(), "pa55") {
			t.Errorf("%s: the error has the password: %v", what, err)
		}
	}
}

func TestClientCertificate(t *testing.T) {
	a := newAuthority(t)
	n := esdbtest.Start(t, esdbtest.Options{OnlyCertificate: true, TLS: &tls.Config{
		Certificates: []tls.Certificate{a.issue(t, "server", x509.ExtKeyUsageServerAuth)},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: a.pool,
	}})
	a.issue(t, "ledger", x509.ExtKeyUsageClientAuth)
	ca := "esdb://" + n.Address() + "?maxDiscoverAttempts=1&discoveryInterval=1&tlsCAFile=" + url.QueryEscape(a.file("ca.crt"))
	if _, _, err := esdb.Open(t.Context(), ca, esdb.Options{Pause: quick}); err == nil {
		t.Error("opened without a certificate")
	}
	own := "&userCertFile=" + url.QueryEscape(a.file("ledger.crt")) + "&userKeyFile=" + url.QueryEscape(a.file("ledger.key"))
	s := open(t, ca+own, esdb.Options{})
	if _, err := s.Append(t.Context(), "a", 0, ledgertest.Record(0)); err != nil {
		t.Fatal(err)
	}
}

func TestVersions(t *testing.T) {
	for version, ok := range map[string]bool{
		"23.10.8": true, "24.10.5": true, "25.1.0": true, "26.1.0": true,
		"22.10.2": false, "20.6.0": false, "none": false, "26.1.0-prerelease": false, "24.10.14-rc.1": false,
	} {
		n := esdbtest.Start(t, esdbtest.Options{Version: version})
		s, report, err := esdb.Open(t.Context(), to(n), esdb.Options{Pause: quick})
		if (err == nil) != ok {
			t.Errorf("version %s: %v", version, err)
		}
		if err == nil {
			if report.Server != version {
				t.Errorf("version %s is reported as %s", version, report.Server)
			}
			s.Close()
		}
	}
}

func TestClusterByGossip(t *testing.T) {
	leader := esdbtest.Start(t, esdbtest.Options{})
	follower := leader.Join()
	connection := "esdb://" + follower.Address() + "," + leader.Address() + "?tls=false&maxDiscoverAttempts=2&discoveryInterval=1"
	s := open(t, connection, esdb.Options{})
	for i := range 10 {
		if i == 5 {
			leader.SetFollower(true)
			follower.SetFollower(false)
		}
		if _, err := s.Append(t.Context(), "a", uint64(i), ledgertest.Record(i)); err != nil {
			t.Fatalf("append %d: %v", i, err)
		}
	}
	if got := ledgertest.Check(t, s); len(got) != 10 {
		t.Errorf("%d records, want 10", len(got))
	}
	if n := leader.Unled() + follower.Unled(); n != 0 {
		t.Errorf("%d calls did not ask for the leader", n)
	}
	if leader.Calls("append") == 0 || follower.Calls("append") == 0 {
		t.Errorf("appends at the nodes: %d and %d, want some at each", leader.Calls("append"), follower.Calls("append"))
	}
	leader.Stop()
	if _, err := s.Append(t.Context(), "a", 10, ledgertest.Record(10)); err != nil {
		t.Errorf("with the other node gone: %v", err)
	}
}

// Without gossip the store finds the leader by what a follower answers.
func TestFollowerSendsToTheLeader(t *testing.T) {
	leader := esdbtest.Start(t, esdbtest.Options{})
	follower := leader.Join()
	s := open(t, to(follower), esdb.Options{})
	if _, err := s.Append(t.Context(), "a", 0, ledgertest.Record(0)); err != nil {
		t.Fatal(err)
	}
	if follower.Calls("append") != 0 {
		t.Error("a follower was left to forward an append")
	}
	ledgertest.Check(t, s)
}

func TestNothingIsLogged(t *testing.T) {
	var logged bytes.Buffer
	log.SetOutput(&logged)
	defer log.SetOutput(os.Stderr)
	n := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, to(n), esdb.Options{})
	n.Faults(sometimes(3, esdbtest.Unavailable, esdbtest.CutAfter, esdbtest.NotLeader))
	for i := range 20 {
		if _, err := s.Append(t.Context(), "a", uint64(i), ledgertest.Record(i)); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	_, err := s.Append(context.Background(), "a", 20, ledgertest.Record(20))
	if err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("append to a closed store: %v", err)
	}
	if logged.Len() > 0 {
		t.Errorf("logged: %s", logged.String())
	}
}
