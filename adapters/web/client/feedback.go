package client

import (
	"strconv"
	"strings"

	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
)

// Feedback is open to everybody and linked to nobody: whether somebody is signed in makes no difference.

// The forms of feedback.
const (
	suggest  = "suggest-changes"
	evaluate = "evaluation"
)

type feedbackView struct {
	Form, Text string // typed, of a form that is shown again
	Stars      int
	Missing    bool // nothing was written
	Wrong      bool // what was written is not taken
}

var feedbackPage = page.Must[feedbackView](files, "feedback")

func feedback(r *api.Request) (api.Reply, error) {
	return page.Show(feedbackPage, page.NewFrame(r, "client.feedback.title"), feedbackView{Form: suggest})
}

func giveFeedback(r *api.Request) (api.Reply, error) {
	const title = "client.feedback.title"
	v := feedbackView{Form: suggest, Text: r.Form("text")}
	if r.Form("form") == evaluate {
		v.Form = evaluate
	}
	if stars, err := strconv.Atoi(r.Form("stars")); err == nil {
		v.Stars = min(max(stars, 0), 5)
	}
	if v.Missing = strings.TrimSpace(v.Text) == ""; v.Missing {
		return incomplete(r, feedbackPage, title, v)
	}
	if _, err := r.GiveFeedback(api.Feedback{Form: v.Form, Text: v.Text, Stars: v.Stars}); err != nil {
		v.Wrong = true
		return page.Again(r, feedbackPage, title, v, err)
	}
	return api.GoTo("/feedback?done=feedback&lang=" + r.Lang())
}

var notesPage = page.Must[nothing](files, "notes")

// notes is a page that the server knows nothing of but its words.
func notes(r *api.Request) (api.Reply, error) {
	return page.Show(notesPage, page.NewFrame(r, "client.notes.title"), nothing{})
}
