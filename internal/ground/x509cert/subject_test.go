package x509cert

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"strings"
	"testing"
)

func TestParseSubject(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"CN=mail.example.com", "CN=mail.example.com"},
		{"CN=mail,O=Example,C=kr", "CN=mail,O=Example,C=KR"},
		{" cn = mail , o = Example Corp ", "CN=mail,O=Example Corp"},
		{"C=KR,ST=Seoul,L=Jung-gu,O=예시 주식회사,OU=메일,CN=mail.example.com", "C=KR,ST=Seoul,L=Jung-gu,O=예시 주식회사,OU=메일,CN=mail.example.com"},
		{`CN=a,O=Example\, Ltd.`, `CN=a,O=Example\, Ltd.`},
		{`CN=a,O="Example, Ltd." `, `CN=a,O=Example\, Ltd.`},
		{`CN=a,O="say \"hi\""`, `CN=a,O=say \"hi\"`},
		{`CN=\ a\ ,O=\#b#`, `CN=\ a\ ,O=\#b#`},
		{`CN=a\2cb\+c\;d\<e\>f\\g\=h`, `CN=a\,b\+c\;d\<e\>f\\g=h`},
		{`CN=Lu\C4\8Di\C4\87`, "CN=Lučić"}, // the example of RFC 4514 section 4
		{"CN=a=b", "CN=a=b"},
		{"UID=jsmith,DC=example,DC=net", "UID=jsmith,DC=example,DC=net"},
		{"E=a@example.com,CN=a", "emailAddress=a@example.com,CN=a"},
		{"S=Seoul,CN=a", "ST=Seoul,CN=a"},
		{"2.5.4.3=mail", "CN=mail"},
		{"CN=#0c046d61696c", "CN=mail"},
		{"1.3.6.1.4.1.1466.0=#04024869,CN=a", "!1.3.6.1.4.1.1466.0: after # want the hex digits of a DER string"},
		{"1.3.6.1.4.1.1466.0=Hi,CN=a", "1.3.6.1.4.1.1466.0=#13024869,CN=a"},
		{"OU=a,OU=b,CN=c", "OU=a,OU=b,CN=c"},
		{"CN=" + strings.Repeat("가", 64), "CN=" + strings.Repeat("가", 64)},

		{"", "!: empty"},
		{"   ", "!: empty"},
		{"mail.example.com", "!mail.example.com: want KEYWORD=value"},
		{"CN=a,", "!: want KEYWORD=value"},
		{"CN=a,,O=b", "!,O: unknown keyword; known are CN, O, OU, L, ST, C, STREET, DC, UID and OIDs"},
		{"/C=KR/CN=a", "!/C: unknown keyword; known are CN, O, OU, L, ST, C, STREET, DC, UID and OIDs"},
		{"CN=", "!CN: the value is empty"},
		{"CN=  ", "!CN: the value is empty"},
		{`CN=""`, "!CN: the value is empty"},
		{"CN=a+OU=b", "!CN: several attributes joined by + are not supported; separate them by commas"},
		{"CN=a;O=b", `!CN: ";" must be escaped with a backslash`},
		{`CN=a"b`, `!CN: "\"" must be escaped with a backslash`},
		{`CN="a`, "!CN: the quotation mark is not closed"},
		{`CN=a\`, "!CN: a backslash must be followed by a special character or two hex digits"},
		{`CN=a\zz`, "!CN: a backslash must be followed by a special character or two hex digits"},
		{`CN=a\00b`, "!CN: the value holds a control or invisible character"},
		{"CN=a\u202eb", "!CN: the value holds a control or invisible character"},
		{`CN=\ff`, "!CN: the value is not valid UTF-8"},
		{"CN=" + strings.Repeat("a", 65), "!CN: the value is too long"},
		{"CN=a,C=KOR", "!C: the value is too long"},
		{"CN=a,C=8K", "!C: a country is two letters, such as KR"},
		{"DC=한국", "!DC: the value is not ASCII"},
		{"CN=a,CN=b", "!CN: given twice"},
		{"3.1=a", "!3.1: unknown keyword; known are CN, O, OU, L, ST, C, STREET, DC, UID and OIDs"},
		{"2.05.4.3=a", "!2.05.4.3: unknown keyword; known are CN, O, OU, L, ST, C, STREET, DC, UID and OIDs"},
		{"CN=#zz", "!CN: after # want the hex digits of a DER string"},
		{strings.Repeat("OU=a,", 40) + "CN=a", "!: more than 32 attributes"},
		{strings.Repeat("a", 1025), "!: longer than 1024 octets"},
	}
	for _, tt := range tests {
		name, err := ParseSubject(tt.in)
		got := SubjectText(name)
		if err != nil {
			var invalid *InvalidSubjectError
			if !errors.As(err, &invalid) {
				t.Fatalf("%q: got %T, want *InvalidSubjectError", tt.in, err)
			}
			got = "!" + invalid.Part + ": " + invalid.Reason
		}
		if got != tt.want {
			t.Errorf("%.80q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestParseSubjectFields(t *testing.T) {
	t.Parallel()
	name, err := ParseSubject("CN=mail.example.com,OU=b,OU=a,O=Example,C=KR")
	if err != nil {
		t.Fatal(err)
	}
	if name.CommonName != "mail.example.com" || len(name.Organization) != 1 || len(name.OrganizationalUnit) != 2 || name.Country[0] != "KR" {
		t.Errorf("got %+v, want the named fields filled", name)
	}
	if name.String() == "" {
		t.Error("got the empty text of a name that is not empty")
	}
}

func TestCheckSubject(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		name pkix.Name
		good bool
	}{
		"common name":     {pkix.Name{CommonName: "Postseal Server Auth Certificate"}, true},
		"all fields":      {pkix.Name{CommonName: "a", Organization: []string{"b"}, Country: []string{"KR"}}, true},
		"empty":           {pkix.Name{}, false},
		"too long":        {pkix.Name{CommonName: strings.Repeat("a", 65)}, false},
		"control":         {pkix.Name{CommonName: "a\nb"}, false},
		"empty value":     {pkix.Name{CommonName: "a", Organization: []string{""}}, false},
		"country":         {pkix.Name{CommonName: "a", Country: []string{"Korea"}}, false},
		"not a text":      {pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: 7}}}, false},
		"too many octets": {pkix.Name{CommonName: "a", OrganizationalUnit: []string{strings.Repeat("가", 64), strings.Repeat("나", 64), strings.Repeat("다", 64), strings.Repeat("라", 64), strings.Repeat("마", 64), strings.Repeat("바", 64)}}, false},
	}
	for what, tt := range tests {
		if err := CheckSubject(tt.name); (err == nil) != tt.good {
			t.Errorf("%s: got %v, want good %v", what, err, tt.good)
		}
	}
}

func TestNameTextOfForeignNames(t *testing.T) {
	t.Parallel()
	value := func(tag int, octets string) asn1.RawValue {
		return asn1.RawValue{Tag: tag, Bytes: []byte(octets)}
	}
	cn := asn1.ObjectIdentifier{2, 5, 4, 3}
	name := func(sets ...pkix.RelativeDistinguishedNameSET) []byte {
		der, err := asn1.Marshal(pkix.RDNSequence(sets))
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	one := func(v any) pkix.RelativeDistinguishedNameSET {
		return pkix.RelativeDistinguishedNameSET{{Type: cn, Value: v}}
	}
	tests := map[string]struct {
		der  []byte
		want string
	}{
		"empty":         {name(), ""},
		"BMPString":     {name(one(value(asn1.TagBMPString, "\xd5\x5c\xad\x6d"))), "CN=한국"},
		"odd BMP":       {name(one(value(asn1.TagBMPString, "\xd5"))), "CN=#1e01d5"},
		"T61String":     {name(one(value(asn1.TagT61String, "M\xfcller"))), "CN=Müller"},
		"control":       {name(one("a\x1b[2Jb")), `CN=a\1b[2Jb`},
		"right to left": {name(one("a\u202eb")), `CN=a\e2\80\aeb`},
		"integer":       {name(one(7)), "CN=#020107"},
		"two in one": {name(pkix.RelativeDistinguishedNameSET{{Type: cn, Value: "a"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: "b"}}),
			"CN=a+OU=b"},
		"unknown": {name(pkix.RelativeDistinguishedNameSET{{Type: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 1466, 0}, Value: []byte("Hi")}}), "1.3.6.1.4.1.1466.0=#04024869"},
	}
	for what, tt := range tests {
		if got, ok := nameText(tt.der); !ok || got != tt.want {
			t.Errorf("%s: got %q, %v, want %q", what, got, ok, tt.want)
		}
	}
	if got, ok := nameText([]byte("no name")); ok {
		t.Errorf("got %q, want it refused", got)
	}
}

func FuzzParseSubject(f *testing.F) {
	seeds := []string{
		"CN=mail.example.com", "CN=a,O=Example\\, Ltd.,C=KR", `O="a, b"`, "CN=#0c046d61696c", `CN=Lu\C4\8Di\C4\87`,
		"2.5.4.3=a", "DC=a,DC=b", "CN=a+OU=b", `CN=\ a\ `, "E=a@b", "=", `CN="`, "",
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := ParseSubject(s)
		if err != nil {
			var invalid *InvalidSubjectError
			if !errors.As(err, &invalid) || invalid.Reason == "" {
				t.Errorf("%q: got %v, want an InvalidSubjectError with a reason", s, err)
			}
			return
		}
		text := SubjectText(name)
		if text == "" {
			t.Fatalf("%q: taken, but shown as nothing", s)
		}
		again, err := ParseSubject(text)
		if len(text) > maxSubjectBytes {
			return // escaping made it longer than what may be typed
		}
		if err != nil || SubjectText(again) != text {
			t.Errorf("%q: got %q when read again, %v, want %q", s, SubjectText(again), err, text)
		}
		first, _ := asn1.Marshal(name.ToRDNSequence())
		second, _ := asn1.Marshal(again.ToRDNSequence())
		if string(first) != string(second) {
			t.Errorf("%q: got DER %x when read again, want %x", s, second, first)
		}
	})
}

// TestAParsedNameKeepsItsOrder: the fields of a pkix.Name do not tell CN=a,O=b from O=b,CN=a.
func TestAParsedNameKeepsItsOrder(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"CN=Test CA,O=X", "O=X,CN=Test CA", "C=KR,CN=a,O=b,OU=c"} {
		asked, err := ParseSubject(text)
		if err != nil {
			t.Fatal(err)
		}
		der, err := asn1.Marshal(asked.ToRDNSequence())
		if err != nil {
			t.Fatal(err)
		}
		var sequence pkix.RDNSequence
		if _, err := asn1.Unmarshal(der, &sequence); err != nil {
			t.Fatal(err)
		}
		var parsed pkix.Name
		parsed.FillFromRDNSequence(&sequence)
		if got := SubjectText(parsed); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
}
