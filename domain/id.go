package domain

import (
	"errors"

	"github.com/google/uuid"
)

// ID names a subject: a client, an organisation, a member of staff, a session, an event. Subjects' ids are random
// (version 4); an event's id is derived from the command that caused it (version 5), so that a retry is the same event.
// The zero ID names nobody.
type ID [16]byte

// ParseID reads the canonical text form, 36 characters. The error never repeats the input.
func ParseID(s string) (ID, error) {
	if len(s) != 36 {
		return ID{}, errNoID
	}
	u, err := uuid.Parse(s)
	if err != nil {
		return ID{}, errNoID
	}
	return ID(u), nil
}

var errNoID = errors.New("not an id: expected 36 characters such as 1b4e28ba-2fa1-41d2-883f-0016d3cca427")

// String gives the canonical text form; the zero ID is the empty string.
func (id ID) String() string {
	if id.IsZero() {
		return ""
	}
	return uuid.UUID(id).String()
}

// IsZero tells whether the ID names nobody.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText gives the form of String.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the form of String; an empty text is the zero ID.
func (id *ID) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*id = ID{}
		return nil
	}
	*id, err = ParseID(string(b))
	return err
}

// Derive gives the version 5 id of a name within a space: the same pair always gives the same id.
func Derive(space ID, name []byte) ID { return ID(uuid.NewSHA1(uuid.UUID(space), name)) }
