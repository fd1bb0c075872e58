package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"postseal/internal/steer/wizard"
)

// dialogue asks questions line by line on a terminal. Plain lines work in every terminal and with every screen reader,
// and leave what was said to be read again.
type dialogue struct {
	out  io.Writer
	in   *bufio.Reader
	stop func()
}

// maxLine bounds what somebody types or pastes.
const maxLine = 64 << 10

// openDialogue asks on a terminal until ctx ends. A read from standard input cannot be interrupted, one from the
// controlling terminal can: it is opened anew for this dialogue, so nothing else is disturbed.
func openDialogue(ctx context.Context, out io.Writer, in *os.File) *dialogue {
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY, 0)
	if err != nil { // no controlling terminal: then Ctrl-C does not come from here either
		return &dialogue{out: out, in: bufio.NewReader(io.LimitReader(in, maxLine)), stop: func() {}}
	}
	release := context.AfterFunc(ctx, func() {
		if tty.SetReadDeadline(time.Now()) != nil {
			tty.Close() // it cannot wait for a deadline; whoever reads learns of the end
		}
	})
	return &dialogue{out: out, in: bufio.NewReader(io.LimitReader(tty, maxLine)), stop: func() { release(); tty.Close() }}
}

func (d *dialogue) close() { d.stop() }

// errBack asks for the question before.
var errBack = errors.New("back")

// ask prints a question and returns the answer; an empty one is what stands in brackets.
func (d *dialogue) ask(question, initial string) (string, error) {
	fmt.Fprint(d.out, question)
	if initial != "" {
		fmt.Fprintf(d.out, " [%s]", initial)
	}
	fmt.Fprint(d.out, ": ")
	line, err := d.in.ReadString('\n')
	if err != nil {
		fmt.Fprintln(d.out)
		return "", wizard.ErrLeft
	}
	switch answer := strings.TrimSpace(line); answer {
	case "<":
		return "", errBack
	case "":
		return initial, nil
	default:
		return answer, nil
	}
}
