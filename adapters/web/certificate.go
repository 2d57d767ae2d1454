package web

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"
)

// A certificate is the pair of files, read again when their times of modification change.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	changed [2]time.Time // of the files when they were last tried
}

// load reads the files if they are not those that were tried last. On an error the pair stays as it was.
func (c *certificate) load() error {
	cert, errCert := os.Stat(c.certFile)
	key, errKey := os.Stat(c.keyFile)
	if err := errors.Join(errCert, errKey); err != nil {
		return err
	}
	now := [2]time.Time{cert.ModTime(), key.ModTime()}
	if c.pair != nil && now == c.changed {
		return nil
	}
	c.changed = now
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.pair = &pair
	return nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.load(); err != nil {
		c.log.Warn("the TLS files cannot be used; the former ones stay in use", slog.String("error", err.Error()))
	}
	return c.pair, nil
}
