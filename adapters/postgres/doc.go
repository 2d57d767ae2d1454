// Package postgres keeps a ledger in a PostgreSQL database, the keys in another, views, and what several instances of the program share
// besides. Store is a ledger.Eraser and passes ledgertest.TestStore. This comment specifies what it relies on and what it writes.
//
// # The server
//
// PostgreSQL 14 or later, in UTF8, reached directly or over a pooler that keeps a session on one connection. Open refuses a server
// with fsync or full_page_writes off. The connections commit with synchronous_commit on, or remote_apply where that is set. What else
// a commit waits for, such as a standby, is the server's configuration.
//
// # The tables
//
// All lie in one schema, so that a database can hold several ledgers. The files in events are the migrations that make them;
// they are applied in order, in one transaction, by one program at a time. A schema that a later version has changed is refused.
//
//	event      one row for each record: position, version, id, stream, open bytes. Never changed: a trigger sees to it
//	sealed     the sealed bytes, in a row of their own, under the record's position
//	stream     where each stream stands
//	turn       empty; whoever appends locks it
//	partition  which partitions of event and sealed there are
//	migration  which migrations were applied
//
// event and sealed are partitioned by ranges of positions. The writer makes partitions half a partition ahead, beside the tables,
// and attaches them, which keeps nobody waiting.
//
// # Writing
//
// One goroutine writes. It takes all appends that wait, at most one of each stream, and hands them over in one statement, the
// function append; the next ones gather while that commits. The function takes its turn by locking the table turn, compares the
// streams' versions, and gives the positions behind the last one. The lock ends after the commit is visible: so positions have no gap,
// their order is that of the commits, and whoever sees one sees all before it, however many processes write. If a stream is at another
// version, nothing of the group is written; that append gets its answer, and the others are sent once more without it.
//
// When a group had several callers, the next one waits a moment for as many, but for no more than an eighth of the time the last
// commit took. Someone who writes alone never waits.
//
// # Lost connections
//
// A connection that is lost while a group is under way leaves open whether it was stored. The writer then connects anew, ends the
// backend that served the lost connection, waits until it is gone, and sends the same group once more: an append that had been stored
// finds its own ids at its place, which is its answer; the others are stored now. So callers see a delay and nothing else. Only
// when that is not settled within Options.Patience, they are told that the outcome is open. An error that the server answers
// with, short of ending the connection, has rolled the group back: that is a refusal. So is a connection that cannot be made.
//
// # Reading
//
// Readers fetch pages and hold no connection in between. A reader that has come to the end is woken by this process's writer, by a
// notification that append sends in its transaction for all processes, and by a clock in case that is lost. It stops with an error
// at a position that is missing, which only damage can bring about. While the server cannot be reached After waits for it. The
// store listens for notifications from the first reader on: each wakes a process of the server and this one.
//
// # Erasing
//
// Erase deletes rows of sealed and has the server vacuum the table. The event's row stays as it is, and its leaf. PostgreSQL keeps what
// was deleted for a while: in the table until no older transaction can see it and the page is used again, in its log until that is
// recycled, in an archive of the log and in backups as long as these are kept. None of that can be read: the key was destroyed before.
//
// # Keys
//
// Ring is a keyring.Keyring in a database of its own, or at least a schema: one that holds events is refused. It passes
// keyringtest.TestKeyring. The database has data keys only, each wrapped under an epoch's key; these are in a folder
// (keyring.EpochKeys), under the master key there or a key management service's, and never in the database. All processes need that
// folder. A folder and a database that do not belong together are refused.
//
//	ring  one row: the current epoch, and how many keys were destroyed
//	key   one row for each owner: the wrapped key with its epoch or, once destroyed, a word and the number of the destruction
//
// Destroy overwrites the row, durably, and then has the server vacuum the table. In the process that destroyed, no use of the key
// starts after that. Another process asks the database, before it uses any key, what was destroyed, unless it did so within the
// last RingOptions.Fresh, 250 ms if not set otherwise: so it uses a destroyed key no longer than that, and if it cannot ask, it
// uses none. Destructions are numbered in the order of their commits, so none is overlooked.
//
// Rotate makes the new epoch current first, after which no key is made under an earlier one; then it wraps all keys anew, a thousand
// in a transaction, has the table vacuumed, and only then destroys the keys of epochs that ended. What interrupts it, the next
// call takes up: each row says under which epoch's key it is.
//
// Keys, FillKeys and LeaveKeys move all data keys out of a database and into one, closed as they are, each in one transaction that
// locks the ring's row: nobody makes or destroys a key meanwhile. Keys that were made after they were read are not removed.
//
// PostgreSQL overwrites nothing in place. A row's earlier form stays in the table until no older transaction can see it and a
// vacuum has come by, and its bytes perhaps in a page's free room until other rows take that; it stays in the server's log until
// that is recycled, which takes some checkpoints, on each standby likewise, and in archives of the log and in backups for as long as
// they are kept. All of these hold the key only as wrapped under the key of its epoch. That is in none of them and is destroyed at the
// start of the 14th day after the epoch began: from then on nothing of all that opens. A backup of the ledger can hold this database;
// it must not hold the folder.
//
// # Views
//
// Views is a views.Store, in a schema of its own. What it is for, and what holds, stands in adapters/views.
//
//	generation  one row for each: its shape, whether it is being built, live or retired, the cursor, and the hash of the record there
//	document_N  the documents of generation N, a row each; of a long one a row for each part
//
// A folder has a connection of its own. It commits with synchronous_commit off: what a crash of the server takes back can be folded again,
// and documents and cursor go back together. Each commit notifies; who follows listens, and looks once a poll in case that is lost.
// Whoever folds or reads a generation holds a shared advisory lock of it; a retired one is dropped by whoever finds that nobody
// does. While the server cannot be reached, whoever reads gets an error after ViewsOptions.Patience, and folding waits.
//
// Nothing is lost with this database: all of it is made anew from the ledger. So it need not be backed up.
//
// # What instances share
//
// Shared is who is signed in, what was tried, and whose turn it is, in a schema of its own. Its tables pass signintest.TestSessions
// and signintest.TestBuckets.
//
//	session  one row for each session: the hash of its token, ids, instants, and the rest sealed (signin.SessionRow)
//	day      one row: the salt of the day's key for addresses and names
//	bucket   one row for each address or name, as a keyed hash, that has not all its tokens
//	answer   one row for each command answered: a hash that finds it, and the answer sealed, both under what only its caller has; without
//	         an answer, of one that is under way: who works on it, and until when nobody else does
//	lease    one row for each lease: how often it was taken
//	place    one row for each cursor: how far its lease's holder has come, with that number
//
// Nothing of sessions and limits is kept in a process but the day's salt. Each request looks its session up, in one round trip: so what
// one instance ends has ended for all when the call returns. That a session was used is written once a minute at the most; until
// then it ends so much sooner (signin.SeenEvery). While the server cannot be reached nobody is let in and nobody is signed out: an
// instance answers with an error. A pooler that ends idle connections does no harm here.
//
// session, day, bucket and answer are not logged: they cost no durable write, are in no backup of the server's files and on no standby.
// After a crash of the server, or when a standby takes over, they are empty. Then everybody signs in again, attempts are counted
// from nothing, and a repeated command is known by its events alone; no session that ended comes back. A dump of the database holds
// them unless it leaves unlogged tables out.
//
// A bucket is one number: the instant at which it is full again. An attempt moves that by an interval, and is refused where it would
// be further off than the burst. That is the token bucket that counts in memory, in whole nanoseconds. All counting of a schema takes
// turns, so that an attempt takes a token of each bucket or of none. A bucket that is full again is as good as none and is removed by
// Forget, which also keeps no more than signin.MaxBuckets of a kind. Between two calls there are as many more as are allowed overall.
//
// place is moved by the holder of a lease alone, and by none with a lower number than whoever last read it: so a holder that was stopped,
// and goes on when the lease is another's, cannot move it back.
//
// A Lease is held by one instance at a time, whichever asks first: the one that lets time pass. It is a lock of a connection that is
// used for nothing else; its comment says how it is lost and what follows. A pooler in between must keep a session on one connection,
// and must not end one that asks every second.
//
// # Errors
//
// No error repeats the connection string, what the server says in words, or what was written: it gives the SQLSTATE.
package postgres
