package relay

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/ThreeDotsLabs/watermill/message"

	"samtykke/domain"
)

// The topics. A broker can give an organisation leave to read its own and no other.
const (
	NoticeTopic = "samtykke.notices"
	PoisonTopic = "samtykke.notices.poison" // notices that could not be given
	prefix      = "samtykke.organisation."
)

// TopicOf is the topic of what one organisation is told.
func TopicOf(organisation domain.ID) string { return prefix + organisation.String() }

// The keys of a message's metadata.
const (
	SchemaKey    = "schema"    // the name and version of the payload's schema
	PartitionKey = "partition" // the pseudonym: messages with the same one are in order
)

// A Kind is what happened, or what waits.
type Kind string

const (
	SharingBegan  Kind = "sharing-began"
	SharingEnded  Kind = "sharing-ended"
	NewContent    Kind = "new-content"
	QuestionWaits Kind = "question-waits"
)

// A Pseudonym stands for a client towards one receiver: 32 hexadecimal digits.
type Pseudonym string

// Valid tells whether it has the form of one.
func (p Pseudonym) Valid() bool {
	b, err := hex.DecodeString(string(p))
	return err == nil && len(b) == 16 && hex.EncodeToString(b) == string(p)
}

// Sharing is the payload for an organisation.
type Sharing struct {
	Kind         Kind        `json:"kind" jsonschema:"enum=sharing-began,enum=sharing-ended"`
	Organisation domain.ID   `json:"organisation"`
	Client       Pseudonym   `json:"client"`
	Day          domain.Date `json:"day"` // from when
}

// Notice is the payload for a client. ID is the message's, for whoever hands it on and must not do so twice.
type Notice struct {
	ID        string    `json:"-"`
	Kind      Kind      `json:"kind" jsonschema:"enum=new-content,enum=question-waits"`
	Recipient Pseudonym `json:"recipient"`
}

// The names of the schemas, with their versions.
const (
	sharingSchema = "organisation.sharing.v1"
	noticeSchema  = "client.notice.v1"
)

// A Key hashes under a secret that is kept outside the ledger. If it is lost, every receiver knows nobody again. If it leaks, whoever has the
// ledger as well can join messages to it.
type Key func(text []byte) [32]byte

// hash is cut to 16 bytes; use keeps hashes of different things apart.
func (k Key) hash(use string, ids ...domain.ID) [16]byte {
	text := append([]byte(use), 0)
	for _, id := range ids {
		text = append(text, id[:]...)
	}
	sum := k(text)
	return [16]byte(sum[:16])
}

func (k Key) pseudonym(use string, ids ...domain.ID) Pseudonym {
	sum := k.hash(use, ids...)
	return Pseudonym(hex.EncodeToString(sum[:]))
}

// Client is who a client is towards an organisation.
func (k Key) Client(organisation, client domain.ID) Pseudonym {
	return k.pseudonym("client of an organisation", organisation, client)
}

// Recipient is who a client is in notices.
func (k Key) Recipient(client domain.ID) Pseudonym {
	return k.pseudonym("recipient of notices", client)
}

// messageID is a UUID of version 8 (RFC 9562): the same for an event whenever it is relayed.
func (k Key) messageID(event domain.ID) string {
	id := k.hash("message", event)
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return domain.ID(id).String()
}

// A letter is a message with its topic.
type letter struct {
	Topic string
	*message.Message
}

func newMessage(topic, id, schema string, about Pseudonym, payload any) (*letter, error) {
	b, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	m := message.NewMessage(id, b)
	m.Metadata.Set(SchemaKey, schema)
	m.Metadata.Set(PartitionKey, string(about))
	return &letter{topic, m}, nil
}

var errMalformed = errors.New("the message is not a notice of a known kind and version")

// ParseNotice reads a notice. What is not one in every respect is an error that repeats nothing of it.
func ParseNotice(m *message.Message) (Notice, error) {
	n := Notice{ID: m.UUID}
	d := json.NewDecoder(bytes.NewReader(m.Payload))
	d.DisallowUnknownFields()
	_, err := domain.ParseID(m.UUID)
	if err != nil || m.Metadata.Get(SchemaKey) != noticeSchema || d.Decode(&n) != nil || d.More() ||
		!slices.Contains([]Kind{NewContent, QuestionWaits}, n.Kind) || !n.Recipient.Valid() {
		return Notice{}, errMalformed
	}
	return n, nil
}

// Format shows the kind alone, whatever the verb.
func (n Notice) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "notice of %s", n.Kind) }

// Format shows the kind alone, whatever the verb.
func (c Sharing) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "message that %s", c.Kind) }
