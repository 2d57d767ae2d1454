package organisation

import (
	"fmt"
	"log/slog"

	"samtykke/domain"
)

// An IdentityHash is the keyed hash of a national identity number (C04): the number itself is nowhere in the ledger. It tells that two
// professionals are one person, and nothing else is done with it. The zero one is none.
type IdentityHash [32]byte

// MarshalText shows that there is a hash, and not which.
func (IdentityHash) MarshalText() ([]byte, error) { return []byte(hiddenHash), nil }

// Format does not show the hash, whatever the verb.
func (IdentityHash) Format(s fmt.State, _ rune) { fmt.Fprint(s, hiddenHash) }

// LogValue does not show the hash.
func (IdentityHash) LogValue() slog.Value { return slog.StringValue(hiddenHash) }

const hiddenHash = "[keyed hash]"

// ProfessionalIdentified: whose identity number the professional has, as a keyed hash, or a correction. Sealed under the professional's
// own key.
type ProfessionalIdentified struct {
	Professional domain.ID
	Identity     IdentityHash
}

func (ProfessionalIdentified) fact() {}

// identify gives what is recorded where an identity number was given, and refuses one that another active professional has.
func identify(s State, id domain.ID, identity IdentityHash) ([]Body, error) {
	if identity == (IdentityHash{}) || identity == s.Members[id].Identity {
		return nil, nil
	}
	return []Body{ProfessionalIdentified{Professional: id, Identity: identity}}, alone(s, id, identity)
}

// alone refuses an identity that another active professional has: a person who is on the list twice could not be taken off it at once.
func alone(s State, id domain.ID, identity IdentityHash) error {
	for other, m := range s.Members {
		if identity != (IdentityHash{}) && other != id && m.Active && m.Identity == identity {
			return domain.Refuse(AlreadyKnown, "Somebody who is on the list has this identity number.")
		}
	}
	return nil
}
