package web_test

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"samtykke/adapters/web"
	"samtykke/domain"
)

// A form has a member of every sort.
type form struct {
	Code    string            `json:"code"`
	Yes     bool              `json:"yes"`
	Count   uint8             `json:"count"`
	Signed  int32             `json:"signed"`
	Share   float32           `json:"share"`
	Items   []int             `json:"items"`
	Pair    [2]string         `json:"pair"`
	Answers []answer          `json:"answers"`
	Shown   shown             `json:"shown"`
	Client  domain.ID         `json:"client"`
	At      time.Time         `json:"at"`
	Key     []byte            `json:"key"`
	Free    map[string]answer `json:"free"`
	Hard    *int              `json:"hard"`
	Note    string            `json:"note,omitempty"`
	Reason  string            `json:"reason,omitzero"`
	Under   *form             `json:"under,omitempty"`
	Raw     jsontext.Value    `json:"raw,omitempty"`
	Hidden  string            `json:"-"`
	Plain   string
	common
}

type answer struct {
	Task  string `json:"task"`
	Stars int    `json:"stars"`
}

type shown struct {
	Language string `json:"language"`
}

type common struct {
	Channel string `json:"channel"`
}

const whole = `{"code":"c","yes":true,"count":1,"signed":-1,"share":0.5,"items":[1,2],"pair":["a","b"],"answers":[{"task":"t","stars":3}],` +
	`"shown":{"language":"nb"},"client":"1b4e28ba-2fa1-41d2-883f-0016d3cca427","at":"2026-03-02T10:00:00Z","key":"aGVp","free":{"any":{"task":"t","stars":1}},` +
	`"hard":null,"Plain":"p","channel":"web"}`

