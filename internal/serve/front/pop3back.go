package front

import (
	"bytes"
	"context"
	"fmt"
)

// pop3Login speaks to a back end from its greeting to the answer to PASS. k holds no line ends.
func pop3Login(ctx context.Context, b Backend, d *dialogue, k *credentials) (answer, error) {
	if line, err := pop3Status(d); err != nil {
		return answer{}, err
	} else if !positive(line) {
		return answer{}, fmt.Errorf("back end's greeting: %q", shorten(line))
	}
	if b.TLS == TLSStartTLS {
		if err := d.say([]byte("STLS\r\n")); err != nil {
			return answer{}, err
		}
		line, err := pop3Status(d)
		switch {
		case err != nil:
			return answer{}, err
		case !positive(line):
			return answer{}, fmt.Errorf("back end refused STLS: %q", shorten(line))
		}
		if err := d.secure(ctx, b); err != nil {
			return answer{}, err
		}
	}
	if err := d.say([]byte("USER "), k.user, []byte("\r\n")); err != nil {
		return answer{}, err
	}
	line, err := pop3Status(d)
	switch {
	case err != nil:
		return answer{}, err
	case !positive(line):
		return answer{lines: []string{string(line)}}, nil
	}
	if err := d.say([]byte("PASS "), k.password, []byte("\r\n")); err != nil {
		return answer{}, err
	}
	line, err = pop3Status(d)
	switch {
	case err != nil:
		return answer{}, err
	case !positive(line):
		return answer{lines: []string{string(line)}}, nil
	}
	return answer{lines: []string{string(line)}, conn: d.rest()}, nil
}

// pop3Status reads a status line, of which RFC 1939 section 3 knows two.
func pop3Status(d *dialogue) ([]byte, error) {
	line, err := d.line()
	if err != nil {
		return nil, err
	}
	if !positive(line) && !bytes.HasPrefix(line, []byte("-ERR")) {
		return nil, errBackendAnswer
	}
	return line, nil
}

func positive(line []byte) bool {
	return bytes.Equal(line, []byte("+OK")) || bytes.HasPrefix(line, []byte("+OK "))
}
