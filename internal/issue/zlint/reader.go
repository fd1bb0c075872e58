package zlint

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Errors of a reader. An error that wraps none of them, nor the context's, is a child that has failed at what it was given.
var (
	// ErrNoProgram says that there is no program to start.
	ErrNoProgram = errors.New("the program " + Program + " is not there")
	// ErrNoChild says that the program could not be started, or is not what it should be.
	ErrNoChild = errors.New("the program " + Program + " does not work")
)

const (
	startLimit = 20 * time.Second // zlint makes its lints before it says hello
	itemLimit  = 10 * time.Second // the largest list takes a tenth of it
	stopLimit  = 5 * time.Second
)

// Options say how a [Reader] works.
type Options struct {
	Program string        // path of the program
	Limit   time.Duration // for one thing; zero means ten seconds
}

// Reader has a child read things, one after the other. It belongs to one goroutine, which calls [Reader.Close] in the end.
type Reader struct {
	o     Options
	child *child // nil: none runs
}

// NewReader starts nothing yet.
func NewReader(o Options) *Reader {
	if o.Limit <= 0 {
		o.Limit = itemLimit
	}
	return &Reader{o: o}
}

// There says whether there is a program that could be started.
func (r *Reader) There() bool { return There(r.o.Program) }

// There says whether a path is that of a program.
func There(program string) bool {
	info, err := os.Stat(program)
	return program != "" && err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// Read has one thing read. After an error the child is gone, and the next thing gets another.
func (r *Reader) Read(ctx context.Context, k Kind, der []byte) (*Answer, error) {
	if len(der) > MaxBytes {
		return nil, errTooLarge
	}
	if r.child == nil {
		c, err := start(ctx, r.o.Program)
		if err != nil {
			return nil, err
		}
		r.child = c
	}
	answer, err := r.child.read(ctx, r.o.Limit, k, der)
	if err != nil {
		said := r.child.kill()
		r.child = nil
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("having zlint read: %w%s", err, said)
	}
	return answer, nil
}

// Works has the child read a certificate in which nothing is unusual, and fails with [ErrNoChild] when it cannot: then
// what it failed at before is not what is wrong. No error of it is about anything that was read.
func (r *Reader) Works(ctx context.Context) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	plain := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "plain.example.com"}, DNSNames: []string{"plain.example.com"}, NotBefore: time.Now(), NotAfter: time.Now().AddDate(0, 0, 30)}
	der, err := x509.CreateCertificate(rand.Reader, plain, plain, key.Public(), key)
	if err != nil {
		return err
	}
	if _, err := r.Read(ctx, Certificate, der); err != nil {
		return fmt.Errorf("having it read what is plain: %w: %w", ErrNoChild, err)
	}
	return nil
}

// Close ends the child, if one runs. The next [Reader.Read] starts another.
func (r *Reader) Close() error {
	if r.child == nil {
		return nil
	}
	c := r.child
	r.child = nil
	defer time.AfterFunc(stopLimit, func() { c.cmd.Process.Kill() }).Stop() // it ends when its input does
	return errors.Join(c.in.Close(), c.cmd.Wait())
}

// Running says whether a child runs.
func (r *Reader) Running() bool { return r.child != nil }

// child is a running program.
type child struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	said *clipped
}

func start(ctx context.Context, program string) (*child, error) {
	if !There(program) {
		return nil, fmt.Errorf("starting %s: %w", program, ErrNoProgram)
	}
	c := &child{cmd: exec.Command(program), said: new(clipped)}
	c.cmd.Env = []string{} // not nil, which would be ours
	c.cmd.Dir = "/"
	c.cmd.Stderr = c.said
	c.cmd.WaitDelay = stopLimit // in case it has left somebody behind who holds its standard error
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.in, c.out = in, bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w: %w", program, ErrNoChild, err)
	}
	var hello Hello
	err = c.answer(ctx, startLimit, &hello)
	if err == nil && (hello.Program != Program || hello.Protocol != Protocol) {
		err = fmt.Errorf("it is %q with protocol %d", hello.Program, hello.Protocol)
	}
	if err != nil {
		said := c.kill()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("starting %s: %w: %w%s", program, ErrNoChild, err, said)
	}
	return c, nil
}

// kill ends it and returns what it said on standard error, for an error.
func (c *child) kill() string {
	c.cmd.Process.Kill()
	c.in.Close()
	err := c.cmd.Wait() // reads standard error to its end
	text := ""
	if err != nil {
		text = " (" + err.Error() + ")"
	}
	if said := bytes.TrimSpace(c.said.text); len(said) > 0 {
		text += ": " + clip(string(said))
	}
	return text
}

func (c *child) read(ctx context.Context, limit time.Duration, k Kind, der []byte) (*Answer, error) {
	// A child that does not read must not hold the writer: the answer's limit is for both.
	stop := c.limit(ctx, limit)
	err := WriteItem(c.in, k, der)
	stop()
	if err != nil {
		return nil, err
	}
	a := new(Answer)
	if err := c.answer(ctx, limit, a); err != nil {
		return nil, err
	}
	if len(a.Findings) > MaxFindings {
		return nil, fmt.Errorf("it finds more than %d things in one", MaxFindings)
	}
	for n := range a.Findings {
		f := &a.Findings[n]
		if f.Lint == "" || len(f.Lint) > 200 || clip(f.Lint) != f.Lint {
			return nil, errors.New("it names no lint")
		}
		f.Details = clip(f.Details)
	}
	a.Unreadable = clip(a.Unreadable)
	return a, nil
}

// limit kills the child when the time is over or the context ends.
func (c *child) limit(ctx context.Context, limit time.Duration) (stop func()) {
	kill := func() { c.cmd.Process.Kill() }
	timer := time.AfterFunc(limit, kill)
	end := context.AfterFunc(ctx, kill)
	return func() { timer.Stop(); end() }
}

// answer reads one line of JSON.
func (c *child) answer(ctx context.Context, limit time.Duration, into any) error {
	defer c.limit(ctx, limit)()
	var line []byte
	for {
		part, err := c.out.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxAnswerBytes {
			return errors.New("its answer is too long")
		}
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("it ended without an answer: %w", err)
		}
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("its answer is none: %w", err)
	}
	return nil
}

// clip bounds a text of the child and takes out what does not print.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	if len(s) > MaxDetailBytes {
		s = strings.ToValidUTF8(s[:MaxDetailBytes], "")
	}
	return s
}

// clipped keeps the first octets that are written to it.
type clipped struct{ text []byte }

func (c *clipped) Write(p []byte) (int, error) {
	const most = 2000
	c.text = append(c.text, p[:min(len(p), most-len(c.text))]...)
	return len(p), nil
}