func request(body string) *http.Request {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func decode(t testing.TB, r *http.Request, v any) *web.Problem {
	t.Helper()
	err := web.Decode(r, v)
	if err == nil {
		return nil
	}
	p, ok := err.(*web.Problem)
	if !ok {
		t.Fatalf("not a problem: %T", err)
	}
	return p
}

func TestDecode(t *testing.T) {
	var f form
	if p := decode(t, request(" "+whole+"\n"), &f); p != nil {
		t.Fatalf("a whole body: %+v", p)
	}
	if f.Code != "c" || f.Items[1] != 2 || f.Free["any"].Stars != 1 || f.Channel != "web" || f.Hard != nil {
		t.Errorf("decoded as %+v", f)
	}
}

// Each row is the whole body with one thing exchanged.
func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		status         int
		code, pointer  string
	}{
		{"unknown member", `"yes"`, `"ola nordmann":1,"yes"`, 422, "unknown-member", ""},
		{"unknown member within", `"task":"t",`, `"task":"t","Stars":2,`, 422, "unknown-member", "/answers/0"},
		{"unknown member in a map", `"any":{"task"`, `"any":{"mask":1,"task"`, 422, "unknown-member", "/free"},
		{"other case", `"code"`, `"Code"`, 422, "unknown-member", ""},
		{"a hidden field", `"yes"`, `"Hidden":"","yes"`, 422, "unknown-member", ""},
		{"missing", `"count":1,`, ``, 422, "missing-member", "/count"},
		{"missing, without a tag", `"Plain":"p",`, ``, 422, "missing-member", "/Plain"},
		{"missing in a list", `"answers":[`, `"answers":[{"task":"t","stars":1},{"task":"t"},`, 422, "missing-member", "/answers/1/stars"},
		{"missing within", `{"language":"nb"}`, `{}`, 422, "missing-member", "/shown/language"},
		{"missing in a map", `"free":{"any":{"task":"t",`, `"free":{"any":{`, 422, "missing-member", "/free/task"},
		{"missing in an embedded struct", `,"channel":"web"`, ``, 422, "missing-member", "/channel"},
		{"missing behind a pointer", `"hard":null`, `"hard":null,"under":{}`, 422, "missing-member", "/under/Plain"},
		{"a pointer without omitzero", `"hard":null,`, ``, 422, "missing-member", "/hard"},
		{"a text for a number", `"count":1`, `"count":"1"`, 422, "wrong-type", "/count"},
		{"a number for a text", `"code":"c"`, `"code":47110815`, 422, "wrong-type", "/code"},
		{"a text for a truth", `"yes":true`, `"yes":"true"`, 422, "wrong-type", "/yes"},
		{"a number for a truth", `"yes":true`, `"yes":1`, 422, "wrong-type", "/yes"},
		{"an object for a list", `"items":[1,2]`, `"items":{}`, 422, "wrong-type", "/items"},
		{"a list for an object", `{"language":"nb"}`, `[]`, 422, "wrong-type", "/shown"},
		{"a list for a text", `"code":"c"`, `"code":["c"]`, 422, "wrong-type", "/code"},
		{"an object for an id", `"client":"1b4e28ba-2fa1-41d2-883f-0016d3cca427"`, `"client":{}`, 422, "wrong-type", "/client"},
		{"a fraction for a whole number", `"items":[1,2]`, `"items":[1,2.5]`, 422, "wrong-type", "/items/1"},
		{"a list too short", `["a","b"]`, `["a"]`, 422, "wrong-type", "/pair"},
		{"a list too long", `["a","b"]`, `["a","b","c"]`, 422, "wrong-type", "/pair"},
		{"too large", `"count":1`, `"count":256`, 422, "out-of-range", "/count"},
		{"negative", `"count":1`, `"count":-1`, 422, "wrong-type", "/count"},
		{"too small", `"signed":-1`, `"signed":-2147483649`, 422, "out-of-range", "/signed"},
		{"far too large", `"share":0.5`, `"share":1e400`, 422, "out-of-range", "/share"},
		{"not an id", `1b4e28ba-2fa1-41d2-883f-0016d3cca427`, `ola nordmann`, 422, "wrong-form", "/client"},
		{"not an instant", `2026-03-02T10:00:00Z`, `2026-03-02`, 422, "wrong-form", "/at"},
		{"not base64", `"aGVp"`, `"ola nordmann"`, 422, "wrong-form", "/key"},
		{"null for a text", `"code":"c"`, `"code":null`, 422, "null-value", "/code"},
		{"null for a list", `[1,2]`, `null`, 422, "null-value", "/items"},
		{"null in a list", `[1,2]`, `[1,null]`, 422, "null-value", "/items/1"},
		{"null for an object", `{"language":"nb"}`, `null`, 422, "null-value", "/shown"},
		{"null for an id", `"1b4e28ba-2fa1-41d2-883f-0016d3cca427"`, `null`, 422, "null-value", "/client"},
		{"null for what may be missing", `"yes"`, `"note":null,"yes"`, 422, "null-value", "/note"},
		{"twice", `"yes":true`, `"yes":true,"yes":true`, 400, "duplicate-member", "/yes"},
		{"twice within", `"task":"t"`, `"task":"t","task":"t"`, 400, "duplicate-member", "/answers/0/task"},
		{"unknown and twice", `"yes"`, `"ola":1,"ola":2,"yes"`, 400, "duplicate-member", ""},
		{"twice, an object where a list belongs", `[1,2]`, `{"4711":1,"4711":2}`, 400, "duplicate-member", "/items"},
		{"invalid UTF-8", `"c"`, "\"\xff\"", 400, "not-json", ""},
		{"half a surrogate pair", `"c"`, `"\ud800"`, 400, "not-json", "/code"},
		{"a control character", `"c"`, "\"\n\"", 400, "not-json", "/code"},
		{"something after the end", `"channel":"web"}`, `"channel":"web"} {}`, 400, "not-json", ""},
		{"nonsense after the end", `"channel":"web"}`, `"channel":"web"} ola`, 400, "not-json", ""},
		{"no end", `"channel":"web"}`, `"channel":"web"`, 400, "not-json", ""},
		{"a comma too many", `"channel":"web"}`, `"channel":"web",}`, 400, "not-json", ""},
		{"single quotes", `"yes"`, `'yes'`, 400, "not-json", ""},
		{"not a number", `0.5`, `NaN`, 400, "not-json", "/share"},
		{"too deep", `"hard":null`, `"hard":null,"raw":` + strings.Repeat("[", 32) + strings.Repeat("]", 32), 400, "too-deep", ""},
		{"far too deep", `"hard":null`, `"hard":null,"raw":` + strings.Repeat("[", 30_000), 400, "too-deep", ""},
		{"a text alone", whole, `"ola nordmann"`, 422, "wrong-type", ""},
		{"null alone", whole, `null`, 422, "null-value", ""},
		{"nothing", whole, ``, 400, "empty-body", ""},
		{"blanks", whole, " \r\n\t", 400, "empty-body", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.Count(whole, c.old) != 1 && c.old != `"task":"t"` && c.old != `"task":"t",` {
				t.Fatalf("%s does not stand once in the body", c.old)
			}
			var f form
			p := decode(t, request(strings.Replace(whole, c.old, c.new, 1)), &f)
			if p == nil {
				t.Fatalf("accepted as %+v", f)
			}
			if p.Status != c.status || p.Code != c.code || p.Pointer != c.pointer {
				t.Errorf("%d %s at %q, want %d %s at %q: %s", p.Status, p.Code, p.Pointer, c.status, c.code, c.pointer, p.Detail)
			}
			if strings.Contains(p.Detail+p.Pointer, "ola") || strings.Contains(p.Detail+p.Pointer, "4711") {
				t.Errorf("repeats what was sent: %s %s", p.Pointer, p.Detail)
			}
		})
	}
}

func TestDecodeSaysWhatIsWanted(t *testing.T) {
	var f form
	for body, want := range map[string]string{
		strings.Replace(whole, `"count":1`, `"count":"1"`, 1): "Wanted here is a whole number.",
		strings.Replace(whole, `["a","b"]`, `["a"]`, 1):       "Wanted here is a list of 2.",
		strings.Replace(whole, `"nb"`, `"nb","x":1`, 1):       "A member is not known here. Names are compared letter by letter. Known are: language.",
	} {
		if p := decode(t, request(body), &f); p == nil || p.Detail != want {
			t.Errorf("%+v, want %q", p, want)
		}
	}
}

