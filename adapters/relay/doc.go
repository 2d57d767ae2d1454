// Package relay tells others what happened: committed facts of the ledger, as Watermill messages, to whatever publisher the configuration
// names. It works for clients' notices ("new content", "a question waits") and for the systems of organisations.
//
// # What is told
//
// Table has a row for every event of the catalogue, with whom it is told and why, or why not. An event without a row stops the relay, as
// one that the catalogue does not know does: whoever adds an event decides first. There are two kinds of messages, each with a schema of
// its own under schema/, and no others:
//
//	organisation.sharing  what an organisation's overview shows of one of its clients has changed: shared, or not shared
//	client.notice         a client's app or page has something to show: new content, a question
//
// An organisation is told what its overview would show it, no more and no sooner (law 6): Shows is the overview's own rule, and a message
// is made where a fact changes its answer. So an answer of no, a withdrawal, a lapse, a restriction, an end of the account and an erasure
// are one and the same message, and a change of code none at all. The day is told, in Europe/Oslo, not the instant: a receiver that was
// down must know from when to stop, and deadlines fall on the stroke of midnight, which would tell a lapse from a withdrawal. When a
// message comes is not hidden: a lapse is on record within a minute of midnight, and whoever watches the overview sees that, too. Holding
// messages back until the next day would hide it, and have receivers go on for a day.
//
// A notice says that there is something, not what, since when or from whom (A20). That content was sent is known from the name of a sealed
// event, which stays sealed: the relay is given no client's key. A notice that came too late is none: it is left out where the client is
// deactivated, erased or restricted by now, and the question where it has been answered or has run out.
//
// # What a message holds
//
// No label, no code, no handle, no id of the ledger but the organisation's own in what goes to that organisation, and nothing from a
// sealed event. Who it is about is a pseudonym: a hash under a key that is not in the ledger, of the client and of who receives it. Two
// organisations cannot compare theirs, and neither can be joined to a notice's. A pseudonym stays the same when the client changes its
// code, as the old label does in the overview. A message's UUID is a hash of the event's id under the same key: the same whenever the
// message is sent again, and of no use for asking anybody about that event. Metadata name the schema and, once more, the pseudonym, for
// brokers that keep order by a key.
//
// # At least once, in order
//
// A Relay follows the ledger from its Cursor. It publishes one message, waits until the publisher has taken it, moves the cursor, durably,
// and goes on. A process that ends in between sends the message again with the same UUID. While the publisher fails, nothing is skipped:
// the same message is tried again, after waits that double from firstWait to longestWait. So what is published on a topic is in the
// ledger's order, but for repetitions: and a repetition repeats the last message, never an earlier one. A receiver drops UUIDs that it has
// seen.
//
// An answer that comes while the relay is being stopped counts for nothing, because an in-process publisher answers yes when its
// subscriber goes away. The cursor names the record it stands at by its hash: a ledger that was put back from a copy and has another
// record there, or none, stops the relay (ErrOtherLedger), since where to go on is not known.
//
// # Notices
//
// NewRouter takes notices off their topic and has a Notifier give them: in the server, where that is told who gives notices (package webhook
// is such a Notifier), or in a program of whoever sends them. It tries again, drops what it has dealt with, counts, and puts aside on the
// poison queue what is no notice or what the notifier refuses. What cannot be given because the notifier is away waits: over a broker in
// its topic, in process in the ledger, since the cursor does not pass a notice that is not dealt with. So an outage costs no notice,
// however long it lasts, and holds those behind it up; one that has lost its point meanwhile is left out when its turn comes, in process.
//
// # Why not
//
// Why not batches: facts that are relayed are rare, a few for each client in half a year, and one at a time needs no reasoning about parts
// of batches. Why not a message for a deletion: beside the end of sharing it would tell why that ended; the deletion registration stands
// in the overview, by day (A08).
package relay
