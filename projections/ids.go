package projections

import (
	"samtykke/domain"
	"samtykke/domain/client"
)

// codes finds the client that a code was ever given to, by the first half of the code's keyed hash. Whether the code
// still opens anything, the client's stream decides.
var codes = View[domain.ID]{
	Name:    "codes",
	Version: 1,
	Key: func(f *Fact) (domain.ID, bool) {
		switch b := f.Body.(type) {
		case client.Registered:
			return CodeKey(b.Code), true
		case client.CodeRotated:
			return CodeKey(b.New), true
		}
		return domain.ID{}, false
	},
	Apply: func(_ domain.ID, f *Fact) domain.ID { return f.Subject },
}

// CodeKey is the key of a code's document.
func CodeKey(h client.CodeHash) domain.ID { return domain.ID(h[:16]) }

// A Handle is whom an organisation means by a handle. The document of the handle.
type Handle struct{ Client, Organisation domain.ID }

var handles = View[Handle]{
	Name:    "handles",
	Version: 1,
	Key: func(f *Fact) (domain.ID, bool) {
		b, ok := f.Body.(client.Registered)
		return b.Handle, ok
	},
	Apply: func(_ Handle, f *Fact) Handle {
		b := f.Body.(client.Registered)
		return Handle{b.Client, b.Organisation}
	},
}