func TestDecodeContentType(t *testing.T) {
	for _, c := range []struct {
		contentType, encoding string
		ok                    bool
	}{
		{"application/json", "", true},
		{"Application/JSON; charset=UTF-8", "", true},
		{"application/json;charset=\"utf-8\"", "", true},
		{"application/json; charset=iso-8859-1", "", false},
		{"application/json; profile=x", "", false},
		{"application/problem+json", "", false},
		{"text/plain", "", false},
		{"application/x-www-form-urlencoded", "", false},
		{"application/json, text/plain", "", false},
		{"", "", false},
		{"application/json", "gzip", false},
	} {
		r := request(whole)
		r.Header.Set("Content-Type", c.contentType)
		if c.encoding != "" {
			r.Header.Set("Content-Encoding", c.encoding)
		}
		var f form
		p := decode(t, r, &f)
		if c.ok != (p == nil) || p != nil && (p.Status != 415 || p.Code != "wrong-content-type") {
			t.Errorf("%q %q: %+v", c.contentType, c.encoding, p)
		}
	}
	r := request(whole)
	r.Header.Add("Content-Type", "application/json")
	if p := decode(t, r, new(form)); p == nil || p.Status != 415 {
		t.Errorf("two content types: %+v", p)
	}
}

func TestDecodeUnread(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{&http.MaxBytesError{Limit: 3}, 413, "too-large"},
		{os.ErrDeadlineExceeded, 408, "too-slow"},
		{io.ErrUnexpectedEOF, 400, "cut-short"},
		{errors.New("ola nordmann"), 400, "cut-short"},
		{context.Canceled, 400, "cut-short"},
	} {
		r := request("")
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"code":`), failing{c.err}))
		p := decode(t, r, new(form))
		if p == nil || p.Status != c.status || p.Code != c.code || strings.Contains(p.Detail, "ola") {
			t.Errorf("%v: %+v", c.err, p)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// What Decode says does not repeat what was sent. The texts are of letters that its own words have no run of.
func FuzzDecode(f *testing.F) {
	f.Add(whole, []byte("ola"), uint16(8))
	f.Add(`{"code":@}`, []byte{1, 2, 3}, uint16(0))
	f.Add(`{@:1,@:2}`, []byte{1, 2, 3}, uint16(0))
	f.Add(`{"free":{@:{"task":@}}}`, []byte{1, 2, 3, 4}, uint16(0))
	f.Add(`{"items":{@:{"task":@,@:1,"x":@}}}`, []byte{1, 2, 3, 4}, uint16(0))
	f.Add(`{"client":@,"at":@,"count":@,"key":@}`, []byte{7, 7, 7, 7}, uint16(3))
	f.Add(`[@`, []byte{1}, uint16(0))
	f.Add(`{"raw":`+strings.Repeat("[", 40), []byte{1}, uint16(1))
	f.Fuzz(func(t *testing.T, body string, secret []byte, place uint16) {
		const letters = "QXZKWVJЖЩЪÅ"
		var text strings.Builder
		for _, b := range secret {
			text.WriteRune([]rune(letters)[int(b)%len([]rune(letters))])
		}
		for text.Len() < 4 {
			text.WriteByte('Q')
		}
		quoted := strconv.Quote(text.String())
		body = strings.ReplaceAll(body, "@", quoted)
		at := int(place) % (len(body) + 1)
		for _, b := range []string{body, body[:at] + quoted + body[at:]} {
			var v form
			p := decode(t, request(b), &v)
			if p == nil {
				if v.Under == nil && (v.Plain == "" && !strings.Contains(b, `"Plain"`)) {
					t.Errorf("accepted without a member that is needed: %s", b)
				}
				continue
			}
			said, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			run := 0
			for _, c := range string(said) {
				if strings.ContainsRune(letters, c) {
					run++
				} else {
					run = 0
				}
				if run == 4 {
					t.Fatalf("%s says %s", b, said)
				}
			}
			if p.Status < 400 || p.Status > 422 || p.Code == "" || p.Detail == "" {
				t.Errorf("%s: %s", b, said)
			}
		}
	})
}

func TestReferencesAreDrawnEvenly(t *testing.T) {
	seen := map[rune]float64{}
	cfg := quietly()
	h := web.Handler(cfg, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, c := range web.Reference(r.Context()) {
			seen[c]++
		}
	}))
	const n = 3000
	for range n {
		h.ServeHTTP(httptest.NewRecorder(), local("GET", "/", nil))
	}
	const expected = n * 10 / 29.
	for c, times := range seen {
		if math.Abs(times-expected) > 6*math.Sqrt(expected) {
			t.Errorf("%c came %v times, expected some %.0f", c, times, expected)
		}
	}
	if len(seen) != 29 || seen['O']+seen['I']+seen['B'] != 0 {
		t.Errorf("%d characters", len(seen))
	}
}
