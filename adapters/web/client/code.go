package client

import (
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
)

// A new code comes in three steps: what it does, the code itself, and typing it back. The old one opens until the third is done. The code is
// shown in the answer to the form that asked for it and kept nowhere, so a page that is loaded anew draws another.

type codeView struct {
	Code string
}

var (
	codePage    = page.Must[nothing](files, "code")
	newCodePage = page.Must[codeView](files, "code-new")
	confirmPage = page.Must[nothing](files, "code-confirm")
)

func codeFront(r *api.Request) (api.Reply, error) {
	return page.Show(codePage, page.NewFrame(r, "client.code.title"), nothing{})
}

func drawCode(r *api.Request) (api.Reply, error) {
	c, err := r.DrawCode(api.None{})
	if err != nil {
		return api.Reply{}, err
	}
	return page.Show(newCodePage, page.NewFrame(r, "client.code.title"), codeView{c.Code})
}

func confirmFront(r *api.Request) (api.Reply, error) {
	return page.Show(confirmPage, page.NewFrame(r, "client.code.title"), nothing{})
}

func confirmCode(r *api.Request) (api.Reply, error) {
	if _, err := r.ConfirmCode(api.TypedCode{Code: r.Form("code")}); err != nil {
		return page.Again(r, confirmPage, "client.code.title", nothing{}, err)
	}
	return api.GoTo("/settings?done=code-changed")
}
