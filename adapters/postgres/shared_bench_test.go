package postgres_test

import (
	"net/netip"
	"testing"

	"samtykke/adapters/postgres"
	"samtykke/adapters/postgres/postgrestest"
	"samtykke/adapters/signin"
	"samtykke/domain"
)

// BenchmarkFind is one look for a session, in memory and where instances share it.
func BenchmarkFind(b *testing.B) {
	for name, table := range map[string]signin.SessionTable{
		"memory":   signin.MemorySessions(0),
		"postgres": mustShare(b, postgrestest.Database(b), postgres.SharedOptions{}).Sessions(),
	} {
		b.Run(name, func(b *testing.B) {
			in := signin.SessionsIn(table, nil)
			id, _ := domain.ParseID("0195a000-0000-4000-8000-000000000001")
			token, err := in.New(b.Context(), noon, &signin.Session{ID: id, Actor: id, Role: domain.RoleClient})
			if err != nil {
				b.Fatal(err)
			}
			cookie := token.Cookie()
			for b.Loop() {
				if _, ok, err := in.Find(b.Context(), cookie, noon); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

// BenchmarkBegin is the beginning of a session beside 50,000 others.
func BenchmarkBegin(b *testing.B) {
	dsn := postgrestest.Database(b)
	in := signin.SessionsIn(mustShare(b, dsn, postgres.SharedOptions{}).Sessions(), nil)
	exec(b, dsn, `INSERT INTO samtykke_shared.session SELECT sha256(n::text::bytea), gen_random_uuid(), gen_random_uuid(), 1, 1, 1, 1, 1,
		repeat('x', 400)::bytea FROM generate_series(1, 50000) n`)
	for n := 0; b.Loop(); n++ {
		id := domain.ID{byte(n), byte(n >> 8), byte(n >> 16), 1}
		if _, err := in.New(b.Context(), noon, &signin.Session{ID: id, Actor: id, Role: domain.RoleClient}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAttempt is an attempt that counts, by address and overall.
func BenchmarkAttempt(b *testing.B) {
	for name, buckets := range map[string]signin.Buckets{
		"memory":   signin.MemoryBuckets(),
		"postgres": mustShare(b, postgrestest.Database(b), postgres.SharedOptions{}).Buckets(),
	} {
		b.Run(name, func(b *testing.B) {
			l := signin.LimitsIn(buckets, hashKey(b), nil, []signin.Limit{
				{Act: signin.Invited, By: signin.ByAddress, Every: 1, Burst: 10}, {Act: signin.Invited, By: signin.Overall, Every: 1, Burst: 1 << 30},
			})
			for n := 0; b.Loop(); n++ {
				if err := l.Allow(b.Context(), noon, signin.Invited, netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
