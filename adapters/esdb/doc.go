// Package esdb keeps a ledger in EventStoreDB (KurrentDB), by the official Go client of version 4.2.0. It is a
// ledger.Eraser and passes ledgertest.TestStore. This comment specifies what it writes, and what it takes care of.
//
// # What has been tried
//
// The official client against a protocol double, package esdbtest. The same suite runs against a server where there is
// one: make esdb-conformance builds it as a program that takes a connection string. Servers from 23.10 on are taken; older
// ones do not tell what is needed, and are refused.
//
// # Streams
//
// A ledger has a name, and its streams begin with it, so that it can share a server with others and with tests:
//
//	<ledger>.event.<stream>   the records of a stream, one event each; bytes but A-Z a-z 0-9 . - _ as %XX
//	<ledger>.sealed.<key>     the sealed bytes of one record, one event; the key is 64 hexadecimal digits
//
// A record's event has the type "record", the record's id and Data, and as metadata a byte 1, a byte that says whether
// nothing (o), nothing of length 0 (e) or something (s) is sealed, the version (u64, big endian), and for s the 32 bytes of
// the key. The key is the SHA-256 of the stream's name and its length, version, id and sealed bytes. An event of sealed
// bytes has the type "sealed", the same id, and as metadata a byte 1, the version and the stream's name.
//
// The server counts revisions from 0, a ledger versions from 1. That an event stands at the revision it was written for is
// checked whenever it is read: one that was stored twice, or truncated before, is a *DamageError and never shown.
//
// # Positions
//
// A ledger's positions are 1, 2, 3, …; the server's are places in a file, shared with all other events. So the events in
// the streams <ledger>.event.… are counted in the order of $all: an event's position is how many of them there are up to
// it. Every store on the ledger comes to the same, whenever it counts:
//
//   - The order of $all is that of the leader's log. It is fixed, and only committed events are shown in it.
//   - One append is one write of the log: its events lie side by side, and no others of the ledger between them.
//   - Nothing that is counted is ever removed. Scavenging removes deleted streams and what metadata hide; this package
//     deletes streams of sealed bytes alone, which are not counted. The tombstones that it writes lie in those.
//   - Commit positions outlive scavenging and replication, and are in a backup what they were.
//
// Each store keeps the commit positions of all counted events, in memory and with Options.Disk in a file: two to three
// bytes each, in blocks of 512, as differences. One subscription to $all, filtered by the server, adds to them. Stream
// looks up the positions of what it reads; After counts for itself from where the numbers say; Append waits until its last
// record was counted; Head counts on until the server says that there is no more. The file is used only if its last event
// stands where it says with the id it says, and is otherwise made anew by counting, as it would be if it were lost.
//
// An operator who deletes, truncates or gives $maxAge or $maxCount to a stream of records destroys the ledger: it is told as
// damage where it is seen. The same goes for scavenging with the option to ignore hard deletes.
//
// # Appending
//
// The sealed bytes of an append are stored first, then its records, by one call. So a reader who is shown a record finds
// its sealed bytes. If the second step is not taken, the bytes are orphans, which nobody reads.
//
// Every append expects a revision, or that there is no stream: never any. So nothing is stored twice, whatever the server
// remembers of ids. An answer that leaves open what was done is settled by reading: the very ids at the place mean success,
// others a conflict; if the stream still ends there, the same is sent again, since it can be stored in that place only.
//
// The size is checked before anything is sent: breaking off a large append, a server leaves the client without a reason.
//
// # Erasing
//
// Erase gives the streams of the chosen sealed bytes a tombstone. From then on the server answers that the stream is
// deleted, for good, and that alone reads as erased: bytes that are just not there are damage. Nor can a late retry bring
// bytes back, as it could after a soft deletion or a truncation. The tombstone outlives scavenging.
//
// The bytes themselves leave the disks by scavenging, which the operator must run on every node, and which this package
// does not start: with the server's own tool or
//
//	curl -X POST -u admin https://<node>:2113/admin/scavenge
//
// on a schedule of days. Until then whoever may read $all can read them there; what ends the access to them is, as ever, the
// key's destruction. Orphans are swept by an Erase without streams: where another record has their place, and where nothing
// came to it within a day.
//
// # Rights
//
// The user must be let read $all, which by default only members of $admins may, and write, read and delete the ledger's
// streams. Whoever else may read $all reads the open bytes of every event.
//
// # The client
//
// What it does that a caller would not expect, and what is done about it here:
//
//   - While it looks for a node it blocks every call without regard to contexts, for up to a minute. After it found none it
//     answers nothing any more, and callers who waited beside hang. So each client is tried alone first, every call runs in
//     a goroutine of its own that is left behind when the context ends, and a client that failed is replaced.
//   - Close beside a call can panic. A client is closed when its last call has returned.
//   - It sends no requires-leader. It is put into the outgoing metadata here, and node preferences but leader are refused.
//   - Credentials are dropped without a word when tls=false, or when the password is empty. Such connection strings are
//     refused, and so are keys it would ignore, a defaultDeadline it would read as 0, a gossipTimeout that was meant in
//     milliseconds, and credentials with tlsVerifyCert=false.
//   - Errors come wrapped, bare, or as gRPC's: they are told apart by errors.As, and by codes where a message would be
//     ambiguous. The answer that a node is not the leader has the code of not-found, and is not taken for a stream that is
//     not there.
//   - A subscription ends with the first failure. It is taken up again behind the last event seen, never from a checkpoint,
//     with a pause that grows; events sent again are dropped. Caught-up may come several times; fell-behind never comes.
//   - It logs to the standard log. It is silenced.
//   - A server whose version it cannot read (such as 26.1.0-prerelease) is refused by it, with an error that says so.
//   - It ends the process when an event lacks the instant of its creation. No server leaves it out; nothing else could be
//     done about it here.
package esdb
