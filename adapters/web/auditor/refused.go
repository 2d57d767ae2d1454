package auditor

import (
	"samtykke/adapters/audit"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
)

// refused is the page with attempts that were refused: look-ups and sign-ins.
type refused struct {
	Q      question
	Answer *answer
}

var refusedForm = form[refused]{page.Must[refused](files, "refused"), "auditor.refused", func(_ *api.Request, q question) refused {
	return refused{Q: q}
}}

func askRefused(r *api.Request) (api.Reply, error) {
	q, p, err := readQuestion(r)
	if err != nil {
		return refusedForm.again(r, q, err)
	}
	ask := func(part api.AuditPage) (audit.Attempts, error) {
		return r.ListRefused(api.Refused{Reason: q.Reason, From: p.from, To: p.to, AuditPage: part})
	}
	if as := r.Form("as"); as != "" {
		return refusedFile(r, q, as, ask)
	}
	got, err := ask(which(r, perPage))
	if err != nil {
		return refusedForm.again(r, q, err)
	}
	return refusedForm.show(r, refused{Q: q, Answer: &answer{Rows: attempts(r.Lang(), got.Rows), Next: got.Next, Upto: got.Upto, Fixed: q}})
}

// refusedFile gives all rows as a file.
func refusedFile(r *api.Request, q question, as string, ask func(api.AuditPage) (audit.Attempts, error)) (api.Reply, error) {
	rows, err := whole(func(p api.AuditPage) ([]audit.Attempt, uint64, uint64, error) {
		got, err := ask(p)
		return got.Rows, got.Next, got.Upto, err
	})
	if err != nil {
		return refusedForm.again(r, q, err)
	}
	if as == "json" {
		return asJSON("refused", rows)
	}
	return asCSV(r.Lang(), "refused", attempts(r.Lang(), rows))
}

func attempts(lang string, in []audit.Attempt) []row {
	rows := make([]row, 0, len(in))
	for _, a := range in {
		rows = append(rows, tried(lang, a))
	}
	return rows
}
