// Package esdbtest is a protocol double of EventStoreDB for tests: it speaks the server's gRPC protocol, on the stubs of
// the official client's module, so that the official client itself is what talks to it. It does what the servers do from
// 23.10 on, as far as a client of streams can see, whether that suits a test or not:
//
//   - sparse commit positions, one order for $all, events of system streams among them;
//   - expected revisions with the servers' idempotency: strong for a revision or no stream, by comparing ids with what is
//     stored; weak for any or an existing stream, by a memory of ids that a restart empties;
//   - an append that is one atomic write, its limit of 1 MiB checked while it is being sent, so that a large one is broken
//     off early;
//   - soft deletion, tombstones, $tb, $maxCount and $maxAge, which hide when a stream is read and change nothing in $all
//     until Scavenge;
//   - the trailers and codes by which a client tells not-leader, a deleted stream and all else;
//   - subscriptions with server-side filters, checkpoints, caught-up, and a refusal of positions where no event lies;
//   - gossip, supported methods and version, basic authentication where there is TLS.
//
// What it holds is in memory, is durable at once, and outlives Stop and Start. It is slower than a disk nowhere, and no
// evidence of speed.
//
// Faults are chosen by a hook that is asked about every call: see Fate.
package esdbtest
