package auditor

import (
	"net/http"
	"strconv"

	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
)

// newFeed is the page that opens a feed.
type newFeed struct {
	Q     question
	After string
}

var (
	feedForm = form[newFeed]{page.Must[newFeed](files, "new-feed"), "auditor.feed", func(r *api.Request, q question) newFeed {
		return newFeed{q, r.Form("after")}
	}}
	feedPage = page.Must[feed](files, "feed")
)

func openFeed(r *api.Request) (api.Reply, error) {
	q, _, err := readQuestion(r)
	if err != nil {
		return feedForm.again(r, q, err)
	}
	after, err := strconv.ParseUint(r.Form("after"), 10, 63)
	if err != nil && r.Form("after") != "" {
		return feedForm.again(r, q, badInput)
	}
	f, err := r.OpenFeed(api.OpenFeed{Reason: q.Reason, After: after})
	if err != nil {
		return feedForm.again(r, q, err)
	}
	return api.GoTo(place(strconv.FormatUint(f.Feed, 10), f.After))
}

// place is where a feed goes on behind a position.
func place(feed string, after uint64) string {
	return "/audit/feed/" + feed + "/" + strconv.FormatUint(after, 10)
}

// feed is a page of events, one after another.
type feed struct {
	Events []happening
	Next   string
}

func readFeed(r *api.Request) (api.Reply, error) {
	after, err := strconv.Atoi(r.Part("after"))
	if err != nil || after < 0 {
		return api.Reply{}, web.NewProblem(http.StatusNotFound, "not-found", "There is no such place.")
	}
	got, err := r.ReadFeed(api.FeedPage{After: after, Limit: perPage})
	if err != nil {
		return api.Reply{}, err
	}
	body := feed{Next: place(r.Part("feed"), got.After)}
	for _, f := range got.Events {
		body.Events = append(body.Events, happened(r.Lang(), f))
	}
	return page.Show(feedPage, page.NewFrame(r, "auditor.feed"), body)
}
