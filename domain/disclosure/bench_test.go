package disclosure

import "testing"

// BenchmarkProtect is a quarter of 300 organisations: twenty tables with all margins on common totals, each organisation an insider,
// and for each cell of theirs the others together.
func BenchmarkProtect(b *testing.B) {
	p := counties(1, 20, 300)
	for b.Loop() {
		pat, err := Protect(p, Rules{})
		if err != nil {
			b.Fatal(err)
		}
		protected := b.Elapsed()
		found, err := Audit(p, pat, Rules{})
		if err != nil || found != nil {
			b.Fatal(found, err)
		}
		b.ReportMetric((b.Elapsed() - protected).Seconds(), "s-audit")
		report(b, p, pat)
	}
}
