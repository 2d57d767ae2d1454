package esdbtest

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// A Call is one call of the server, as the hook of Faults sees it when it begins.
type Call struct {
	Method string // append, tombstone, delete, read, subscribe, gossip or features
	Stream string // which stream, $all, or nothing
	Number int    // how many calls of this method there have been at this node, from 1
}

// A Fate is what becomes of a call.
type Fate int

const (
	Served      Fate = iota
	Unavailable      // UNAVAILABLE, and nothing done
	Lost             // done, and then UNAVAILABLE; a subscription sends a few messages first
	Cut              // every connection of the node is cut, and nothing done
	CutAfter         // done, and then every connection is cut; a subscription sends a few messages first
	TimedOut         // done, and then ABORTED, as when a write was not confirmed in time
	NotLeader        // as from a node that is not the leader, nothing done
	Denied           // PERMISSION_DENIED, and nothing done
	Failed           // UNKNOWN, and nothing done
	NotFound         // NOT_FOUND, and nothing done, as what is no server or knows no leader may answer
	Held             // nothing done until the caller gives up or the server stops
	StoredTwice      // an append is stored, and once more behind itself
)

// fail gives the error of a call whose fate it is to fail; before tells whether it is asked before or after the work.
func (n *Server) fail(f Fate, before bool, trailer func(metadata.MD)) error {
	switch {
	case f == Unavailable && before, f == Lost && !before:
		return status.Error(codes.Unavailable, "Server Is Not Ready")
	case f == Cut && before, f == CutAfter && !before:
		n.CutConnections()
		return status.Error(codes.Unavailable, "cut")
	case f == TimedOut && !before:
		return status.Error(codes.Aborted, "Operation timed out")
	case f == Denied && before:
		trailer(metadata.Pairs("exception", "access-denied"))
		return status.Error(codes.PermissionDenied, "Access Denied")
	case f == Failed && before:
		return status.Error(codes.Unknown, "Exception was thrown by handler.")
	case f == NotFound && before:
		return status.Error(codes.NotFound, "")
	case f == NotLeader && before:
		return n.notLeader(trailer)
	}
	return nil
}

func (n *Server) notLeader(trailer func(metadata.MD)) error {
	host, port := n.leader().endpoint()
	trailer(metadata.Pairs("exception", "not-leader", "leader-endpoint-host", host, "leader-endpoint-port", port))
	return status.Errorf(codes.NotFound, "Leader info available")
}

func streamDeleted(name string, trailer func(metadata.MD)) error {
	trailer(metadata.Pairs("exception", "stream-deleted", "stream-name", name))
	return status.Errorf(codes.FailedPrecondition, "Event stream '%s' is deleted.", name)
}
