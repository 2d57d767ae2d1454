// Package disclosure is statistical disclosure control for tables of counts of persons, by the terms and methods of the
// field: primary and secondary cell suppression, an audit by attack, and perturbation by cell keys. No person can be
// singled out, linked or inferred: not from a table, not by comparing releases, not by an organisation that knows its own
// clients, and not with certainty by somebody who knows all but one of a group (clauses D17, G01, G02).
//
// It is pure: no clock, no files, no randomness of its own. The same problem and rules give the same pattern everywhere.
//
// # The problem
//
// A Problem says everything that could be known: the cells of all tables of a release, what is known from earlier ones, and the sums
// that bind them. A count that stands in several tables is one cell, or it is bound to itself by a sum with one part. What is
// never shown but can be worked out is a Derived cell: the rest of a column without one organisation, who came earlier and did not come
// back, a complement that is no category. A Derived cell is held to the same limits as any other, and this is how differences between
// releases are guarded; what nobody wrote down as a cell is not.
// Everybody knows the rules, the sums, the structural zeros, and that no count is below zero.
//
// # Layer 1: what is sensitive
//
// All limits are in distinct persons, and all are looked at on exact counts, so that the layer holds also against somebody
// who takes layer 2 off. A cell is sensitive if
//
//   - denominator: it is read against a group below the threshold, or an empty one. An empty group that is no secret is Structural;
//   - zero: nobody of its group is in it. A zero says something about each of the group (group attribute disclosure),
//     as the hundred percent does; a zero that could not be otherwise is Structural;
//   - few: 1 to threshold-1 persons;
//   - all: its whole group is in it;
//   - complement: its whole group but 1 to threshold-1, who are as few as if they were counted.
//
// A cell with persons and Group 0 is a whole: read against nothing, only few applies. This is for totals.
//
// The threshold rule is for counts. Where contributions differ in size, the p% rule serves (Dominant): it asks what harms, namely how
// well the second largest knows the largest, while the (n,k) rule, of shares, passes sums in which two know each other
// and blocks others in which nobody does.
//
// # Layer 1: what is protected
//
// An attacker who puts all sums together finds an interval for each cell. For a sensitive cell it has to be at least Protection wide;
// and the truth must not be its upper limit if the cell is below the threshold, nor its lower limit if the complement is.
// With Protection at the threshold or above, which is the default, nobody can conclude from the sums that a small cell is small.
// This is asked for the outsider, who knows whatever was shown, and for each Insider, who knows its own besides, and what
// follows from that alone. An insider's own cells are no targets for it. Insiders do not collude.
//
// What an insider knows need not be a cell: of a table that is not told by organisation, each organisation knows its own part of
// every cell. Then the cell says what follows: its Floor, below which nobody goes in what is shown to be possible; and that what is left
// without somebody's own is small or large (remainder), in which case the truth must be possible to be higher, or lower, by the
// whole Protection, so that what is left has an interval as wide. The floor of the cell that is looked at itself counts for the latter
// only: who knows of persons in a cell that they are in it learns nothing of them.
//
// Published sums usually give a lone suppressed cell away; so others are suppressed beside it (secondary suppression). Readers
// must not be told which is which. What is left to them is that among cells suppressed together some are sensitive, and a
// suppressed cell that no sum binds to another is. That is the threshold rule's own message.
//
// # How it is found, and why it can be relied on
//
// A walk is a change of cells that keeps every sum. It takes the truth to another table of integers, none below zero, that looks
// the same to whoever knows none of its cells; in a two-way table it goes round a cycle. Walks up and down from a sensitive
// cell, far enough, are the proof that it is protected. A proof is checked in integers, apart from how it was found, so a search
// that misses something suppresses too much, or refuses, and never lets a disclosure pass. An empty Audit is a proof in this
// sense; a finding may be one that the search could not prove wrong, and the interval in it is what was witnessed.
//
// The search is Dijkstra's, over which sums are off, with what has to be suppressed as the distance: exact for one walk of
// equal steps in a two-way table, a heuristic with a budget where cells stand in more sums. Several walks, one after the other,
// are tried where one has not the room. In the end each secondary suppression that turns out not to be needed is taken back, the
// largest weight first, and the audit runs once more. In tables of three dimensions in which hardly anybody is counted, the
// search may refuse although suppressing everything would do. Walks are integers from the start, where a linear program's vertices in a
// table of three dimensions need not be, and would have to be proved in integers all the same. Such a program is for a second opinion,
// which shares nothing with the search: Program writes it for any solver, and an interval that one finds narrower than what was proved
// would show that the proof is wrong.
//
// A proof serves every insider that knows none of its cells. So each sensitive cell has usually two: one for the outsider, and
// one that avoids all insiders whom the first one touches.
//
// # Layer 2: the cell key method
//
// Each count that is shown gets noise, two-sided geometric: k with probability proportional to e^(-epsilon |k|), without bound. It is
// picked by a pseudo-random function of the set of persons, as the sum of their record keys. So the same set has the same noise in
// every table and release, and asking again averages nothing out; while a set of one person more has noise of its own, and
// somebody who knows all the others finds every published value possible with and without the last, the ratio of the
// probabilities at most e^epsilon. What is published is never below the threshold: that looks at the noisy value only. The
// exact counts add up, the published ones need not.
//
// # What is not promised
//
//   - Epsilon adds up over the shown cells that a person is counted in: with twenty tables that share no margin the ratio is up to
//     e^(20 epsilon) and more. Layer 2 is a margin of safety on single counts, not differential privacy of a release.
//   - Which cells are shown is decided on exact counts. That a cell is shown says that it is not sensitive: who knows of
//     threshold-1 persons in it, and of one more who may be, then knows of that one. Noise cannot take this back; it is the price of
//     never showing a small count.
//   - Neither layer knows what else is known: a person's friends, other statistics, insiders who join.
//   - Who knows the rules can run Protect on tables he finds possible, and strike out those that would have been suppressed otherwise.
//     Intervals are from the sums.
//   - Noise is as secret as the key of its function, and sets are told apart by 64 bits.
package disclosure
