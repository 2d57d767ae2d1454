package esdb

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"net/url"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/eventschema"
)

const (
	// MaxName is the longest name of a stream, in bytes.
	MaxName = 1 << 10
	// MaxAppend is the most that one call of Append can store beside sealed bytes, in bytes: what a server takes in one
	// append unless it is set up to take more, less room for types and metadata.
	MaxAppend = 1<<20 - 1<<13

	recordType = "record"
	sealedType = "sealed"

	format     = 1
	recordMeta = 1 + 1 + 8 // format, what is sealed, version
)

// A seal tells what of a record is sealed: its second byte of metadata.
type seal byte

const (
	sealOpen  seal = 'o' // nothing
	sealEmpty seal = 'e' // sealed bytes of length 0
	sealAside seal = 's' // sealed bytes in a stream of their own
)

// A sealKey names the stream of one record's sealed bytes. It is a hash over them and the record's place, so that another
// attempt at the place, with other bytes, is another stream, and so that bytes read are known to be those written.
type sealKey [sha256.Size]byte

func keyOf(stream string, version uint64, id domain.ID, sealed []byte) (key sealKey) {
	h := sha256.New()
	var b []byte
	b = binary.BigEndian.AppendUint64(b, uint64(len(stream)))
	b = append(b, stream...)
	b = binary.BigEndian.AppendUint64(b, version)
	b = append(b, id[:]...)
	h.Write(b)
	h.Write(sealed)
	return sealKey(h.Sum(key[:0]))
}

// names are how the streams of one ledger are called at the server.
type names struct{ records, sealed string }

func newNames(of string) names { return names{of + ".event.", of + ".sealed."} }

func (n names) side(key sealKey) string { return n.sealed + hex.EncodeToString(key[:]) }

// stream gives the server's name for a stream: bytes other than letters, digits, dot, hyphen and underscore as %XX.
func (n names) stream(name string) string {
	var b strings.Builder
	b.WriteString(n.records)
	for _, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func admit(stream string, records []eventschema.Record) error {
	switch {
	case stream == "" || len(stream) > MaxName:
		return fmt.Errorf("a stream's name of %d bytes: %w", len(stream), ledger.ErrRefused)
	case len(records) == 0:
		return fmt.Errorf("an append of nothing: %w", ledger.ErrRefused)
	}
	size := 0
	for _, r := range records {
		if n := len(r.Data) + len(r.Sealed); n > ledger.MaxRecord {
			return fmt.Errorf("a record of %d bytes, at most %d: %w", n, ledger.MaxRecord, ledger.ErrRefused)
		}
		if r.ID.IsZero() {
			return fmt.Errorf("a record without an id: %w", ledger.ErrRefused) // the client would make one up
		}
		size += eventSize(len(r.Data), recordMeta+sha256.Size, recordType)
	}
	if size > MaxAppend { // one record always fits
		return fmt.Errorf("an append of %d bytes, at most %d: %w", size, MaxAppend, ledger.ErrRefused)
	}
	return nil
}

// eventSize is what a server counts of an event against its limit of an append.
func eventSize(data, metadata int, kind string) int { return data + metadata + 2*len(kind) }

// A stored event is a record, and where its sealed bytes are.
type stored struct {
	record eventschema.Record // without Sealed, unless they are empty; without Position
	key    sealKey            // of the sealed bytes aside
	aside  bool
	at     esdb.Position
}

// event makes the event of a record that is to be at a version.
func event(stream string, version uint64, r *eventschema.Record) esdb.EventData {
	b := append(make([]byte, 0, recordMeta+sha256.Size), format, byte(sealOpen))
	b = binary.BigEndian.AppendUint64(b, version)
	switch {
	case len(r.Sealed) > 0:
		b[1] = byte(sealAside)
		key := keyOf(stream, version, r.ID, r.Sealed)
		b = append(b, key[:]...)
	case r.Sealed != nil:
		b[1] = byte(sealEmpty)
	}
	return esdb.EventData{EventID: uuid.UUID(r.ID), EventType: recordType, ContentType: esdb.ContentTypeBinary, Data: r.Data, Metadata: b}
}

// sealedEvent makes the event that holds a record's sealed bytes. Its metadata tell whose they are.
func sealedEvent(stream string, version uint64, r *eventschema.Record) esdb.EventData {
	b := binary.BigEndian.AppendUint64([]byte{format}, version)
	b = append(b, stream...)
	return esdb.EventData{EventID: uuid.UUID(r.ID), EventType: sealedType, ContentType: esdb.ContentTypeBinary, Data: r.Sealed, Metadata: b}
}

// A DamageError says that something at the server is not what this package has written there.
type DamageError struct {
	Stream   string // the server's name for it
	Revision uint64 // the server's number of the event, from 0
	What     string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("event %d of the stream %s: %s", e.Revision, e.Stream, e.What)
}

// read takes an event of the ledger's streams.
func (n names) read(resolved *esdb.ResolvedEvent) (s stored, err error) {
	e := resolved.OriginalEvent()
	if e == nil {
		return s, &DamageError{n.records, 0, "a link to an event that is gone"}
	}
	damage := func(what string) (stored, error) { return s, &DamageError{e.StreamID, e.EventNumber, what} }
	escaped, ours := strings.CutPrefix(e.StreamID, n.records)
	name, err := url.PathUnescape(escaped)
	switch m := e.UserMetadata; {
	case !ours || err != nil || n.stream(name) != e.StreamID:
		return damage("not a stream of this ledger")
	case e.EventType == "$streamDeleted":
		return damage("the stream was deleted by hand")
	case e.EventType != recordType || len(m) < recordMeta || m[0] != format:
		return damage("not an event of this program")
	case binary.BigEndian.Uint64(m[2:]) != e.EventNumber+1:
		return damage(fmt.Sprintf("written to be version %d, and stored as version %d", binary.BigEndian.Uint64(m[2:]), e.EventNumber+1))
	case e.Position.Commit == math.MaxUint64:
		return damage("the server does not tell its position; it is older than 22.6")
	}
	s = stored{record: eventschema.Record{ID: domain.ID(e.EventID), Stream: name, Version: e.EventNumber + 1, Data: e.Data}, at: e.Position}
	if s.record.Data == nil {
		s.record.Data = []byte{}
	}
	switch rest := e.UserMetadata[recordMeta:]; {
	case seal(e.UserMetadata[1]) == sealOpen && len(rest) == 0:
	case seal(e.UserMetadata[1]) == sealEmpty && len(rest) == 0:
		s.record.Sealed = []byte{}
	case seal(e.UserMetadata[1]) == sealAside && len(rest) == len(s.key):
		s.key, s.aside = sealKey(rest), true
	default:
		return damage("its metadata do not hold")
	}
	return s, nil
}

// readSealed takes an event that holds sealed bytes, and tells whose they are. The bytes themselves are judged by key.
func (n names) readSealed(e *esdb.RecordedEvent) (stream string, version uint64, ok bool) {
	if m := e.UserMetadata; e.EventType == sealedType && len(m) > 9 && m[0] == format && strings.HasPrefix(e.StreamID, n.sealed) {
		return string(m[9:]), binary.BigEndian.Uint64(m[1:]), true
	}
	return "", 0, false
}
