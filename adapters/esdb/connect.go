package esdb

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// errConnection stands in for whatever the client says of a connection string, since that may repeat a password.
var errConnection = errors.New("not a connection string: expected esdb://[user:password@]host[:port][?key=value&…], " +
	"several hosts with commas between, or esdb+discover://; special characters of a password are written %XX")

// A setting judges one value of a connection string. The client ignores a key it does not know, and of some values says
// nothing although they break every call.
type setting func(value string) (wrong string)

var settings = map[string]setting{
	"tls":                 truth,
	"tlsverifycert":       truth,
	"tlscafile":           pemFile,
	"usercertfile":        file,
	"userkeyfile":         file,
	"nodepreference":      leaderOnly,
	"maxdiscoverattempts": number(1, 1000, "attempts"),
	"discoveryinterval":   number(1, 60_000, "milliseconds"),
	"gossiptimeout":       number(1, 60, "seconds, not milliseconds"),
	"keepaliveinterval":   keepAlive,
	"keepalivetimeout":    number(1, 600_000, "milliseconds"),
	"defaultdeadline":     number(1, 600_000, "milliseconds"),
}

func truth(value string) string {
	if v := strings.ToLower(value); v != "true" && v != "false" {
		return "is true or false"
	}
	return ""
}

func number(low, high int, unit string) setting {
	return func(value string) string {
		if n, err := strconv.Atoi(value); err != nil || n < low || n > high {
			return fmt.Sprintf("is a number from %d to %d, of %s", low, high, unit)
		}
		return ""
	}
}

// keepAlive is -1, or what grpc does not raise to 10 seconds anyway.
func keepAlive(value string) string {
	if value == "-1" {
		return ""
	}
	return number(10_000, 600_000, "milliseconds, or -1 for never")(value)
}

// leaderOnly: a ledger decides on what it reads, so it reads from the leader.
func leaderOnly(value string) string {
	if strings.ToLower(value) != "leader" {
		return "is leader: what a ledger decides on must not lag behind"
	}
	return ""
}

func file(value string) string {
	if _, err := os.Stat(value); err != nil {
		return "names a file that cannot be read"
	}
	return ""
}

func pemFile(value string) string {
	b, err := os.ReadFile(value)
	if err != nil {
		return "names a file that cannot be read"
	}
	if !x509.NewCertPool().AppendCertsFromPEM(b) {
		return "names a file without a certificate in it"
	}
	return ""
}

// configure reads a connection string. No error of it holds anything of the string but the name of a key.
func configure(connection string) (*esdb.Configuration, error) {
	_, query, _ := strings.Cut(connection, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errConnection
	}
	for key, given := range values {
		check := settings[strings.ToLower(key)]
		switch {
		case check == nil:
			return nil, fmt.Errorf("the connection string has the key %.40q, which the client does not know", key)
		case len(given) != 1:
			return nil, fmt.Errorf("the connection string has %s more than once", key)
		}
		if wrong := check(given[0]); wrong != "" {
			return nil, fmt.Errorf("the connection string's %s %s", key, wrong)
		}
	}
	c, err := esdb.ParseConnectionString(connection)
	if err != nil {
		return nil, errConnection
	}
	c.Logger = esdb.NoopLogging() // the default prints to the standard log, addresses and all
	switch named := c.Username != "" || c.Password != ""; {
	case named && c.DisableTLS, c.DisableTLS && c.UserCertFile != "":
		return nil, errors.New("the connection string has credentials and tls=false: the client would send none of them")
	case named && (c.Username == "" || c.Password == ""):
		return nil, errors.New("the connection string has a user without a password, or a password without a user: the client would send neither")
	case (c.UserCertFile == "") != (c.UserKeyFile == ""):
		return nil, errors.New("the connection string has one of userCertFile and userKeyFile: it takes both or none")
	case c.SkipCertificateVerification && (named || c.UserCertFile != ""):
		return nil, errors.New("the connection string has credentials and tlsVerifyCert=false: whoever answers would be given them")
	case c.UserCertFile != "":
		if _, err := tls.LoadX509KeyPair(c.UserCertFile, c.UserKeyFile); err != nil {
			return nil, errors.New("the connection string's userCertFile and userKeyFile are no certificate and its key")
		}
	}
	return c, nil
}
