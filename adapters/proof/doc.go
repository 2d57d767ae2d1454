// Package proof keeps a Merkle tree over all events of a ledger, signs checkpoints of it, and proves by them: that an event
// is in the ledger, that a later ledger holds an earlier one unchanged, and that a ledger is the one that was signed. This
// comment specifies what it writes.
//
// # The tree
//
// It is the tree of RFC 6962 over the leaves of all events (eventschema.Record.Leaf) in total order: the event at position
// p is leaf p-1. Positions must therefore run 1, 2, 3 and so on; a gap stops whoever reads. Hashes, proofs and notes
// are those of golang.org/x/mod/sumdb.
//
// A leaf covers an event's id, its place in its stream and its open bytes; of a sealed event that is the SHA-256 of the
// ciphertext. Erasing sealed bytes changes no leaf, so every checkpoint and every proof holds on.
//
// # Files
//
//	lock          held by the one Keeper that writes
//	tile/…        the tree's hashes, laid out as C2SP tlog-tiles says: tile/<level>/<number>, of height 8; the last of a
//	              level, while it is not full, as <number>.p/<width>. There are no entry bundles: entries stay in the ledger
//	checkpoints   every checkpoint ever kept, in order of size, each filled up with newlines to 256 bytes
//	checkpoint    the newest of them, for tools; Open puts it right
//	new           a file to come; worthless
//
// A tile gets its name when its bytes are durable, so a tile that can be seen is whole, and right for good. A narrower tile
// of the same number is removed once the full one is there.
//
// A checkpoint is a C2SP tlog-checkpoint: a signed note of three lines, origin, size and root, with one Ed25519 signature by
// the key of that name. It holds no instant. 256 bytes never straddle two sectors, so a write that was torn harms none but
// its own; a last one that is short or ends in a zero byte was never finished, and never given to anybody: Open cuts it. No
// complete one can look so. Whatever else does not hold is refused.
//
// # Order of writing
//
// The store shows only what is durable in it, and the tree takes nothing from anywhere else. Then, for one checkpoint:
//
//  1. the tiles that changed, each synced before it gets its name, and then their folders;
//  2. the checkpoint at the end of checkpoints, synced: this is when it counts;
//  3. the file checkpoint. Only now anybody is given it.
//
// So a checkpoint claims no more than is durable. After a crash the newest one in checkpoints says how far the tiles can be
// relied upon, and the tree goes on from there with the ledger. A step that failed can be done again, because nobody was
// told of it.
//
// # Opening
//
// Open reads the last tiles of the newest checkpoint and refuses if they do not give its root; and it refuses a ledger that
// is shorter, or has another event at that size: what would be signed next would contradict what was signed before. A
// ledger put back from an older copy is refused there. That costs a few files, whatever the size. Nothing that disagrees is
// ever mended by itself: Verify says what it is, and Rebuild makes the tiles anew from a ledger that has the signed root.
//
// # Without a Keeper
//
// Newest, Prove and Verify read the files alone, beside a Keeper or where there is none, and write nothing: a copy of ledger and
// folder and the log's verifier string are enough.
//
// # What is lost with what
//
//   - checkpoint: nothing.
//   - tile: nothing that Rebuild does not make again.
//   - checkpoints, and all of the folder: what was signed; only copies kept elsewhere then tell whether the ledger is
//     still the same.
//   - the key: Open refuses. Nothing else can sign for the same log; a change of key is not built.
//
// # What it shows
//
// Whoever holds a checkpoint, and kept it where the ledger's operator cannot reach, can later tell whether anything before
// it was changed, removed, added or put in another order. Without such a checkpoint everything here can be made
// consistently anew by whoever has the files and the key: see Report.Unseen. It is not shown that an event is true, nor
// that all that happened is in the ledger.
package proof
