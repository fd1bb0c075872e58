package certfile

import (
	"errors"
	"fmt"
)

// berError says what is wrong with the octets of an element. Callers put the place before it.
type berError struct{ reason string }

func (e *berError) Error() string { return e.reason }

var (
	errNested = errors.New("nested too deep")
	errCut    = &berError{"it is cut off in the middle of an element"}
)

// toDER returns the one element that data holds, as far as possible in DER (ITU-T X.690 section 10): lengths are
// definite and short, and octet strings are in one piece. Data that has these already comes back as it is, because
// signatures are over octets. The rules for what is in primitive elements are left to the parsers.
func toDER(data []byte) ([]byte, error) {
	e, rest, err := scan(data, 0)
	if err != nil {
		return nil, err
	}
	if !isBlank(rest) {
		return nil, &berError{fmt.Sprintf("%d octets follow after its end", len(rest))}
	}
	if e.der {
		return data[:len(data)-len(rest)], nil
	}
	der, _ := rewrite(nil, data)
	return der, nil
}

// element is the frame of one element of BER.
type element struct {
	tag        []byte // the identifier octets
	content    []byte // without the end-of-contents octets
	indefinite bool
	der        bool // this element and all in it have the lengths of DER, and no string is in pieces
}

func (e element) constructed() bool { return e.tag[0]&0x20 != 0 }

// inPieces reports whether it is an octet string made of octet strings.
func (e element) inPieces() bool { return e.tag[0] == 0x24 }

// scan reads the element at the beginning of data and checks all in it. It returns what follows it.
func scan(data []byte, depth int) (e element, rest []byte, err error) {
	if depth > maxNesting {
		return element{}, nil, errNested
	}
	e, rest, err = frame(data)
	if err != nil || !e.constructed() {
		return e, rest, err
	}
	inner := e.content
	if e.indefinite {
		inner = rest
	}
	if e.inPieces() {
		e.der = false
	}
	for len(inner) > 0 {
		if e.indefinite && len(inner) >= 2 && inner[0] == 0 && inner[1] == 0 {
			e.content = rest[:len(rest)-len(inner)]
			return e, inner[2:], nil
		}
		var child element
		if child, inner, err = scan(inner, depth+1); err != nil {
			return element{}, nil, err
		}
		if e.inPieces() && child.tag[0] != 0x04 && !child.inPieces() {
			return element{}, nil, &berError{"an octet string is made of something else"}
		}
		e.der = e.der && child.der
	}
	if e.indefinite {
		return element{}, nil, &berError{"it is cut off: an element of indefinite length has no end"}
	}
	return e, rest, nil
}

// frame reads tag and length. Of an element of indefinite length it returns no content, but all after it as rest.
func frame(data []byte) (e element, rest []byte, err error) {
	n := 1
	if len(data) > 0 && data[0]&0x1f == 0x1f { // ITU-T X.690 section 8.1.2.4: the number follows
		for more := true; more; n++ {
			if n >= len(data) {
				return element{}, nil, errCut
			}
			if n > 5 {
				return element{}, nil, &berError{"a tag is too large"}
			}
			more = data[n]&0x80 != 0
		}
	}
	if n >= len(data) {
		return element{}, nil, errCut
	}
	e = element{tag: data[:n], der: true}
	first := data[n]
	data = data[n+1:]
	length := int(first)
	switch {
	case first == 0x80:
		if !e.constructed() {
			return element{}, nil, &berError{"a primitive element has an indefinite length"}
		}
		e.indefinite, e.der = true, false
		return e, data, nil
	case first > 0x80:
		octets := int(first & 0x7f)
		if octets > len(data) {
			return element{}, nil, errCut
		}
		length = 0
		for _, c := range data[:octets] {
			if length = length<<8 | int(c); length > MaxBytes {
				return element{}, nil, &berError{"a length is larger than any file we read"}
			}
		}
		// Minimal: as few octets as possible, and none where one will do.
		e.der = length >= 0x80 && data[0] != 0
		data = data[octets:]
	}
	if length > len(data) {
		return element{}, nil, &berError{fmt.Sprintf("it is cut off: %d octets are missing", length-len(data))}
	}
	e.content = data[:length]
	return e, data[length:], nil
}

// rewrite appends the element at the beginning of data, which scan has checked, in DER. It returns what follows it.
func rewrite(out, data []byte) (extended, rest []byte) {
	e, rest, err := frame(data)
	if err != nil {
		panic("certfile: internal error: rewriting what was not scanned: " + err.Error())
	}
	if !e.constructed() {
		return appendElement(out, e.tag, e.content), rest
	}
	inner := e.content
	if e.indefinite {
		inner = rest
	}
	var content []byte
	for len(inner) > 0 {
		if e.indefinite && inner[0] == 0 && inner[1] == 0 {
			rest = inner[2:]
			break
		}
		content, inner = rewrite(content, inner)
	}
	tag := e.tag
	if e.inPieces() {
		tag, content = []byte{0x04}, joinPieces(content)
	}
	return appendElement(out, tag, content), rest
}

// joinPieces joins the contents of octet strings in DER.
func joinPieces(pieces []byte) (joined []byte) {
	joined = make([]byte, 0, len(pieces))
	for len(pieces) > 0 {
		e, rest, err := frame(pieces)
		if err != nil {
			panic("certfile: internal error: joining what was not rewritten: " + err.Error())
		}
		joined, pieces = append(joined, e.content...), rest
	}
	return joined
}

func appendElement(out, tag, content []byte) []byte {
	out = append(out, tag...)
	switch n := len(content); {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 1<<8:
		out = append(out, 0x81, byte(n))
	case n < 1<<16:
		out = append(out, 0x82, byte(n>>8), byte(n))
	case n < 1<<24:
		out = append(out, 0x83, byte(n>>16), byte(n>>8), byte(n))
	default:
		out = append(out, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(out, content...)
}
