package plan

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/x509cert"
)

// Bounds of a file that is read.
const (
	maxFileBytes = 4 << 20
	maxLineBytes = 4096
)

// SyntaxError says which line of an inventory is wrong, and why.
type SyntaxError struct {
	Line   int // from 1
	Reason string
	Err    error // what is behind it; may be nil
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

func (e *SyntaxError) Unwrap() error { return e.Err }

// ReadInventory reads a file of one name a line: name, services, zone, and perhaps the word keep. A line that begins
// with "apart" has two names that must not share a key. What follows a # is for people.
//
//	mail.example.com          HTTP,IMAP,POP,SMTP  inside
//	mx.example.com            SMTP                edge     keep
//	apart shop.example.com mail.example.com
//
// It is strict: what it does not understand is a [*SyntaxError] with the number of the line.
func ReadInventory(r io.Reader) (*Inventory, error) {
	limited := &io.LimitedReader{R: r, N: maxFileBytes + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, maxLineBytes), maxLineBytes)
	var needs []Need
	var apart []Pair
	number := 0
	for lines.Scan() {
		number++
		text, _, _ := strings.Cut(lines.Text(), "#")
		if number == 1 {
			text = strings.TrimPrefix(text, "\ufeff") // Windows puts a byte order mark there
		}
		words := strings.Fields(text)
		switch {
		case len(words) == 0:
		case strings.EqualFold(words[0], "apart"):
			pair, err := parsePair(words)
			if err != nil {
				return nil, &SyntaxError{number, err.Error(), err}
			}
			apart = append(apart, pair)
		default:
			need, err := parseNeed(words)
			if err != nil {
				return nil, &SyntaxError{number, err.Error(), err}
			}
			needs = append(needs, need)
		}
		if len(needs) > MaxNeeds || len(apart) > MaxPairs {
			return nil, &SyntaxError{number, fmt.Sprintf("at most %d names and %d pairs", MaxNeeds, MaxPairs), nil}
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, &SyntaxError{number + 1, fmt.Sprintf("longer than %d octets", maxLineBytes), nil}
	} else if err != nil {
		return nil, fmt.Errorf("reading names: %w", err)
	}
	if limited.N == 0 {
		return nil, &SyntaxError{number, fmt.Sprintf("the file is longer than %d octets", maxFileBytes), nil}
	}
	if len(needs) == 0 {
		return nil, &SyntaxError{max(number, 1), "there is no name in the file", nil}
	}
	return NewInventory(needs, apart)
}

func parsePair(words []string) (Pair, error) {
	if len(words) != 3 {
		return Pair{}, fmt.Errorf("apart wants two names, got %d", len(words)-1)
	}
	for _, w := range words[1:] {
		if _, err := x509cert.ParseSAN(w); err != nil {
			return Pair{}, err
		}
	}
	return Pair{words[1], words[2]}, nil
}

func parseNeed(words []string) (Need, error) {
	if len(words) < 3 || len(words) > 4 {
		return Need{}, fmt.Errorf("want a name, its services and its zone, got %d words", len(words))
	}
	var n Need
	var err error
	if n.Name, err = x509cert.ParseSAN(words[0]); err != nil {
		return n, err
	}
	if n.Services, err = listener.ParseServices(words[1]); err != nil {
		return n, err
	}
	if n.Zone, err = ParseZone(words[2]); err != nil {
		return n, err
	}
	if len(words) == 4 {
		if !strings.EqualFold(words[3], "keep") {
			return n, fmt.Errorf("%.80q: the fourth word can only be keep", words[3])
		}
		n.Keep = true
	}
	return n, nil
}
