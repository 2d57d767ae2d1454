//go:build race

package esdbtest

// Raced says that the race detector watches. The official client has a race of its own: sent to another node, it closes its
// connection beside calls that are being sent, and reads what gRPC is writing then. So tests under it leave NotLeader out.
const Raced = true
