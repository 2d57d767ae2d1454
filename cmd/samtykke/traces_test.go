package main

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"
)

// disguises are the forms that a text can hide in, by name.
func disguises(text string) map[string]string {
	all := map[string]string{}
	for name, s := range map[string]string{"": text, "in capitals": strings.ToUpper(text), "in small letters": strings.ToLower(text)} {
		all["as it is "+name] = s
		digits := hex.EncodeToString([]byte(s))
		all["hex "+name] = digits
		all["HEX "+name] = strings.ToUpper(digits)
		var percent strings.Builder
		for _, b := range []byte(s) {
			fmt.Fprintf(&percent, "%%%02x", b)
		}
		all["percent "+name], all["PERCENT "+name] = percent.String(), strings.ToUpper(percent.String())
		var little, big []byte
		for _, u := range utf16.Encode([]rune(s)) {
			little, big = binary.LittleEndian.AppendUint16(little, u), binary.BigEndian.AppendUint16(big, u)
		}
		all["UTF-16 LE "+name], all["UTF-16 BE "+name] = string(little), string(big)
		for before := range 3 {
			// What stands before and behind shares a character with the first and the last bits.
			from, to := (8*before+5)/6, (8*(before+len(s)))/6
			padded := append(make([]byte, before), s...)
			all[fmt.Sprintf("base64, %d bytes in %s", before, name)] = base64.RawStdEncoding.EncodeToString(padded)[from:to]
			all[fmt.Sprintf("base64 for addresses, %d bytes in %s", before, name)] = base64.RawURLEncoding.EncodeToString(padded)[from:to]
		}
	}
	return all
}

// traces names the forms in which data hold a text, also inside streams that are compressed, three deep.
func traces(text string, data []byte) (found []string) { return tracesOf(disguises(text), data, 3) }

func tracesOf(forms map[string]string, data []byte, deep int) (found []string) {
	for name, form := range forms {
		if bytes.Contains(data, []byte(form)) {
			found = append(found, name)
		}
	}
	if deep == 0 {
		return found
	}
	for _, stream := range streams(data) {
		for _, f := range tracesOf(forms, stream, deep-1) {
			found = append(found, "compressed, "+f)
		}
	}
	return found
}

// streams are what is compressed in data, as far as it can be read: gzip, zlib, and deflate where data begin with it.
func streams(data []byte) (all [][]byte) {
	keep := func(r io.Reader, err error) {
		if err != nil {
			return
		}
		if b, _ := io.ReadAll(io.LimitReader(r, 1<<22)); len(b) > 0 {
			all = append(all, b)
		}
	}
	for i := range data {
		switch rest := data[i:]; {
		case bytes.HasPrefix(rest, []byte{0x1f, 0x8b, 8}):
			r, err := gzip.NewReader(bytes.NewReader(rest))
			keep(r, err)
		case len(rest) > 2 && rest[0] == 0x78 && binary.BigEndian.Uint16(rest)%31 == 0:
			r, err := zlib.NewReader(bytes.NewReader(rest))
			keep(r, err)
		}
	}
	if len(data) > 0 {
		keep(flate.NewReader(bytes.NewReader(data)), nil)
	}
	return all
}

// The search finds a text in every form that it knows, wherever it stands.
func TestTraces(t *testing.T) {
	const text = "bcdfghjklm"
	squeezed := func(b []byte, to func(io.Writer) io.WriteCloser) []byte {
		var out bytes.Buffer
		w := to(&out)
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	gz := func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
	zl := func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }
	fl := func(w io.Writer) io.WriteCloser {
		f, err := flate.NewWriter(w, flate.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	wide := func(s string, order binary.AppendByteOrder) (b []byte) {
		for _, u := range utf16.Encode([]rune(s)) {
			b = order.AppendUint16(b, u)
		}
		return b
	}
	for before := range 7 {
		plain := []byte(strings.Repeat("æ", before) + "x" + text + "yz")
		for what, b := range map[string][]byte{
			"as it is": plain, "in capitals": bytes.ToUpper(plain), "hex": []byte(hex.EncodeToString(plain)),
			"HEX": []byte(strings.ToUpper(hex.EncodeToString(plain))), "base64": []byte(base64.StdEncoding.EncodeToString(plain[before:])),
			"base64 for addresses": []byte(base64.RawURLEncoding.EncodeToString(plain[before:])),
			"UTF-16 LE":            wide(string(plain), binary.LittleEndian), "UTF-16 BE": wide(string(plain), binary.BigEndian),
			"percent": []byte("a=%62%63%64%66%67%68%6a%6b%6c%6d&b"), "PERCENT": []byte("a=%62%63%64%66%67%68%6A%6B%6C%6D&b"),
			"gzip": append(plain[:before:before], squeezed(plain, gz)...), "zlib": append(plain[:before:before], squeezed(plain, zl)...),
			"deflate": squeezed(plain, fl), "gzip of zlib of hex": squeezed(squeezed([]byte(hex.EncodeToString(plain)), zl), gz),
		} {
			if len(traces(text, b)) == 0 {
				t.Errorf("%s, behind %d: not found", what, before)
			}
		}
		if found := traces(text, bytes.ReplaceAll(plain, []byte("g"), []byte("x"))); len(found) > 0 {
			t.Errorf("found what is not there: %v", found)
		}
	}
	built, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.FieldsSeq(string(built)) { // what it could write, and the search could not read
		deflate := strings.HasPrefix(name, "compress/") || name == "github.com/klauspost/compress/flate" || name == "github.com/klauspost/compress/internal/le"
		if writes := regexp.MustCompile(`zstd|compress|snappy|lz4|brotli`); writes.MatchString(name) && !deflate {
			t.Errorf("%s is built in: let the search look into what it compresses", name)
		}
	}
}
