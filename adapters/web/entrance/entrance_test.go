package entrance

import (
	"encoding/base64"
	"image/png"
	"strings"
	"testing"
)

// After a second factor one goes on to a page of ours, whatever the address says.
func TestBelow(t *testing.T) {
	for to, want := range map[string]string{
		"/overview": "/overview", "/clients/x?done=note": "/clients/x?done=note", "/": "/", "": "/", "overview": "/", "//example.org": "/",
		"https://example.org/": "/", `/\example.org`: "/", "/a\r\nSet-Cookie: x": "/", "javascript:alert(1)": "/",
	} {
		if got := below(to); got != want {
			t.Errorf("%q leads to %q, not %q", to, got, want)
		}
	}
}

// Of the browser and the system only the families are kept (A10); what is not known is left empty.
func TestFamilies(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0.0.0 Safari/537.36":                     "Chrome on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":       "Edge on Windows",
		"Mozilla/5.0 (Linux; Android 10; K) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36": "Samsung Internet on Android",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) Version/18.6 Mobile/15E148 Safari/604": "Safari on iOS",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:143.0) Gecko/20100101 Firefox/143.0":         "Firefox on macOS",
		"Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0":                       "Firefox on Linux",
		"curl/8.5.0": " on ",
		"":           " on ",
	} {
		if browser, system := families(agent); browser+" on "+system != want {
			t.Errorf("%q: %s on %s", agent, browser, system)
		}
	}
}

// The picture for the authenticator app is a PNG in the page itself: nothing is loaded from elsewhere.
func TestPicture(t *testing.T) {
	url, err := picture("otpauth://totp/Samtykke:a@example.org?secret=GEZDGNBVGY3TQOJQ&issuer=Samtykke")
	if err != nil {
		t.Fatal(err)
	}
	data, ok := strings.CutPrefix(string(url), "data:image/png;base64,")
	img, err := png.Decode(base64.NewDecoder(base64.StdEncoding, strings.NewReader(data)))
	if !ok || err != nil || img.Bounds().Dx() != 240 {
		t.Errorf("%.40s: %v", url, err)
	}
	if _, err := picture(strings.Repeat("x", 5000)); err == nil {
		t.Error("drew more than a QR code holds")
	}
}
