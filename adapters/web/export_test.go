package web

import "log/slog"

// Statuses is the table of refusals.
var Statuses = statuses

// NewCounts counts connections by address.
func NewCounts(most int) *counts { return &counts{most: most, open: map[string]int{}} }

func (n *counts) Enter(where string) bool { return n.enter(where) }
func (n *counts) Leave(where string)      { n.leave(where) }

// Open is how many addresses have connections.
func (n *counts) Open() int { return len(n.open) }

// Origin is what a connection from there is counted by.
var Origin = origin

// NewQuiet takes what net/http has to say.
func NewQuiet(log *slog.Logger) *quiet { return &quiet{log: log, seen: map[string]int{}} }

func (q *quiet) Total() { q.total() }
