package trust

import (
	"bufio"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/x509cert"
)

// MaxBatchLineBytes bounds a line of a batch.
const MaxBatchLineBytes = 16 << 20

// batchLine is one question of `postseal trust verify --batch`, in the words of spec/cli.md.
type batchLine struct {
	ID         json.RawMessage `json:"id"`
	Leaf       string          `json:"leaf"`
	Chain      []string        `json:"chain"`
	Roots      []string        `json:"roots"`
	CRLs       []string        `json:"crls"`
	At         string          `json:"at"`
	Name       string          `json:"name"`
	Purpose    string          `json:"purpose"`
	Revocation string          `json:"revocation"`
	Profile    string          `json:"profile"`
	MaxDepth   *int            `json:"maxDepth"` // beyond spec/cli.md
}

type batchAnswer struct {
	ID     json.RawMessage `json:"id"`
	Status x509cert.Status `json:"status"`
	Reason string          `json:"reason"`
}

// VerifyBatch answers a question for each line of r by a line of w, in the same order. A line that is no question is
// answered as Invalid with what is wrong with it, so the error is only ever that of r, w or ctx. As many questions are
// worked on at once as there are processors, and not many more lines are held in memory. Lines of white space are passed
// over.
func (v *Verifier) VerifyBatch(ctx context.Context, r io.Reader, w io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := runtime.GOMAXPROCS(0)
	waiting := make(chan chan []byte, workers) // answers in the order of their questions
	slots := make(chan struct{}, workers)
	readErr := make(chan error, 1)
	go func() {
		defer close(waiting)
		readErr <- v.readBatch(ctx, r, waiting, slots)
	}()
	var writeErr error
	for answer := range waiting {
		line := <-answer
		if writeErr != nil {
			continue // the reader ends soon, and its questions are waited for
		}
		if _, writeErr = w.Write(line); writeErr != nil {
			cancel()
		}
	}
	if writeErr != nil {
		return fmt.Errorf("writing answers: %w", writeErr)
	}
	return <-readErr
}

// readBatch starts a goroutine for each line. It never waits for an answer itself.
func (v *Verifier) readBatch(ctx context.Context, r io.Reader, waiting chan<- chan []byte, slots chan struct{}) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for number := 1; ; number++ {
		line, tooLong, err := readLine(in)
		if len(strings.TrimSpace(string(line))) > 0 || tooLong {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			answer := make(chan []byte, 1)
			go func() {
				defer func() { <-slots }()
				answer <- v.answerLine(ctx, line, number, tooLong)
			}()
			waiting <- answer
		}
		if errors.Is(err, io.EOF) {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("reading line %d: %w", number, err)
		}
	}
}

// readLine reads up to the next line feed. What is too long is read to its end and forgotten.
func readLine(in *bufio.Reader) (line []byte, tooLong bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > MaxBatchLineBytes+1 {
			line, tooLong = nil, true
		} else if !tooLong {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, tooLong, err
		}
	}
}

func (v *Verifier) answerLine(ctx context.Context, line []byte, number int, tooLong bool) []byte {
	answer := batchAnswer{ID: json.RawMessage("null"), Status: x509cert.StatusInvalid}
	var question Question
	var notes string
	l, err := parseBatchLine(line, tooLong)
	if l.ID != nil {
		answer.ID = l.ID
	}
	if err == nil {
		question, notes, err = l.question()
	}
	if err != nil {
		answer.Reason = fmt.Sprintf("line %d: %s", number, err)
	} else {
		verdict := v.Verify(ctx, question)
		answer.Status, answer.Reason = verdict.Status, verdict.Reason
		if verdict.Status != x509cert.StatusValid && notes != "" {
			answer.Reason += "; " + notes
		}
	}
	out, err := json.Marshal(answer)
	if err != nil { // an id that is no JSON cannot come out of a decoder
		out = []byte(`{"id":null,"status":"Invalid","reason":"the answer cannot be written"}`)
	}
	return append(out, '\n')
}

