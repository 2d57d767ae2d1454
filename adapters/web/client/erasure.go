package client

import (
	"strconv"

	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain"
)

// Erasing takes the code once more. The page that says that it is done is the answer itself: nobody is signed in any more.

type erasedView struct {
	Copies domain.Date // until which copies from before could be opened
}

var (
	erasurePage = page.Must[state](files, "erasure")
	erasedPage  = page.Must[erasedView](files, "erased")
)

func erasure(r *api.Request) (api.Reply, error) {
	_, s, err := standing(r)
	if err != nil {
		return api.Reply{}, err
	}
	return page.Show(erasurePage, page.NewFrame(r, "client.erasure.title"), s)
}

func erase(r *api.Request) (api.Reply, error) {
	done, err := r.EraseOwn(api.TypedCode{Code: r.Form("code")})
	if err != nil {
		_, s, failed := standing(r)
		if failed != nil {
			return api.Reply{}, err
		}
		return page.Again(r, erasurePage, "client.erasure.title", s, err)
	}
	return page.Show(erasedPage, page.NewFrame(r, "client.erased.title"), erasedView{day(done.InCopiesUntil)})
}

func askAboutLookUp(r *api.Request) (api.Reply, error) {
	n, err := strconv.ParseUint(r.Form("number"), 10, 64)
	if err != nil {
		n = 0 // which no look-up has
	}
	if _, err := r.AskAboutLookUp(api.LookUpQuestion{Number: n}); err != nil {
		return api.Reply{}, err
	}
	return api.GoTo("/settings/look-ups?done=asked-about")
}
