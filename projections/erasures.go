package projections

import (
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
)

// An Erasure is how far somebody's erasure has come, due until nothing is left to do. The document of the client's or professional's
// id. A client's is listed by organisation: it is the deletion registration that the organisation keeps, without content.
type Erasure struct {
	Organisation domain.ID
	Professional bool
	On           domain.Date
	KeyDestroyed bool
	Swept        bool
}

var erasures = View[Erasure]{
	Name:    "erasures",
	Version: 1,
	Key: func(f *Fact) (domain.ID, bool) {
		switch b := f.Body.(type) {
		case client.Erased, client.KeyDestroyed, client.Swept:
			return f.Subject, true
		case organisation.ProfessionalErased:
			return b.Professional, true
		case organisation.ProfessionalKeyDestroyed:
			return b.Professional, true
		}
		return domain.ID{}, false
	},
	Apply: func(e Erasure, f *Fact) Erasure {
		switch b := f.Body.(type) {
		case client.Erased:
			e.Organisation, e.On = b.Organisation, domain.DateOf(f.Effective)
		case organisation.ProfessionalErased:
			e.Organisation, e.Professional, e.On = f.Subject, true, domain.DateOf(f.Effective)
		case client.KeyDestroyed:
			e.KeyDestroyed = true
		case organisation.ProfessionalKeyDestroyed:
			e.KeyDestroyed, e.Swept = true, true // recorded behind both
		case client.Swept:
			e.Swept = true
		}
		return e
	},
	Group: func(e Erasure) domain.ID {
		if e.Professional {
			return domain.ID{}
		}
		return e.Organisation
	},
	Due: func(e Erasure) domain.Date {
		if e.Swept {
			return 0
		}
		return e.On
	},
}