// parseBatchLine returns the id whenever there is one, so that even a refusal finds its question.
func parseBatchLine(text []byte, tooLong bool) (batchLine, error) {
	var l batchLine
	if tooLong {
		return l, fmt.Errorf("longer than %d MiB", MaxBatchLineBytes>>20)
	}
	if err := json.Unmarshal(text, &l); err != nil {
		var only struct {
			ID json.RawMessage `json:"id"`
		}
		if json.Unmarshal(text, &only) == nil {
			l.ID = only.ID
		}
		return l, fmt.Errorf("no question in JSON: %s", clip(err.Error()))
	}
	return l, nil
}

// question reads the texts. notes name parts that cannot be read and are left out: another chain may do without them.
func (l batchLine) question() (q Question, notes string, err error) {
	leaf, more, bad := readCertificates([]string{l.Leaf})
	if bad != "" || leaf == nil {
		return q, "", fmt.Errorf("the certificate cannot be read: %s", cmp.Or(bad, "there is none"))
	}
	q = Question{Leaf: leaf, Name: l.Name, MaxDepth: l.MaxDepth}
	first, rest, bad := readCertificates(l.Chain)
	q.Intermediates = append(more, withFirst(first, rest)...)
	if bad != "" {
		notes = "a part of the chain cannot be read: " + bad
	}
	if l.Roots != nil {
		first, rest, bad := readCertificates(l.Roots)
		q.Roots = append([]*x509.Certificate{}, withFirst(first, rest)...)
		if bad != "" {
			notes = "a root cannot be read: " + bad
		}
	}
	if l.At != "" {
		if q.At, err = time.Parse(time.RFC3339, l.At); err != nil {
			return q, "", fmt.Errorf("at: %q is no time of RFC 3339", clip(l.At))
		}
	}
	if q.Purpose, err = ParsePurpose(l.Purpose); err != nil {
		return q, "", err
	}
	if q.Mode, err = ParseMode(l.Revocation); err != nil {
		return q, "", err
	}
	if q.Profile, err = ParseProfile(l.Profile); err != nil {
		return q, "", err
	}
	if l.CRLs != nil {
		lists, err := readCRLs(l.CRLs)
		if err != nil {
			return q, "", err
		}
		q.Revocation = NewCRLs(lists...)
	}
	return q, notes, nil
}

func withFirst(first *x509.Certificate, rest []*x509.Certificate) []*x509.Certificate {
	if first == nil {
		return rest
	}
	return slices.Concat([]*x509.Certificate{first}, rest)
}

// readCertificates reads every certificate of some PEM texts; bad says what could not be read, the first of it.
func readCertificates(texts []string) (first *x509.Certificate, rest []*x509.Certificate, bad string) {
	note := func(s string) {
		if bad == "" {
			bad = clip(s)
		}
	}
	for _, text := range texts {
		found := false
		for block, left := pem.Decode([]byte(text)); block != nil; block, left = pem.Decode(left) {
			if block.Type != "CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
				continue
			}
			found = true
			cert, err := x509cert.ParseCertificate(block.Bytes)
			switch {
			case err != nil:
				note(err.Error())
			case first == nil:
				first = cert
			default:
				rest = append(rest, cert)
			}
		}
		if !found {
			note("no certificate in PEM")
		}
	}
	return first, rest, bad
}

func readCRLs(texts []string) ([][]byte, error) {
	lists := [][]byte{}
	for i, text := range texts {
		found := false
		for block, left := pem.Decode([]byte(text)); block != nil; block, left = pem.Decode(left) {
			if block.Type == "X509 CRL" {
				lists, found = append(lists, block.Bytes), true
			}
		}
		if !found {
			return nil, fmt.Errorf("crls[%d]: no CRL in PEM", i)
		}
	}
	return lists, nil
}
